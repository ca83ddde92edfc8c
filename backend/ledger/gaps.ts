// Finds batches that an agent says have left its queue and that never arrived.
//
// The sequences of a queue go on over all starts of the agent, each start (epoch) taking up after
// the last batch that it found on disk. A sequence is only given to a batch that is synced to disk,
// so none is skipped: what a crash kept from being synced was answered to nobody, and its sequence
// is used again by the next epoch. What an agent reports as done has been answered by its
// destination. So every sequence from an epoch's first to the done one, or to the next epoch's
// first, must have been committed, or refused, or been given up by the queue itself.
//
// Invariants: only what an agent has reported as done is missed; a queue of which nothing ever
// arrived here sends to somebody else and is not looked at. An epoch too short to have been
// reported lends its batches to whichever queue of the agent misses them.

import type { GaugeReading, Stretch } from './facts.ts';

/** A start of a queue, as far as it was reported. */
export interface EpochReport {
  readonly agent: string;
  readonly exporter: string;
  readonly epoch: string;
  readonly first: number;
  readonly sealed: number;
  readonly done: number;
  /** What it had reported as done before the period; null if it had not reported. */
  readonly doneBefore: number | null;
  readonly firstMs: number;
}

/** Sequences that must have been committed. */
export interface Expected extends Stretch {
  readonly exporter: string;
}

export function epochsOf(gauges: readonly GaugeReading[]): EpochReport[] {
  const epochs = new Map<string, GaugeReading[]>();
  for (const gauge of gauges) {
    const { epoch, exporter } = gauge.labels;
    if (epoch === undefined || exporter === undefined) continue;
    const key = `${gauge.agent} ${exporter} ${epoch}`;
    epochs.set(key, [...(epochs.get(key) ?? []), gauge]);
  }
  return [...epochs.values()].map((own) => {
    const newest = (name: string, within?: boolean) => own
      .filter((one) => one.name === name && (within === undefined || one.within === within))
      .reduce<number | null>((most, { value }) => Math.max(most ?? 0, value), null);
    const { agent, labels } = own[0]!;
    return {
      agent,
      exporter: labels['exporter']!,
      epoch: labels['epoch']!,
      first: newest('binnacle_queue_first_sequence') ?? 1,
      sealed: newest('binnacle_queue_sealed_sequence') ?? 0,
      done: newest('binnacle_queue_done_sequence') ?? 0,
      doneBefore: newest('binnacle_queue_done_sequence', false),
      firstMs: Math.min(...own.map(({ firstMs }) => firstMs)),
    };
  }).sort((a, b) => a.firstMs - b.firstMs);
}

/** What must have been committed of all queues of which anything was. */
export function expectedOf(
  epochs: readonly EpochReport[],
  stretches: readonly Stretch[],
): Expected[] {
  const arrived = new Set(stretches.map(({ agent, epoch }) => `${agent} ${epoch}`));
  const queues = new Map<string, EpochReport[]>();
  for (const one of epochs) {
    const key = `${one.agent} ${one.exporter}`;
    queues.set(key, [...(queues.get(key) ?? []), one]);
  }
  return [...queues.values()]
    .filter((own) => own.some(({ agent, epoch }) => arrived.has(`${agent} ${epoch}`)))
    .flatMap((own) => own.map((one, index) => expectedOfEpoch(one, own.slice(index + 1))))
    .filter(({ from, to }) => from <= to);
}

function expectedOfEpoch(own: EpochReport, later: readonly EpochReport[]): Expected {
  const { agent, exporter, epoch, first } = own;
  const next = later[0];
  // A queue whose folder was removed begins again.
  const goesOn = next !== undefined && next.first >= first;
  const done = goesOn ? Math.max(own.done, ...later.map((one) => one.done)) : own.done;
  const to = goesOn ? Math.min(done, next.first - 1) : done;
  const doneBefore = Math.max(own.doneBefore ?? 0,
    ...(goesOn ? later.map((one) => one.doneBefore ?? 0) : []));
  const from = Math.max(first, doneBefore + 1);
  return { agent, exporter, epoch, from, to };
}

/** The parts of `expected` that no stretch of `arrived` covers. */
export function missingOf(expected: Expected, arrived: readonly Stretch[]): Expected[] {
  const missing: Expected[] = [];
  let { from } = expected;
  for (const stretch of [...arrived].sort((a, b) => a.from - b.from)) {
    if (stretch.from > expected.to) break;
    if (stretch.from > from) missing.push({ ...expected, from, to: stretch.from - 1 });
    from = Math.max(from, stretch.to + 1);
  }
  if (from <= expected.to) missing.push({ ...expected, from });
  return missing;
}
