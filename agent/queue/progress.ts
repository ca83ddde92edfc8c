// How far a queue has come: up to where all is delivered, up to where batches were handed out, and
// how much of that the cursor knows.
//
// Promises:
// - Nobody is handed a batch before it is durable that it may have been handed out, so that after a
//   crash what was not can be told from what was. The mark runs some batches ahead.
// - What lies behind the cursor is removed only after the cursor is durable.
// - Nobody who waits for a save is told of its failure: it is said in the log, and tried again.

import type { Timer } from '../../runtime/clock.ts';
import { systemCause } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import type { CursorFile } from './cursor.ts';

export const limits = {
  /** The cursor is saved so long after it moved; so much is sent again after a crash. */
  delayMs: 500,
  /** Wait before a cursor that could not be saved is tried again. */
  retryMs: 1000,
  /** So many batches are marked as handed out ahead of the last that was. */
  handedAhead: 1000,
} as const;

export interface ProgressOptions {
  readonly world: World;
  readonly log: Log;
  readonly cursor: CursorFile;
  /** What the cursor says; null when it does not know. */
  readonly done: number;
  readonly handed: number | null;
  /** Removes what lies up to `done`, which is durable now. May throw. */
  readonly remove: (done: number) => Promise<void>;
}

export class Progress {
  readonly #options: ProgressOptions;
  #done: number;
  #saved: number;
  /** The last sequence that somebody wants to have. */
  #wanted = 0;
  #handed: number;
  #timer: Timer | null = null;
  #saving: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#done = options.done;
    this.#saved = options.done;
    this.#handed = options.handed ?? 0;
  }

  /** Everything up to here is delivered, or given up. */
  get done(): number {
    return this.#done;
  }

  get isSaved(): boolean {
    return this.#done <= this.#saved;
  }

  /** Everything up to `sequence` is; the cursor will know it soon. */
  advance(sequence: number): void {
    this.#done = Math.max(this.#done, sequence);
    if (!this.isSaved) this.#saveAfter(limits.delayMs);
  }

  /** Waits until `sequence` may be handed out; false when nobody waits for it any more. */
  async mayHandOut(sequence: number, abort: AbortSignal): Promise<boolean> {
    this.#wanted = Math.max(this.#wanted, sequence);
    while (sequence > this.#handed) {
      await this.save();
      if (sequence <= this.#handed) break;
      if (abort.aborted || this.#stopped) return false;
      await this.#options.world.clock.sleep(limits.retryMs, abort);
    }
    return true;
  }

  /** Saves the cursor and removes what is behind it. Never throws. */
  async save(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    this.#timer?.cancel();
    this.#timer = null;
    const attempt = this.#saveOnce().then(() => false, (error: unknown) => {
      this.#options.log.error(`cannot save the cursor of the queue: ${systemCause(error)}`);
      return true;
    });
    this.#saving = attempt.then(() => {});
    const failed = await attempt;
    this.#saving = null;
    if (failed) this.#saveAfter(limits.retryMs);
    else if (!this.isSaved) this.#saveAfter(limits.delayMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#saving;
    if (!this.isSaved) await this.save();
    this.#timer?.cancel();
  }

  #saveAfter(delayMs: number): void {
    if (this.#timer !== null || this.#saving !== null || this.#stopped) return;
    this.#timer = this.#options.world.clock.after(delayMs, () => {
      this.#timer = null;
      void this.save();
    });
  }

  async #saveOnce(): Promise<void> {
    const { cursor, remove } = this.#options;
    const done = this.#done;
    if (done > this.#saved || this.#wanted > this.#handed) {
      const handed = Math.max(this.#handed, this.#wanted + limits.handedAhead);
      await cursor.save({ done, handed });
      this.#handed = handed;
    }
    this.#saved = done;
    await remove(done);
    await cursor.keepReserve();
  }
}
