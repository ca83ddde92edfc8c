// The books of each agent: what it took, and what became of it.
//
//     received = stored + queued + dropped + refused + lost + difference
//
// `received`, `queued` and `dropped` are what the agent has reported, `stored` and `refused` what
// this backend has committed. The difference is what one side does not know yet: records on their
// way, and what an agent counted after its last report; one that was killed never reports it, and
// the difference is then negative. It is no loss: losses are found by sequences (gaps.ts), which
// are exact.

import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import { BEFORE_MS, type CounterReading, type GaugeReading, type Period, type StoredRows }
  from './facts.ts';
import type { EpochReport } from './gaps.ts';

/** Batches, or rows of one, that are not there. */
export interface Gap {
  readonly agent: string;
  readonly host: string;
  readonly exporter: string;
  readonly epoch: string;
  /** Sequences, both ends included. */
  readonly from: number;
  readonly to: number;
  readonly batches: number;
  /** Null when nobody knows. */
  readonly records: number | null;
  /**
   * `never arrived`: the agent says it is delivered, and it is not here. `damaged`: the agent's
   * disk has damaged it. `removed`: it was committed, and rows are gone before their time.
   */
  readonly kind: 'never arrived' | 'damaged' | 'removed';
}

export interface SignalBooks {
  readonly signal: Signal;
  readonly received: number;
  /** Records that an exporter's queue took. */
  readonly enqueued: number;
  readonly stored: number;
  readonly refused: number;
}

export interface HourBooks extends SignalBooks {
  readonly agent: string;
  /** ISO 8601. */
  readonly hour: string;
}

export interface QueueBooks {
  readonly exporter: string;
  readonly epoch: string;
  readonly firstSequence: number;
  readonly sealedSequence: number;
  readonly doneSequence: number;
  readonly batches: number;
  readonly records: number;
}

export interface AgentBooks {
  readonly agent: string;
  readonly host: string;
  /** ISO 8601; null for one that does not report. */
  readonly lastReport: string | null;
  readonly received: number;
  readonly stored: number;
  readonly queued: number;
  /** What the agent dropped as it was told to, or was refused before it came here, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly refused: number;
  /** Known to be lost; batches of which nobody knows the size are in `gaps` only. */
  readonly lost: number;
  readonly difference: number;
  readonly signals: readonly SignalBooks[];
  readonly queues: readonly QueueBooks[];
}

export interface Books {
  readonly counters: readonly CounterReading[];
  readonly gauges: readonly GaugeReading[];
  readonly epochs: readonly EpochReport[];
  readonly stored: readonly StoredRows[];
  readonly gaps: readonly Gap[];
  /** What the queue gave up on purpose. */
  readonly givenUp: readonly GivenUpBatches[];
}

export interface GivenUpBatches {
  readonly agent: string;
  readonly reason: string;
  readonly records: number;
}

const ITEMS: Readonly<Record<string, Signal>> = {
  spans: 'traces', metric_points: 'metrics', log_records: 'logs',
};

export function agentBooks(books: Books, period: Period): AgentBooks[] {
  const hours = hourBooks(books, period);
  const names = new Set([...hours.map(({ agent }) => agent),
    ...books.gauges.map(({ agent }) => agent)]);
  return [...names].sort().map((agent) => {
    const own = hours.filter((hour) => hour.agent === agent);
    const signals = SIGNALS.map((signal) => sumOf(signal, own)).filter(hasSomething);
    const total = (of: (one: SignalBooks) => number) =>
      signals.reduce((sum, one) => sum + of(one), 0);
    const gauges = books.gauges.filter((one) => one.agent === agent && one.within);
    const queues = queuesOf(agent, books);
    const dropped: Record<string, number> = {};
    for (const { reason, records } of books.givenUp.filter((one) => one.agent === agent)) {
      dropped[reason] = (dropped[reason] ?? 0) + records;
    }
    const lost = books.gaps.filter((gap) => gap.agent === agent)
      .reduce((sum, { records }) => sum + (records ?? 0), 0);
    // Rows that were removed had been stored.
    const removed = books.gaps.filter((gap) => gap.agent === agent && gap.kind === 'removed')
      .reduce((sum, { records }) => sum + (records ?? 0), 0);
    const sums = {
      received: total(({ received }) => received),
      stored: total(({ stored }) => stored) - removed,
      queued: queues.reduce((sum, { records }) => sum + records, 0),
      refused: total(({ refused }) => refused),
    };
    const known = sums.stored + sums.queued + sums.refused + lost
      + Object.values(dropped).reduce((sum, count) => sum + count, 0);
    return {
      agent,
      host: gauges[0]?.host ?? '',
      lastReport: gauges.length === 0 ? null
        : new Date(Math.max(...gauges.map(({ lastMs }) => lastMs))).toISOString(),
      ...sums, dropped, lost, signals, queues,
      difference: sums.received - known,
    };
  });
}

/** By agent, signal and hour. */
export function hourBooks({ counters, stored }: Books, period: Period): HourBooks[] {
  const hours = new Map<string, Record<keyof SignalBooks | 'agent' | 'hour', string | number>>();
  const at = (agent: string, signal: Signal, hour: number) => {
    const key = `${agent} ${signal} ${hour}`;
    const known = hours.get(key) ?? { agent, signal, hour: new Date(hour * 1000).toISOString(),
      received: 0, enqueued: 0, stored: 0, refused: 0 };
    hours.set(key, known);
    return known as { [name: string]: number };
  };
  const add = (books: { [name: string]: number }, name: string, count: number) => {
    books[name] = books[name]! + count;
  };
  for (const { agent, name, hour, increase } of increasesOf(counters, period)) {
    const accepted = /^otelcol_receiver_accepted_(\w+)$/.exec(name)?.[1];
    const enqueued = /^binnacle_exporter_enqueued_(\w+)$/.exec(name)?.[1];
    const signal = ITEMS[accepted ?? enqueued ?? ''];
    if (signal === undefined) continue;
    add(at(agent, signal, hour), accepted === undefined ? 'enqueued' : 'received', increase);
  }
  for (const { agent, signal, hour, rows, refused } of stored) {
    add(at(agent, signal, hour), 'stored', rows);
    add(at(agent, signal, hour), 'refused', refused);
  }
  return ([...hours.values()] as unknown as HourBooks[])
    .sort((a, b) => a.hour.localeCompare(b.hour) || a.agent.localeCompare(b.agent));
}

interface Increase {
  readonly agent: string;
  readonly name: string;
  readonly hour: number;
  readonly increase: number;
}

/** By how much counters have grown within each hour; a new process begins at 0. */
function increasesOf(readings: readonly CounterReading[], period: Period): Increase[] {
  const last = new Map<string, number>();
  return [...readings].sort((a, b) => a.hour - b.hour)
    .flatMap(({ agent, name, labels, startMs, hour, value }) => {
      const key = `${agent} ${name} ${startMs} ${JSON.stringify(labels)}`;
      // What is not known to have been counted in the period is not.
      const begins = startMs >= period.fromMs - BEFORE_MS ? 0 : value;
      const increase = value - (last.get(key) ?? begins);
      last.set(key, value);
      return hour === 0 || increase <= 0 ? [] : [{ agent, name, hour, increase }];
    });
}

function sumOf(signal: Signal, hours: readonly HourBooks[]): SignalBooks {
  const own = hours.filter((hour) => hour.signal === signal);
  const sum = (of: (one: SignalBooks) => number) => own.reduce((total, one) => total + of(one), 0);
  return {
    signal,
    received: sum(({ received }) => received),
    enqueued: sum(({ enqueued }) => enqueued),
    stored: sum(({ stored }) => stored),
    refused: sum(({ refused }) => refused),
  };
}

const hasSomething = ({ received, enqueued, stored, refused }: SignalBooks): boolean =>
  received + enqueued + stored + refused > 0;

/** The newest epoch of each exporter, and what is in its queue. */
function queuesOf(agent: string, { epochs, gauges }: Books): QueueBooks[] {
  const newest = new Map(epochs.filter((one) => one.agent === agent)
    .map((one) => [one.exporter, one]));
  return [...newest.values()].map(({ exporter, epoch, first, sealed, done }) => {
    const value = (name: string) => gauges.filter((one) => one.agent === agent
      && one.name === name && one.labels['exporter'] === exporter)
      .sort((a, b) => b.lastMs - a.lastMs)[0]?.value ?? 0;
    return {
      ...{ exporter, epoch, firstSequence: first, sealedSequence: sealed, doneSequence: done },
      batches: value('otelcol_exporter_queue_size'),
      records: value('binnacle_queue_items'),
    };
  });
}
