// A machine on which one program of ours runs: it dies, is stopped in order, and is started again
// after a while, for as long as the simulation goes on.

import type { Journal } from './journal.ts';
import { createLife, type Life } from './life.ts';
import type { Time } from './time.ts';

export interface Program {
  readonly life: Life;
  stop(deadline: AbortSignal): Promise<void>;
}

export interface HostParts<P extends Program> {
  readonly name: string;
  readonly time: Time;
  readonly journal: Journal;
  /** Throws when the program gives up at its start. */
  start(life: Life): Promise<P>;
  /** The process is gone, in order or not. */
  ended(program: P | null): void;
}

const RESTART_MS = 1000;
/** A process that asks nothing of its machine for so long dies all the same. */
const IDLE_MS = 3000;

export class Host<P extends Program> {
  /** The program that runs now, also while it stops. */
  program: P | null = null;
  readonly #parts: HostParts<P>;
  #life: Life | null = null;
  #downMs = RESTART_MS;
  #jumpMs = 0;
  #starts = 0;
  #stopping = false;
  #gone: { readonly promise: Promise<void>; readonly resolve: () => void } = gate();

  constructor(parts: HostParts<P>) {
    this.#parts = parts;
  }

  jumpMs(): number {
    return this.#jumpMs;
  }

  jump(byMs: number): void {
    this.#parts.journal.note(`${this.#parts.name} clock jumps ${Math.round(byMs)} ms`);
    this.#jumpMs += byMs;
  }

  /** Resolves when the process of now is gone. */
  gone(): Promise<void> {
    return this.#gone.promise;
  }

  start(): void {
    const { name, journal } = this.#parts;
    const life = createLife(`${name}#${++this.#starts}`, () =>
      this.#parts.time.after(0, () => this.#end('died')));
    this.#life = life;
    this.#downMs = RESTART_MS;
    this.#stopping = false;
    this.#gone = gate();
    this.#parts.start(life).then((program) => {
      if (!life.alive) return;
      journal.note(`${life.name} runs`);
      this.program = program;
    }, (error: unknown) => {
      if (!life.alive) return;
      journal.note(`${life.name} gave up: ${String(error)}`);
      this.#end('gave up');
    });
  }

  /** The process dies at one of its next awaits, and is started again after `downMs`. */
  dieWithin(crossings: number, downMs: number): void {
    const life = this.#life;
    if (life === null) return;
    this.#downMs = downMs;
    life.left = crossings;
    this.#parts.time.after(IDLE_MS, () => {
      if (life.left !== Number.POSITIVE_INFINITY && life === this.#life) this.#end('died');
    });
  }

  /** As SIGTERM does, with time until the deadline. */
  stop(deadlineMs: number, downMs: number): void {
    const { program } = this;
    if (program === null || this.#stopping) return;
    this.#stopping = true;
    this.#downMs = downMs;
    this.#parts.journal.note(`${program.life.name} is told to stop`);
    const deadline = new AbortController();
    this.#parts.time.after(deadlineMs, () => deadline.abort());
    void program.stop(deadline.signal).then(() => {
      if (program.life.alive) this.#end('stopped');
    });
  }

  /** Nobody wants it to die any more. */
  heal(): void {
    if (this.#life !== null) this.#life.left = Number.POSITIVE_INFINITY;
  }

  #end(how: string): void {
    const life = this.#life;
    if (life === null) return;
    life.alive = false;
    this.#life = null;
    this.#parts.journal.note(`${life.name} ${how}`);
    const { program } = this;
    this.program = null;
    this.#parts.ended(program);
    this.#gone.resolve();
    this.#parts.time.after(this.#downMs, () => this.start());
  }
}

function gate() {
  let resolve = () => {};
  const promise = new Promise<void>((open) => {
    resolve = open;
  });
  return { promise, resolve };
}
