// Series that were read once, in memory: of a period that moves on only what is new is read, and
// the newest steps again, for records that came late.
//
// Promises:
// - What is answered is what reading the whole period would have answered, but for records that
//   come later than `limits.lateMs`.
// - It holds at most `bytesMax`; what was asked longest ago is forgotten first.
// - Questions for the same series wait for each other. What fails is not kept.

import { fingerprintOf, type Labels } from '../../labels/labels.ts';
import type { ReadSeries, SignalQuery } from '../model.ts';
import { gridOf, stepsOf, type Period, type Steps } from './steps.ts';

export const limits = {
  /** Records that are later than this are not seen in what is kept. */
  lateMs: 600_000,
  /** Steps that are read again at least. */
  lateStepsMin: 2,
  /** Steps that are read at once; more are read in pieces. */
  stepsOfRead: 1440,
  /** Bytes that a series takes beside its values, about. */
  seriesBytes: 500,
} as const;

export interface SeriesCache {
  /** The series that have at least one value in the period. Throws what reading throws. */
  read(query: SignalQuery, period: Period, abort: AbortSignal): Promise<Steps[]>;
  /**
   * What was made last of the query, when that was with the same options at the same instant:
   * several instants of one step are measured once. It is forgotten together with the query.
   */
  remembered<T>(query: object, options: object, atMs: number, make: () => T | Promise<T>):
    Promise<T>;
  /** What it holds now, about. */
  bytes(): number;
}

interface Kept {
  readonly firstMs: number;
  /** End of the last step that was read. */
  readonly lastMs: number;
  readonly series: readonly Steps[];
}

interface Made {
  readonly options: object;
  readonly atMs: number;
  readonly result: unknown;
}

export function createSeriesCache(
  read: ReadSeries,
  { bytesMax }: { readonly bytesMax: number },
): SeriesCache {
  const kept = new Map<string, Kept>();
  const turns = new Map<string, Promise<unknown>>();
  const made = new WeakMap<object, Made>();
  const bytes = () => [...kept.values()].reduce((sum, one) => sum + bytesOf(one), 0);
  const store = (key: string, fresh: Kept) => {
    kept.delete(key);
    kept.set(key, fresh);
    for (let held = bytes(); held > bytesMax; held = bytes()) {
      kept.delete(kept.keys().next().value!);
    }
  };
  const extend = async (key: string, query: SignalQuery, period: Period, abort: AbortSignal) => {
    const held = kept.get(key);
    const fresh = await extended(held, period, (missing) => read(query, missing, abort));
    // Whoever asks for an earlier time gets it, and what is kept stays that of the latest.
    if (held === undefined || fresh.lastMs >= held.lastMs) store(key, fresh);
    return fresh;
  };
  return {
    bytes,
    remembered: async <T>(query: object, options: object, atMs: number,
      make: () => T | Promise<T>): Promise<T> => {
      const found = made.get(query);
      if (found?.atMs === atMs && found.options === options) return found.result as T;
      const result = await make();
      made.set(query, { options, atMs, result });
      return result;
    },
    read: async (query, period, abort) => {
      const key = keyOf(query, period);
      const turn = (turns.get(key) ?? Promise.resolve())
        .then(() => extend(key, query, period, abort));
      const settled = turn.then(() => undefined, () => undefined);
      turns.set(key, settled);
      try {
        return cut(await turn, period);
      } finally {
        if (turns.get(key) === settled) turns.delete(key);
      }
    },
  };
}

/** What a query means; where its terms were written is no part of that. */
const keyOf = (query: SignalQuery, { fromMs, toMs, stepMs }: Period): string =>
  JSON.stringify([stepMs, toMs - fromMs, query], (name, value: unknown) =>
    (name === 'at' ? undefined : value));

const bytesOf = ({ series }: Kept): number =>
  series.reduce((sum, { values }) => sum + values.byteLength + limits.seriesBytes, 0);

type ReadMissing = (missing: Period) => ReturnType<ReadSeries>;

async function extended(held: Kept | undefined, period: Period, read: ReadMissing): Promise<Kept> {
  const { firstMs, count } = gridOf(period);
  const { stepMs } = period;
  const lastMs = firstMs + (count - 1) * stepMs;
  const isKnown = held !== undefined && firstMs >= held.firstMs && firstMs <= held.lastMs;
  if (isKnown && lastMs <= held.lastMs) return held;
  const againMs = isKnown
    ? Math.max(firstMs, held.lastMs - lateStepsOf(stepMs) * stepMs + stepMs) : firstMs;
  const missing = { fromMs: againMs - stepMs, toMs: lastMs, stepMs };
  const whole = { fromMs: firstMs - stepMs, toMs: lastMs, stepMs };
  let series = isKnown ? joined(held.series, [], { whole, endMs: againMs }) : [];
  for (const piece of piecesOf(missing)) {
    const fresh = (await read(piece)).map((one) => stepsOf(one, piece));
    series = joined(series, fresh, { whole, endMs: Infinity });
  }
  return { firstMs, lastMs, series };
}

function* piecesOf({ fromMs, toMs, stepMs }: Period): Iterable<Period> {
  const lengthMs = limits.stepsOfRead * stepMs;
  for (let startMs = fromMs; startMs < toMs; startMs += lengthMs) {
    yield { fromMs: startMs, toMs: Math.min(toMs, startMs + lengthMs), stepMs };
  }
}

const lateStepsOf = (stepMs: number): number =>
  Math.max(limits.lateStepsMin, Math.ceil(limits.lateMs / stepMs));

function joined(
  held: readonly Steps[],
  fresh: readonly Steps[],
  { whole, endMs }: { readonly whole: Period; readonly endMs: number },
): Steps[] {
  const byKey = new Map<string, Steps>();
  const into = (labels: Labels): Steps => {
    const key = fingerprintOf(labels);
    const found = byKey.get(key) ?? stepsOf({ labels, points: [] }, whole);
    byKey.set(key, found);
    return found;
  };
  for (const one of held) copy(one, into(one.labels), endMs);
  for (const one of fresh) copy(one, into(one.labels), Infinity);
  return [...byKey.values()].filter(({ values }) => values.some((value) => !Number.isNaN(value)));
}

/** Steps that end before `endMs`. */
function copy(source: Steps, target: Steps, endMs: number): void {
  const shift = (source.firstMs - target.firstMs) / source.stepMs;
  const end = Math.min(source.values.length, Math.ceil((endMs - source.firstMs) / source.stepMs));
  for (let index = Math.max(0, -shift); index < end; index++) {
    target.values[index + shift] = source.values[index]!;
  }
}

/** Views of what is kept, without series that have nothing in the period. */
function cut({ series }: Kept, period: Period): Steps[] {
  const { firstMs, count } = gridOf(period);
  return series.flatMap((one) => {
    const start = (firstMs - one.firstMs) / one.stepMs;
    const values = one.values.subarray(start, start + count);
    return values.some((value) => !Number.isNaN(value)) ? [{ ...one, firstMs, values }] : [];
  });
}
