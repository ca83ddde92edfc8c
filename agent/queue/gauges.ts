// What a queue shows of itself: how full it is, and how far its sequences are. A ledger elsewhere
// compares the sequences with the batches that arrived (docs/metrics.md).

import type { Counters } from '../../runtime/counters.ts';

export interface Named {
  readonly counters: Counters;
  /** The exporter. */
  readonly id: string;
  /** Names the ids of all batches that are sealed from now on. */
  readonly epoch: string;
}

export interface Shown {
  batches(): number;
  items(): number;
  bytes(): number;
  bytesMax(): number;
  /** The first sequence of this epoch. */
  first(): number;
  /** The last sequence that is durable. */
  sealed(): number;
  /** All batches up to this sequence have left the queue. */
  done(): number;
}

export function showGauges({ counters, id, epoch }: Named, shown: Shown): void {
  const gauge = (name: string, help: string, read: () => number, labels = {}) =>
    counters.gauge(name, help, read, { exporter: id, ...labels });
  gauge('otelcol_exporter_queue_size', 'Batches in the queue.', shown.batches);
  gauge('binnacle_queue_items', 'Items in the queue.', shown.items);
  gauge('binnacle_queue_bytes', 'Bytes of the queue on disk.', shown.bytes);
  gauge('binnacle_queue_bytes_max', 'Bytes that the queue may take.', shown.bytesMax);
  gauge('binnacle_queue_first_sequence', 'The first sequence of this epoch.', shown.first,
    { epoch });
  gauge('binnacle_queue_sealed_sequence', 'The last sequence that is durable.', shown.sealed,
    { epoch });
  gauge('binnacle_queue_done_sequence', 'All batches up to it have left the queue.', shown.done,
    { epoch });
}
