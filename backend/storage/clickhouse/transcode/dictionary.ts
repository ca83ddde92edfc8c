// A column of texts that repeat, each of them kept once: what the Native format calls
// LowCardinality(String). ClickHouse takes such a block as it is, where it would look up each text
// of a plain one.
//
//   column = 8 bytes 1, …, content          the number stands in front of the whole column, before
//                                           the ends of arrays that the texts are in
//   content = nothing                       when there is no element
//           | 8 bytes INDEX_TYPE            width of a place, and that texts follow
//             8 bytes count, texts          as in a String column, in the order of their places
//             8 bytes count, places         4 bytes each, one an element
//
// Finding a text is one comparison when it follows the text that it followed last time, as the keys
// of attributes do, and else a look into a hash table with chains.
//
// Invariants:
// - Texts and places that were added after `mark` disappear with `rollback`, newest first.
// - Places that were kept outside are valid as long as `sharedContent` is not 0.

import { Bytes, Words } from './columns.ts';
import type { Part } from './columns.ts';

export const limits = {
  /**
   * So many texts of one slot are looked at; then the text is kept twice, which ClickHouse mends.
   * So a sender who makes up texts that fall on one slot costs no more than others.
   */
  chainMax: 32,
  /** A dictionary with more texts gives its memory back when it is emptied. */
  keptTextsMax: 65_536,
} as const;

/** What stands at the beginning of a column, for each dictionary in it. */
export const DICTIONARY_VERSION = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** Places of 4 bytes; the block brings texts, and they are all there are. */
const INDEX_TYPE = 2 | (1 << 9) | (1 << 10);

const FIRST_TEXTS = 64;

export class Dictionary implements Part {
  /** Which shared content (origin.ts) was looked up last; 0 when its places may mean others now. */
  sharedContent: number;
  /** Its place, when it is one text. */
  sharedPlace: number;
  private readonly texts: Bytes;
  private readonly places: Words;
  /** The number of texts. */
  private count: number;
  private marked: number;
  private last: number;
  /** By place: where the text begins, its length (-1: no text), its hash, the next of its slot. */
  private starts: Int32Array;
  private sizes: Int32Array;
  private hashes: Int32Array;
  private chain: Int32Array;
  /** By place: the place of the text that came after it last time. */
  private followers: Int32Array;
  /** The newest place of each slot, -1 for none. As many as there is room for texts. */
  private slots: Int32Array;

  constructor() {
    this.sharedContent = this.sharedPlace = 0;
    this.texts = new Bytes();
    this.places = new Words();
    this.count = this.marked = this.last = 0;
    this.starts = this.sizes = this.hashes = this.chain = this.followers = NONE;
    this.slots = NONE;
    this.allocate(FIRST_TEXTS);
  }

  mark(): void {
    this.marked = this.count;
    this.texts.mark();
    this.places.mark();
  }

  rollback(): void {
    this.texts.rollback();
    this.places.rollback();
    if (this.count === this.marked) return;
    while (this.count > this.marked) {
      const place = --this.count;
      this.sizes[place] = -1;
      this.slots[this.slotOf(this.hashes[place]!)] = this.chain[place]!;
    }
    this.last = 0;
    this.sharedContent = 0;
  }

  reset(): void {
    this.texts.reset();
    this.places.reset();
    this.count = this.marked = this.last = 0;
    this.sharedContent = 0;
    if (this.sizes.length > limits.keptTextsMax) this.allocate(FIRST_TEXTS);
    this.sizes.fill(-1);
    this.slots.fill(-1);
  }

  pieces(into: Uint8Array[]): void {
    const elements = this.places.length;
    if (elements === 0) return;
    const head = Uint32Array.of(INDEX_TYPE, 0, this.count, 0);
    into.push(bytesOf(head), this.texts.used(), bytesOf(Uint32Array.of(elements, 0)));
    into.push(this.places.used());
  }

  byteCount(): number {
    return this.texts.length + this.places.length * 4;
  }

  /** Appends an element: the bytes from `start` to `end`. */
  append(view: DataView, start: number, end: number): void {
    this.places.one(this.placeOf(view, start, end));
  }

  /** Appends an element that has a place. */
  appendPlace(place: number): void {
    this.places.one(place);
  }

  /** Appends elements that have places. */
  appendPlaces(places: Int32Array, count: number): void {
    for (let index = 0; index < count; index++) this.places.one(places[index]!);
  }

  /** The place of a text, which is added when it is new. */
  placeOf(view: DataView, start: number, end: number): number {
    const size = end - start;
    const guess = this.followers[this.last]!;
    if (this.sizes[guess] === size && this.holds(guess, view, start)) {
      this.last = guess;
      return guess;
    }
    const hash = hashOf(view, start, size);
    const place = this.lookUp(hash, view, start, size);
    this.followers[this.last] = place;
    this.last = place;
    return place;
  }

  private lookUp(hash: number, view: DataView, start: number, size: number): number {
    let place = this.slots[this.slotOf(hash)]!;
    for (let looks = 0; place >= 0 && looks < limits.chainMax; looks++) {
      const same = this.hashes[place] === hash && this.sizes[place] === size;
      if (same && this.holds(place, view, start)) return place;
      place = this.chain[place]!;
    }
    return this.add(hash, view, start, size);
  }

  private add(hash: number, view: DataView, start: number, size: number): number {
    if (this.count === this.sizes.length) this.grow();
    const place = this.count++;
    this.texts.whole(new Uint8Array(view.buffer, view.byteOffset + start, size));
    this.starts[place] = this.texts.length - size;
    this.sizes[place] = size;
    this.hashes[place] = hash;
    this.link(place);
    return place;
  }

  private link(place: number): void {
    const slot = this.slotOf(this.hashes[place]!);
    this.chain[place] = this.slots[slot]!;
    this.slots[slot] = place;
  }

  private slotOf(hash: number): number {
    return hash & (this.slots.length - 1);
  }

  /** Whether the text at `place`, whose length is known to be right, is the one at `start`. */
  private holds(place: number, view: DataView, start: number): boolean {
    const size = this.sizes[place]!;
    const own = this.texts.view;
    const from = this.starts[place]!;
    if (size < 4) {
      for (let at = 0; at < size; at++) {
        if (own.getUint8(from + at) !== view.getUint8(start + at)) return false;
      }
      return true;
    }
    const last = size - 4;
    for (let at = 0; at < last; at += 4) {
      if (own.getInt32(from + at, true) !== view.getInt32(start + at, true)) return false;
    }
    return own.getInt32(from + last, true) === view.getInt32(start + last, true);
  }

  private grow(): void {
    const { starts, sizes, hashes, followers, count } = this;
    this.allocate(sizes.length * 2);
    this.starts.set(starts);
    this.sizes.set(sizes);
    this.hashes.set(hashes);
    this.followers.set(followers);
    for (let place = 0; place < count; place++) this.link(place);
  }

  private allocate(room: number): void {
    this.starts = new Int32Array(room);
    this.sizes = new Int32Array(room).fill(-1);
    this.hashes = new Int32Array(room);
    this.chain = new Int32Array(room);
    this.followers = new Int32Array(room);
    this.slots = new Int32Array(room * 2).fill(-1);
  }
}

/** A column of texts that are chosen from a few by number; '' for any other number. */
export class Choices {
  private readonly column: Dictionary;
  private readonly texts: readonly Bytes[];
  private readonly places: Int32Array;

  constructor(column: Dictionary, texts: readonly string[]) {
    this.column = column;
    this.texts = [...texts, ''].map((text) => {
      const bytes = new Bytes();
      bytes.ascii(text);
      return bytes;
    });
    this.places = new Int32Array(this.texts.length);
  }

  append(choice: number): void {
    const { column, places } = this;
    const index = choice >= 0 && choice < places.length ? choice : places.length - 1;
    if (column.sharedContent !== CHOICES) {
      places.fill(-1);
      column.sharedContent = CHOICES;
    }
    if (places[index]! < 0) {
      const { view, length } = this.texts[index]!;
      places[index] = column.placeOf(view, 0, length);
    }
    column.appendPlace(places[index]!);
  }
}

/** What stands in `sharedContent` of a column of choices. */
const CHOICES = -1;

const NONE = new Int32Array(0);

const bytesOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer);

/** Every byte counts, the last ones twice perhaps. */
function hashOf(view: DataView, start: number, size: number): number {
  let hash = size;
  if (size < 4) {
    for (let at = 0; at < size; at++) hash = (hash << 8) ^ view.getUint8(start + at);
    return mixed(hash);
  }
  const last = size - 4;
  for (let at = 0; at < last; at += 4) hash = mixed(hash ^ view.getInt32(start + at, true));
  return mixed(hash ^ view.getInt32(start + last, true));
}

function mixed(hash: number): number {
  const product = Math.imul(hash, 0x9e3779b1);
  return product ^ (product >>> 15);
}
