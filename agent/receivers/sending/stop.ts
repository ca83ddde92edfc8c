// The end of a receiver that follows something: first nothing new is begun, then what is under way
// is waited for, until the deadline.

import { setMaxListeners } from 'node:events';
import type { StopSignals } from './delivery.ts';

export interface Ending extends StopSignals {
  /** Fires `stopping`. */
  begin(): void;
  /** Fires `deadline`. */
  expire(): void;
  /**
   * A component's `stop`: runs `work` once, however often it is called, and fires `deadline` when
   * that of a call fires.
   */
  stop(work: () => Promise<void>): (deadline: AbortSignal) => Promise<void>;
}

export function createEnding(): Ending {
  const stopping = new AbortController();
  const deadline = new AbortController();
  // Everything that is under way listens, and is bounded elsewhere.
  setMaxListeners(0, stopping.signal, deadline.signal);
  const expire = () => deadline.abort();
  return {
    stopping: stopping.signal,
    deadline: deadline.signal,
    begin: () => stopping.abort(),
    expire,
    stop: (work) => {
      let stopped: Promise<void> | undefined;
      return async (end) => {
        if (end.aborted) expire();
        end.addEventListener('abort', expire, { once: true });
        stopped ??= work();
        await stopped;
        end.removeEventListener('abort', expire);
      };
    },
  };
}
