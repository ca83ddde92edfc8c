// Chooses which spans of a period are looked at when all are too many: whole traces, from windows
// of five minutes at regular distances among those that have spans, and of these traces the share
// whose hash says so. How many spans there are is known from the rollups (schema/007_rollups.sql).

import { DAY_MS, HOUR_MS, MINUTE_MS } from '../latency/plan.ts';
import { WITHIN, type Period, type Rows } from './rows.ts';

export const limits = {
  /** In longer periods, only so many hours are looked at for windows. */
  hoursMax: 24,
  minutesPeriodMsMax: 2 * DAY_MS,
  /** Windows of a sample: fewer only if there are no more. */
  windowsMin: 6,
  windowsMax: 300,
} as const;

export interface Sampling {
  readonly isSampled: boolean;
  /** Spans of the period, by whole minutes or hours. */
  readonly spans: number;
  /** About how many of them are looked at. */
  readonly spansLookedAt: number;
  /** Of `spans`; what is counted was divided by it. */
  readonly share: number;
  /** Windows of five minutes; null for the whole period. */
  readonly windows: number | null;
}

export interface Sample {
  readonly sampling: Sampling;
  /** Condition on rows of `otel_traces`, with the parameters of a period. */
  readonly sql: string;
}

const WINDOW_MS = 5 * MINUTE_MS;

/** About `spansMax` spans of the period, or all when there are no more. Throws QueryError. */
export async function chooseSample(
  rows: Rows,
  period: Period,
  spansMax: number,
): Promise<Sample> {
  const isLong = period.toMs - period.fromMs > limits.minutesPeriodMsMax;
  const buckets = await countBuckets(rows, rollupSql(period), isLong ? 'hour' : 'minute');
  const spans = sumOf(buckets);
  if (spans <= spansMax) {
    const sampling = { isSampled: false, spans, spansLookedAt: spans, share: 1, windows: null };
    return { sampling, sql: WITHIN };
  }
  const minutes = isLong ? await countBuckets(rows, minutesOf(spread(buckets, limits.hoursMax)),
    'minute') : buckets;
  const windows = windowsOf(minutes);
  const average = sumOf(windows) / windows.length;
  const fitting = Math.max(limits.windowsMin, Math.floor(spansMax / average));
  const chosen = spread(windows, Math.min(limits.windowsMax, fitting));
  const inside = sumOf(chosen);
  const parts = Math.ceil(inside / spansMax);
  const list = chosen.map(({ at }) => `toDateTime(${at})`).join(', ');
  return {
    sampling: { isSampled: true, spans, spansLookedAt: Math.round(inside / parts),
      share: inside / parts / spans, windows: chosen.length },
    sql: `${WITHIN} AND toStartOfFiveMinutes(Timestamp) IN (${list})
      ${parts === 1 ? '' : `AND cityHash64(TraceId) % ${parts} = 0`}`,
  };
}

interface Bucket {
  /** Seconds since 1970. */
  readonly at: number;
  readonly spans: number;
}

const sumOf = (buckets: readonly Bucket[]): number =>
  buckets.reduce((sum, { spans }) => sum + spans, 0);

const BUCKETS = { minute: 'toStartOfMinute(Timestamp)', hour: "toStartOfHour(Timestamp, 'UTC')" };

/** Condition for the rollups: whole minutes, or hours, of the period. */
export function rollupSql({ fromMs, toMs }: Period): string {
  const isLong = toMs - fromMs > limits.minutesPeriodMsMax;
  const sizeMs = isLong ? HOUR_MS : MINUTE_MS;
  const bucket = BUCKETS[isLong ? 'hour' : 'minute'];
  return `${bucket} >= toDateTime(${Math.floor(fromMs / sizeMs) * sizeMs / 1000})
    AND ${bucket} <= toDateTime(${Math.floor((toMs - 1) / sizeMs) * sizeMs / 1000})`;
}

function countBuckets(rows: Rows, where: string, size: keyof typeof BUCKETS): Promise<Bucket[]> {
  return rows<Bucket>({
    sql: `SELECT toUnixTimestamp(${BUCKETS[size]}) AS at, count() AS spans FROM otel_traces
      WHERE ${where} GROUP BY ${BUCKETS[size]} ORDER BY at`,
    settings: { optimize_use_projections: 1 },
  });
}

function minutesOf(hours: readonly Bucket[]): string {
  const minutes = hours.flatMap(({ at }) =>
    Array.from({ length: 60 }, (_, minute) => `toDateTime(${at + 60 * minute})`));
  return `${BUCKETS.minute} IN (${minutes.join(', ')})`;
}

function windowsOf(minutes: readonly Bucket[]): Bucket[] {
  const windows = new Map<number, number>();
  for (const { at, spans } of minutes) {
    const window = Math.floor(at * 1000 / WINDOW_MS) * WINDOW_MS / 1000;
    windows.set(window, (windows.get(window) ?? 0) + spans);
  }
  return [...windows].map(([at, spans]) => ({ at, spans }));
}

/** `count` of the buckets, or all, at regular distances. */
function spread(buckets: readonly Bucket[], count: number): readonly Bucket[] {
  if (buckets.length <= count) return buckets;
  return Array.from({ length: count }, (_, index) =>
    buckets[Math.floor((index + 0.5) * buckets.length / count)]!);
}
