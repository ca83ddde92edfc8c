// A queue in memory that takes from its front in constant time, however long it is.

/** Places in front that are free are given back when there are so many, and half of all. */
const FREE_MAX = 1024;

export class Fifo<T> {
  #items: T[] = [];
  #front = 0;

  get length(): number {
    return this.#items.length - this.#front;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#front];
  }

  shift(): T | undefined {
    const item = this.#items[this.#front];
    if (item === undefined) return undefined;
    this.#items[this.#front] = undefined as T;
    this.#front += 1;
    if (this.#front > FREE_MAX && this.#front * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }
}
