// What a rule would have measured at every instant of a period that is over: for trying rules. A
// day at a time; each day is one question, or few.

import type { Rule, RuleSource, Sample, SignalQuery } from '../model.ts';
import { nameOf, oldestMs, wantedOf, type AbsenceSource } from './absence.ts';
import { formulaOf, LAST } from './formula.ts';
import { readValues, windowsOf, type SeriesSource } from './series.ts';
import type { Value } from './records.ts';

export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

export interface RangeSource extends SeriesSource {
  readonly change: (
    now: readonly Sample[],
    before: readonly Sample[],
    source: RuleSource & { readonly type: 'change' },
  ) => readonly Sample[];
  /** For what has no faster way. */
  readonly alone: (atMs: number) => Promise<readonly Sample[]>;
}

type ByInstant = Map<number, readonly Sample[]>;

const DAY_MS = 86_400_000;

/** Every instant is there. Throws what asking throws. Composites measure nothing. */
export async function measureRange(
  source: RangeSource,
  rule: Rule,
  { fromMs, toMs, stepMs }: Period,
  abort: AbortSignal,
): Promise<ByInstant> {
  const found: ByInstant = new Map();
  const chunkMs = Math.max(stepMs, Math.floor(DAY_MS / stepMs) * stepMs);
  for (let begin = Math.floor(fromMs / stepMs) * stepMs; begin < toMs; begin += chunkMs) {
    const part = { fromMs: Math.max(begin, fromMs), toMs: Math.min(begin + chunkMs, toMs), stepMs };
    for (const [atMs, samples] of await measurePart(source, rule, part, abort)) {
      found.set(atMs, samples);
    }
  }
  return found;
}

async function measurePart(
  from: RangeSource,
  { source }: Rule,
  period: Period,
  abort: AbortSignal,
): Promise<ByInstant> {
  switch (source.type) {
    case 'signal': return ofSignal(from, source.query, period, abort);
    case 'change': return ofChange(from, source, period, abort);
    case 'absence': return ofSilence(from, source, period, abort);
    case 'composite': return new Map();
    default: return ofEach(from, period, abort);
  }
}

async function ofEach(from: RangeSource, period: Period, abort: AbortSignal): Promise<ByInstant> {
  const found: ByInstant = new Map();
  for (const atMs of instantsOf(period)) {
    abort.throwIfAborted();
    found.set(atMs, await from.alone(atMs));
  }
  return found;
}

function instantsOf({ fromMs, toMs, stepMs }: Period): number[] {
  const found: number[] = [];
  for (let atMs = (Math.floor(fromMs / stepMs) + 1) * stepMs; atMs <= toMs; atMs += stepMs) {
    found.push(atMs);
  }
  return found;
}

async function ofSignal(
  from: RangeSource,
  query: SignalQuery,
  period: Period,
  abort: AbortSignal,
): Promise<ByInstant> {
  const windows = windowsOf(query.overMs, period);
  if (windows === null) return new Map();
  const values = await readValues(from, { query, windows }, abort);
  const byInstant = new Map<number, Sample[]>();
  for (const { labels, value, at } of values) {
    const atMs = at * windows.stepMs;
    const samples = byInstant.get(atMs) ?? [];
    samples.push({ labels, value });
    byInstant.set(atMs, samples);
  }
  const { signal, aggregate, groupBy } = query;
  const nothing = signal === 'metrics' || groupBy.length > 0 ? null
    : formulaOf(aggregate, signal).ofNothing;
  const none: Sample[] = nothing === null ? [] : [{ labels: {}, value: nothing }];
  return new Map(instantsOf(period).map((atMs) => [atMs, byInstant.get(atMs) ?? none]));
}

async function ofChange(
  from: RangeSource,
  source: RuleSource & { readonly type: 'change' },
  period: Period,
  abort: AbortSignal,
): Promise<ByInstant> {
  const { query, backMs } = source;
  const { fromMs, toMs, stepMs } = period;
  const now = await ofSignal(from, query, period, abort);
  if (backMs % stepMs !== 0) {
    return ofEach(from, period, abort);
  }
  const before = await ofSignal(from, query,
    { fromMs: fromMs - backMs, toMs: toMs - backMs, stepMs }, abort);
  return new Map([...now].map(([atMs, samples]) =>
    [atMs, from.change(samples, before.get(atMs - backMs) ?? [], source)]));
}

/** The last sign of life in each step, and time that passes since. */
async function ofSilence(
  from: RangeSource,
  source: AbsenceSource,
  period: Period,
  abort: AbortSignal,
): Promise<ByInstant> {
  const { query, seenWithinMs } = source;
  const { stepMs } = period;
  const sinceMs = await oldestMs({ ask: from.ask, abort }, query.signal) ?? period.fromMs;
  const earlier = { ...period, fromMs: period.fromMs - seenWithinMs };
  const windows = windowsOf(stepMs, earlier);
  if (windows === null) return new Map();
  const values = await readValues(from, { query: { ...query, overMs: stepMs }, windows,
    formula: LAST }, abort);
  const ordered = [...values].sort((one, other) => one.at - other.at);
  const seen = new Map<string, Value>();
  let next = 0;
  return new Map(instantsOf(period).map((atMs) => {
    for (; next < ordered.length && ordered[next]!.at * stepMs <= atMs; next += 1) {
      seen.set(nameOf(ordered[next]!.labels), ordered[next]!);
    }
    const alive = [...seen.values()].filter(({ value }) => value >= atMs - seenWithinMs);
    const names = new Set(alive.map(({ labels }) => nameOf(labels)));
    const missing = wantedOf(source).filter((labels) => !names.has(nameOf(labels)));
    return [atMs, [
      ...alive.map(({ labels, value }) => ({ labels, value: Math.max(0, atMs - value) / 1000 })),
      ...missing.map((labels) => ({ labels,
        value: Math.max(0, Math.min(seenWithinMs, atMs - sinceMs)) / 1000 })),
    ]];
  }));
}
