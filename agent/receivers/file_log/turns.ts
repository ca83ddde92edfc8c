// Files take turns: those that have something new stand in a queue, and a few workers read one
// after the other, each for one turn; a file with more to read goes to the end of the queue.

import type { Turn } from './reader.ts';
import type { Tail } from './tail.ts';

export const limits = {
  /** Files read at the same time. Each has a buffer of its own. */
  workersMax: 8,
} as const;

export interface Turns {
  /** Gives the file a turn, unless it waits for one or has one. */
  add(tail: Tail): void;
  /** Resolves when nobody has a turn or waits for one. */
  idle(): Promise<void>;
}

export function createTurns(turn: Turn, bufferBytes: number, stopping: AbortSignal): Turns {
  const queue: Tail[] = [];
  const buffers: Buffer[] = [];
  const workers = new Set<Promise<void>>();
  let working = 0;
  const work = async (): Promise<void> => {
    const buffer = buffers.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    for (let tail = queue.shift(); tail !== undefined; tail = queue.shift()) {
      const more = !stopping.aborted && await turn(tail, buffer);
      if (more) queue.push(tail);
      else tail.busy = false;
    }
    // At once, so that whoever adds a file from now on starts a new worker.
    working--;
    buffers.push(buffer);
  };
  return {
    add: (tail) => {
      if (tail.busy) return;
      tail.busy = true;
      queue.push(tail);
      if (working >= limits.workersMax) return;
      working++;
      const worker = work().finally(() => workers.delete(worker));
      workers.add(worker);
    },
    idle: async () => {
      while (workers.size > 0) await Promise.all(workers);
    },
  };
}
