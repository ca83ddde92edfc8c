// Where telemetry enters the backend, whatever protocol brought it: counts what came and what
// became of it, and turns senders away, to come again, while the backend is not ready to store.

import type { Batch } from '../../proto/contract/batch.ts';
import type { Arrival } from '../../proto/contract/arrival.ts';
import type { Component } from '../../proto/contract/component.ts';
import { retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { Counters } from '../../runtime/counters.ts';
import type { StorageWriter } from '../storage/contract.ts';
import { createAttempts } from './attempts.ts';

export interface IntakeOptions {
  readonly counters: Counters;
  /** The writer of the storage: answers after the commit. */
  readonly writer: StorageWriter;
  /** Told of each batch that was committed. Must not throw. */
  readonly stored?: (batch: Batch) => void;
}

/** Open from `start` to `stop`; outside of that senders are asked to come again. */
export interface Intake extends Component {
  consume(batch: Batch, abort: AbortSignal, arrival?: Pick<Arrival, 'attempt'>): Promise<Outcome>;
  open(): boolean;
}

/** How long senders wait before they come back to a backend that is not ready. */
const CLOSED_RETRY_MS = 1000;

const RECORDS = 'binnacle_ingest_records_total';
const BYTES = 'binnacle_ingest_bytes_total';

export function createIntake({ counters, writer, stored: told }: IntakeOptions): Intake {
  const attempts = createAttempts();
  let open = false;
  const count = (batch: Batch, verdict: string, records: number) => {
    if (records === 0) return;
    const labels = { signal: batch.signal, verdict };
    counters.counter(RECORDS, 'Records received, by what became of them.', labels).add(records);
  };
  return {
    consume: async (batch, abort, arrival) => {
      if (!open) return retryable('the backend is starting or stopping', CLOSED_RETRY_MS);
      const outcome = await writer.consume(batch, abort, attempts.of(batch, arrival));
      const stored = storedCount(batch, outcome);
      count(batch, 'stored', stored);
      count(batch, outcome.status === 'retryable' ? 'deferred' : 'rejected',
        batch.itemCount - stored);
      counters.counter(BYTES, 'Bytes of OTLP received, uncompressed.', { signal: batch.signal })
        .add(batch.bytes.length);
      if (stored > 0) told?.(batch);
      return outcome;
    },
    open: () => open,
    start: async () => {
      open = true;
    },
    stop: async () => {
      open = false;
    },
  };
}

function storedCount(batch: Batch, outcome: Outcome): number {
  return outcome.status === 'accepted' ? batch.itemCount - outcome.rejected : 0;
}
