// A signal over time: all windows of a period in one statement.

import type { Series, ReadSeries, SignalQuery } from '../model.ts';
import { UnmeasurableError, type Ask } from './asking.ts';
import { formulaOf, type Formula } from './formula.ts';
import { askMetrics, type MetricKinds } from './metrics.ts';
import { askRecords, type Value } from './records.ts';
import { greatestDivisor, type Windows } from './records_sql.ts';

export const limits = {
  /** Values of one question; with more it fails. */
  pointsMax: 500_000,
  /** Windows that a record may lie in; with more it fails. */
  overlapMax: 3000,
} as const;

/** A period is asked about in pieces of a day, or of the window where that is longer. */
const PIECE_MS = 86_400_000;

export interface SeriesSource {
  readonly ask: Ask;
  readonly kinds: MetricKinds;
}

/**
 * See `ReadSeries`. Steps without a record are missing; of a question without groups that counts,
 * they are 0 behind the first step that is not.
 */
export function createReadSeries(source: SeriesSource): ReadSeries {
  return async (query, period, abort) => {
    const windows = windowsOf(query.overMs, period);
    if (windows === null) return [];
    const values = await readValues(source, { query, windows }, abort);
    const series = seriesOf(values, windows);
    const nothing = ofNothing(query);
    const [first] = series;
    if (query.groupBy.length > 0 || nothing === null || first === undefined) return series;
    return [filled(first, windows, nothing)];
  };
}

const ofNothing = ({ signal, aggregate }: SignalQuery): number | null =>
  (signal === 'metrics' ? null : formulaOf(aggregate, signal).ofNothing);

/** Null when no step ends in the period. */
export function windowsOf(
  overMs: number,
  { fromMs, toMs, stepMs }: Parameters<ReadSeries>[1],
): Windows | null {
  const firstMs = (Math.floor(fromMs / stepMs) + 1) * stepMs;
  const lastMs = Math.floor(toMs / stepMs) * stepMs;
  if (overMs / greatestDivisor(overMs, stepMs) > limits.overlapMax) {
    throw new UnmeasurableError('its window is too long for the step', 'take a longer step');
  }
  return firstMs > lastMs ? null : { stepMs, overMs, firstMs, lastMs };
}

interface ValuesAsked {
  readonly query: SignalQuery;
  readonly windows: Windows;
  /** Instead of that of the query's aggregate. */
  readonly formula?: Formula;
}

/** Throws what the store throws, SearchError and UnmeasurableError. */
export async function readValues(
  source: SeriesSource,
  asked: ValuesAsked,
  abort: AbortSignal,
): Promise<readonly Value[]> {
  const { overMs, stepMs, firstMs, lastMs } = asked.windows;
  const pieceMs = Math.ceil(Math.max(PIECE_MS, overMs) / stepMs) * stepMs;
  const found: Value[] = [];
  for (let beginMs = firstMs; beginMs <= lastMs; beginMs += pieceMs) {
    const windows = { ...asked.windows, firstMs: beginMs,
      lastMs: Math.min(lastMs, beginMs + pieceMs - stepMs) };
    for (const value of await readPiece(source, { ...asked, windows }, abort)) found.push(value);
    if (found.length <= limits.pointsMax) continue;
    throw new UnmeasurableError(`it has more than ${limits.pointsMax} values`,
      'take a longer step, a shorter period, or fewer groups');
  }
  return found;
}

async function readPiece(
  { ask, kinds }: SeriesSource,
  { query, windows, formula }: ValuesAsked,
  abort: AbortSignal,
): Promise<readonly Value[]> {
  const { overMs, firstMs, lastMs } = windows;
  const window = { fromMs: firstMs - overMs, toMs: lastMs };
  const one = { asker: 0, query, window };
  const rowsMax = limits.pointsMax;
  const last = formula !== undefined;
  const answers = query.signal === 'metrics'
    ? await askMetrics({ ask, kinds, abort, rowsMax }, [{ ...one, last }], windows)
    : await askRecords({ ask, abort, rowsMax }, [formula === undefined ? one
      : { ...one, formula }], windows);
  const answer = answers.get(0)!;
  if (!answer.ok) throw answer.error;
  return answer.values;
}

function seriesOf(values: readonly Value[], { stepMs }: Windows): Series[] {
  const found = new Map<string, { labels: Series['labels']; points: Series['points'][number][] }>();
  for (const { labels, value, at } of values) {
    const name = JSON.stringify(labels);
    const series = found.get(name) ?? { labels, points: [] };
    found.set(name, series);
    series.points.push({ atMs: at * stepMs, value });
  }
  for (const { points } of found.values()) points.sort((one, other) => one.atMs - other.atMs);
  return [...found.values()];
}

function filled({ labels, points }: Series, { stepMs, lastMs }: Windows, value: number): Series {
  const known = new Map(points.map((point) => [point.atMs, point]));
  const all: Series['points'][number][] = [];
  for (let { atMs } = points[0]!; atMs <= lastMs; atMs += stepMs) {
    all.push(known.get(atMs) ?? { atMs, value });
  }
  return { labels, points: all };
}
