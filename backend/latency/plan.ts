// Which rollup answers which part of a period. Rollups are by whole minutes, hours and days of UTC,
// so the ragged ends of a period are answered by finer ones, and at last from the spans themselves:
//
//   from                                                                 to
//    |raw|minute …|hour  hour …|day        day        day …|hour …|minute …|raw|
//
// Invariants: segments are in order and without gaps, and cover the period exactly; no bucket of a
// segment's rollup lies in two steps.

/** `raw`: the spans themselves. */
export type Rollup = 'raw' | 'minute' | 'hour' | 'day';

/** Milliseconds since 1970; `toMs` is not inside. */
export interface Segment {
  readonly rollup: Rollup;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Coarsest first. */
const ROLLUPS = [['day', DAY_MS], ['hour', HOUR_MS], ['minute', MINUTE_MS]] as const;

/**
 * The coarsest rollups that answer `period` exactly. Steps begin at multiples of `stepMs` since
 * 1970; null: the period is one step.
 */
export function planSegments(period: Span, stepMs: number | null): Segment[] {
  const fitting = ROLLUPS.filter(([, sizeMs]) => stepMs === null || stepMs % sizeMs === 0);
  return cut(period, fitting);
}

type Sizes = ReadonlyArray<readonly [Rollup, number]>;

function cut({ fromMs, toMs }: Span, [coarsest, ...finer]: Sizes): Segment[] {
  if (fromMs >= toMs) return [];
  if (coarsest === undefined) return [{ rollup: 'raw', fromMs, toMs }];
  const [rollup, sizeMs] = coarsest;
  const firstMs = Math.ceil(fromMs / sizeMs) * sizeMs;
  const lastMs = Math.floor(toMs / sizeMs) * sizeMs;
  if (firstMs >= lastMs) return cut({ fromMs, toMs }, finer);
  return [
    ...cut({ fromMs, toMs: firstMs }, finer),
    { rollup, fromMs: firstMs, toMs: lastMs },
    ...cut({ fromMs: lastMs, toMs }, finer),
  ];
}
