// A connector that gathers: it takes batches in, adds them up, and reports at intervals and when it
// stops. `accepted` means: counted, in memory.
//
// Promises: a batch is counted as a whole or not at all; not after stop began, and not when its
// sender has given up. Broken bytes are rejected.

import type { Batch } from '../../proto/contract/batch.ts';
import type { Connector } from '../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../proto/contract/outcome.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import type { Reporter } from './reporter.ts';

export interface GatheringOptions {
  readonly reporter: Reporter;
  /** Adds a batch up. */
  gather(batch: Batch): void;
  /** Called first when it stops, before the last report. */
  finish?(): void;
}

export function createGathering({ reporter, gather, finish }: GatheringOptions): Connector {
  let stopped = false;
  return {
    start: async () => reporter.start(),
    stop: async (deadline) => {
      if (!stopped) finish?.();
      stopped = true;
      await reporter.stop(deadline);
    },
    consume: async (batch, abort) => {
      if (stopped || abort.aborted) return retryable(stopped ? 'stopping' : 'aborted');
      try {
        // Decoded as a whole first, so that a broken end does not leave half of it counted.
        void batch.request;
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      gather(batch);
      return ACCEPTED;
    },
  };
}
