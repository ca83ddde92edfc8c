// Counts what passes between components under the names of the OpenTelemetry Collector, as its
// Prometheus reader writes them (with `_total`), so that dashboards made for it work.
//
//   otelcol_receiver_accepted_<items>_total, …_refused_…    what the pipelines said to a receiver
//   otelcol_exporter_sent_<items>_total, …_send_failed_…    what an exporter said
//   otelcol_exporter_enqueue_failed_<items>_total           what its queue did not take
//   otelcol_processor_incoming_items_total, …_outgoing_…    what went in and came out
//   otelcol_connector_consumed_items_total, …_produced_…    the same of connectors
//
// Items are spans, metric_points or log_records. Items refused inside an accepted batch count as
// refused. What is retryable counts as refused each time it is tried.

import type { Consumer } from '../../proto/contract/component.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import type { Counter, Counters } from '../../runtime/counters.ts';

const ITEMS: Record<Signal, string> = {
  traces: 'spans',
  metrics: 'metric_points',
  logs: 'log_records',
};

const NOUNS: Record<Signal, string> = {
  traces: 'Spans',
  metrics: 'Metric points',
  logs: 'Log records',
};

export interface CountedPlace {
  readonly id: string;
  /** The signals that pass here; only these are shown while nothing has passed. */
  readonly signals: Iterable<Signal>;
  readonly counters: Counters;
}

/** Wraps what a receiver hands its batches to. */
export function countReceiver(next: Consumer, place: CountedPlace): Consumer {
  const { id } = place;
  return countOutcomes(next, place, {
    labels: { receiver: id },
    good: ['otelcol_receiver_accepted', 'that the pipelines accepted'],
    bad: ['otelcol_receiver_refused', 'that the pipelines refused, for now or for good'],
  });
}

/** Wraps an exporter. */
export function countExporter(exporter: Consumer, place: CountedPlace): Consumer {
  const { id } = place;
  return countOutcomes(exporter, place, {
    labels: { exporter: id },
    good: ['otelcol_exporter_sent', 'that the destination accepted'],
    bad: ['otelcol_exporter_send_failed', 'that could not be sent, for now or for good'],
  });
}

/** Wraps an exporter that answers when a batch is in its queue. */
export function countQueue(exporter: Consumer, place: CountedPlace): Consumer {
  const { id } = place;
  return countOutcomes(exporter, place, {
    labels: { exporter: id },
    good: ['binnacle_exporter_enqueued', 'that are durable in the queue of the exporter'],
    bad: ['otelcol_exporter_enqueue_failed', 'that the queue did not take, for now or for good'],
  });
}

interface Naming {
  readonly labels: Readonly<Record<string, string>>;
  /** Prefix of the name, and the end of the sentence that explains it. */
  readonly good: readonly [string, string];
  readonly bad: readonly [string, string];
}

function countOutcomes(
  next: Consumer,
  { signals, counters }: CountedPlace,
  { labels, good, bad }: Naming,
): Consumer {
  const known = new Map<Signal, { accepted: Counter; refused: Counter }>();
  const countersOf = (signal: Signal) => {
    const build = ([prefix, help]: readonly [string, string]) =>
      counters.counter(`${prefix}_${ITEMS[signal]}_total`, `${NOUNS[signal]} ${help}.`, labels);
    const both = known.get(signal) ?? { accepted: build(good), refused: build(bad) };
    known.set(signal, both);
    return both;
  };
  for (const signal of signals) countersOf(signal);
  return {
    consume: async (batch, abort) => {
      const outcome = await next.consume(batch, abort);
      const { accepted, refused } = countersOf(batch.signal);
      const refusedCount = refusedItems(outcome, batch.itemCount);
      accepted.add(batch.itemCount - refusedCount);
      refused.add(refusedCount);
      return outcome;
    },
  };
}

function refusedItems(outcome: Outcome, itemCount: number): number {
  // A peer may claim to have refused more than it was sent.
  return outcome.status === 'accepted' ? Math.min(outcome.rejected, itemCount) : itemCount;
}

/** Wraps a processor on both sides. */
export function countProcessor(id: string, signal: Signal, counters: Counters) {
  const labels = { processor: id, otel_signal: signal };
  const incoming = counters.counter('otelcol_processor_incoming_items_total',
    'Items that were handed to the processor.', labels);
  const outgoing = counters.counter('otelcol_processor_outgoing_items_total',
    'Items that the processor handed on.', labels);
  const count = (counter: Counter) => (consumer: Consumer): Consumer => ({
    consume: (batch, abort) => {
      counter.add(batch.itemCount);
      return consumer.consume(batch, abort);
    },
  });
  return { incoming: count(incoming), outgoing: count(outgoing) };
}

/** Wraps a connector on both sides; it may take and give several signals. */
export function countConnector(id: string, counters: Counters) {
  const countAs = (name: string, help: string) => {
    const known = new Map<Signal, Counter>();
    const of = (signal: Signal): Counter => {
      const counter = known.get(signal)
        ?? counters.counter(name, help, { connector: id, otel_signal: signal });
      known.set(signal, counter);
      return counter;
    };
    return (consumer: Consumer): Consumer => ({
      consume: (batch, abort) => {
        of(batch.signal).add(batch.itemCount);
        return consumer.consume(batch, abort);
      },
    });
  };
  return {
    incoming: countAs('otelcol_connector_consumed_items_total',
      'Items that were handed to the connector.'),
    outgoing: countAs('otelcol_connector_produced_items_total',
      'Items that the connector handed on.'),
  };
}
