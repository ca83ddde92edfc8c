// Reads what anomalies, forecasts and SLOs are made from, through the cache, and measures. `atMs`
// is the instant less the group's offset; what is measured ends with the last step that was over
// then, so that nobody judges half a step.

import { nextTurn } from '../../../runtime/clock.ts';
import { fingerprintOf, type Labels } from '../../labels/labels.ts';
import type { SearchNode } from '../../search/node.ts';
import type { AnomalyOptions, ForecastOptions, Sample, SignalQuery, SloOptions } from '../model.ts';
import { anomalySamples, pastOf } from './anomaly.ts';
import type { SeriesCache } from './cache.ts';
import { forecastSamples } from './forecast.ts';
import { pastsOf, sloSamples, type SloEvents } from './slo.ts';
import { missingIsZero, stepsOf, withZeros, type Period, type Steps } from './steps.ts';
import { HOUR_MS, MINUTE_MS } from './times.ts';

export interface At {
  readonly atMs: number;
}

/** Throws what reading throws. */
export async function measureAnomaly(
  query: SignalQuery,
  options: AnomalyOptions,
  { atMs }: At,
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<Sample[]> {
  const period = periodBefore(atMs, pastOf(options), options.stepMs);
  const series = await readFilled(query, period, cache, abort);
  return cache.remembered(query, options, period.toMs, () =>
    eachInTurn(series, abort, (one) => anomalySamples([one], options, period.toMs)));
}

/** Throws what reading throws. */
export async function measureForecast(
  query: SignalQuery,
  options: ForecastOptions,
  { atMs }: At,
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<Sample[]> {
  const period = periodBefore(atMs, options.historyMs, options.stepMs);
  const series = await readFilled(query, period, cache, abort);
  return cache.remembered(query, options, period.toMs, () =>
    eachInTurn(series, abort, (one) => forecastSamples([one], options, period.toMs)));
}

/** A series takes milliseconds: others of the process get their turn between two. */
async function eachInTurn(
  series: readonly Steps[],
  abort: AbortSignal,
  judge: (one: Steps) => Sample[],
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const one of series) {
    await nextTurn();
    abort.throwIfAborted();
    samples.push(...judge(one));
  }
  return samples;
}

/** Throws what reading throws. Windows end with a minute. */
export async function measureSlo(
  slo: SloOptions,
  { atMs }: At,
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<Sample[]> {
  const pasts = pastsOf(slo);
  const minutes = periodBefore(atMs, pasts.minutes, MINUTE_MS);
  const groups = await readSloEvents(slo, { minutes,
    hours: periodBefore(minutes.toMs, pasts.hours, HOUR_MS) }, cache, abort);
  return cache.remembered(slo, slo, minutes.toMs, () => sloSamples(groups, slo, minutes.toMs));
}

/** The past that ends with the last step that is over at the instant. */
export function periodBefore(atMs: number, lengthMs: number, stepMs: number): Period {
  const toMs = Math.floor(atMs / stepMs) * stepMs;
  return { fromMs: toMs - lengthMs, toMs, stepMs };
}

/** With 0 for steps without records, where that is what they count as. */
export async function readFilled(
  query: SignalQuery,
  period: Period,
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<Steps[]> {
  const series = await cache.read(query, period, abort);
  return missingIsZero(query.aggregate) ? series.map(withZeros) : series;
}

/** Events of each group that has any. Throws what reading throws. */
export async function readSloEvents(
  slo: SloOptions,
  { minutes, hours }: { readonly minutes: Period; readonly hours: Period },
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<SloEvents[]> {
  const read = async (search: SearchNode, period: Period) => {
    const found = await cache.read(countOf(slo, search, period.stepMs), period, abort);
    return { period, byKey: new Map(found.map((one) => [fingerprintOf(one.labels), one])) };
  };
  const bad = badOf(slo);
  // One after the other: they are as heavy as questions of rules can be.
  const totals = await read(slo.total, minutes);
  const bads = await read(bad, minutes);
  const hourTotals = await read(slo.total, hours);
  const hourBads = await read(bad, hours);
  const labels = new Map<string, Labels>();
  for (const { byKey } of [hourTotals, totals]) {
    for (const [key, one] of byKey) labels.set(key, one.labels);
  }
  return [...labels].map(([key, own]) => {
    const of = ({ byKey, period }: typeof totals) =>
      byKey.get(key) ?? stepsOf({ labels: own, points: [] }, period);
    return {
      labels: own,
      minutes: { total: of(totals), bad: of(bads) },
      hours: { total: of(hourTotals), bad: of(hourBads) },
    };
  });
}

const countOf = (slo: SloOptions, search: SearchNode, stepMs: number): SignalQuery => ({
  signal: slo.signal, metric: '', search, aggregate: { type: 'count' }, overMs: stepMs,
  groupBy: slo.groupBy,
});

/** What is bad is among what is counted. */
function badOf({ total, bad }: SloOptions): SearchNode {
  const search: SearchNode = 'search' in bad ? bad.search : {
    type: 'term', field: 'duration', at: 0,
    test: { kind: 'range', from: { value: `${bad.slowerThanMs}ms`, inclusive: false }, to: null },
  };
  const parts = [total, search].flatMap((node) => (node.type === 'and' ? node.parts : [node]))
    .filter(({ type }) => type !== 'all');
  return parts.length > 1 ? { type: 'and', parts } : parts[0] ?? { type: 'all' };
}
