// What a rule would have done: its states over a period that is stored, by the same state machine
// that evaluates it now. Nothing is written or told.
//
// Instants are the multiples of the group's interval. What came late has come by now: it counts as
// if it had been there in time, and `query_offset` as 0. Anomalies are scored over the whole period
// in one pass; forecasts and SLOs are made of series that are read once.

import type { Clock } from '../../runtime/clock.ts';
import type { Labels } from '../labels/labels.ts';
import { anomalyOverTime, pastOf } from './analysis/anomaly.ts';
import { createSeriesCache, type SeriesCache } from './analysis/cache.ts';
import { forecastSamples } from './analysis/forecast.ts';
import { readFilled, readSloEvents } from './analysis/measure.ts';
import { pastsOf, sloSamples } from './analysis/slo.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './analysis/times.ts';
import type { Measured, ReadSeries, Rule, RuleGroup, Sample } from './model.ts';
import { step, type RuleAlert, type RuleAlerts } from './state.ts';

export const limits = {
  /** Instants of a backtest; more are refused. */
  evaluationsMax: 100_000,
  /** Instants of rules that are asked one by one (SQL); more are refused. */
  questionsMax: 2000,
  /** Alerts that are listed; the others only count. */
  alertsMax: 1000,
  /** Bytes of series that are read; with more they are read again and again. */
  seriesBytesMax: 256 * 1024 * 1024,
  /** An alert that fires again so soon after its end flaps. */
  flapMs: HOUR_MS,
  /** Others of the process get their turn after this time. */
  turnMs: 20,
} as const;

export interface BacktestPeriod {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface BacktestSource {
  /** What the rule would have measured at each multiple of `stepMs` behind `fromMs`. */
  readonly measureRange: (
    rule: Rule,
    period: BacktestPeriod & { readonly stepMs: number },
    abort: AbortSignal,
  ) => Promise<ReadonlyMap<number, readonly Sample[]>>;
  readonly readSeries: ReadSeries;
  readonly clock: Clock;
}

/** One time that an alert fired. */
export interface Firing {
  readonly labels: Labels;
  /** When it became pending, and when it began to fire. */
  readonly activeAtMs: number;
  readonly fromMs: number;
  /** Null while it fires at the end of the period. */
  readonly toMs: number | null;
  /** The least and the most that was measured while it fired. */
  readonly min: number;
  readonly max: number;
}

export interface Backtest {
  readonly evaluations: number;
  /** Instants at which nothing at all was measured. */
  readonly empty: number;
  /** Instants at which the rule failed, and why it did last; '' for never. */
  readonly failures: number;
  readonly error: string;
  /** In the order in which they began. All of them; the caller cuts. */
  readonly firings: readonly Firing[];
  /** Alerts that were pending and never fired, each time. */
  readonly pendings: number;
  /** Firings that began within `limits.flapMs` of the end of the one before. */
  readonly flaps: number;
  /** Share of the instants at which any alert fired. */
  readonly shareFiring: number;
}

export type BacktestOutcome =
  | { readonly ok: true; readonly backtest: Backtest }
  | { readonly ok: false; readonly why: string; readonly hint: string };

/** `progress` hears the share that is done. Throws what measuring throws. */
export async function backtest(
  { rule, group }: { readonly rule: Rule; readonly group: RuleGroup },
  period: BacktestPeriod,
  source: BacktestSource,
  abort: AbortSignal,
  progress: (share: number) => void = () => {},
): Promise<BacktestOutcome> {
  const refusal = refusalOf(rule, group, period);
  if (refusal !== null) return { ok: false, ...refusal };
  const { intervalMs } = group;
  const firstMs = (Math.floor(period.fromMs / intervalMs) + 1) * intervalMs;
  const record = createRecord(rule, group);
  const measure = await measuringOf(rule, { ...period, intervalMs }, source, abort);
  let turnMs = source.clock.monotonicMs();
  for (let atMs = firstMs; atMs <= period.toMs; atMs += intervalMs) {
    record.at(atMs, { ok: true, samples: await measure(atMs) });
    if (source.clock.monotonicMs() - turnMs < limits.turnMs) continue;
    await source.clock.sleep(0);
    abort.throwIfAborted();
    progress((atMs - firstMs) / (period.toMs - firstMs));
    turnMs = source.clock.monotonicMs();
  }
  return { ok: true, backtest: record.result() };
}

function refusalOf(
  { source: { type } }: Rule,
  { intervalMs }: RuleGroup,
  { fromMs, toMs }: BacktestPeriod,
) {
  const evaluations = Math.floor((toMs - fromMs) / intervalMs);
  const most = type === 'sql' ? limits.questionsMax : limits.evaluationsMax;
  if (type === 'composite') {
    return { why: 'a composite is made of the states of other rules, not of what is stored',
      hint: 'try the rules that it names' };
  }
  return evaluations <= most ? null : {
    why: `the period has ${evaluations} evaluations, and ${most} are the most`,
    hint: 'ask for a shorter period, or try the rule with a longer interval',
  };
}

type Measuring = (atMs: number) => Promise<readonly Sample[]> | readonly Sample[];

type Range = BacktestPeriod & Pick<RuleGroup, 'intervalMs'>;

/** What the rule measures at an instant. Series are read before. */
async function measuringOf(
  rule: Rule,
  range: Range,
  { measureRange, readSeries }: BacktestSource,
  abort: AbortSignal,
): Promise<Measuring> {
  const { source } = rule;
  const { fromMs, toMs, intervalMs } = range;
  const cache = createSeriesCache(readSeries, { bytesMax: limits.seriesBytesMax });
  if (source.type === 'anomaly' || source.type === 'forecast') {
    return analysed(source, range, cache, abort);
  }
  if (source.type === 'slo') {
    const pasts = pastsOf(source.slo);
    const events = await readSloEvents(source.slo, {
      minutes: { fromMs: fromMs - pasts.minutes - MINUTE_MS, toMs, stepMs: MINUTE_MS },
      hours: { fromMs: fromMs - pasts.hours - HOUR_MS, toMs, stepMs: HOUR_MS },
    }, cache, abort);
    return (atMs) => sloSamples(events, source.slo, floorTo(atMs, MINUTE_MS));
  }
  // A day at a time, so that a long period is not all held at once.
  const chunkMs = Math.max(1, Math.floor(DAY_MS / intervalMs)) * intervalMs;
  let chunk: ReadonlyMap<number, readonly Sample[]> = new Map();
  return async (atMs) => {
    if (!chunk.has(atMs)) {
      chunk = await measureRange(rule, { fromMs: atMs - intervalMs,
        toMs: Math.min(atMs - intervalMs + chunkMs, toMs), stepMs: intervalMs }, abort);
    }
    return chunk.get(atMs) ?? [];
  };
}

const floorTo = (atMs: number, stepMs: number): number => Math.floor(atMs / stepMs) * stepMs;

/** Anomalies and forecasts; several instants of a step measure the same. */
async function analysed(
  source: Rule['source'] & { readonly type: 'anomaly' | 'forecast' },
  { fromMs, toMs }: BacktestPeriod,
  cache: SeriesCache,
  abort: AbortSignal,
): Promise<(atMs: number) => readonly Sample[]> {
  const { stepMs } = source.type === 'anomaly' ? source.anomaly : source.forecast;
  const pastMs = source.type === 'anomaly' ? pastOf(source.anomaly) : source.forecast.historyMs;
  const series = await readFilled(source.query,
    { fromMs: floorTo(fromMs, stepMs) - pastMs, toMs, stepMs }, cache, abort);
  const scored = source.type !== 'anomaly' ? []
    : series.map((steps) => anomalyOverTime(steps, source.anomaly));
  let last: { readonly atMs: number; readonly samples: readonly Sample[] } | null = null;
  return (instantMs) => {
    const atMs = floorTo(instantMs, stepMs);
    if (last?.atMs === atMs) return last.samples;
    const samples = source.type === 'forecast' ? forecastSamples(series, source.forecast, atMs)
      : scored.flatMap((at) => at(atMs) ?? []);
    last = { atMs, samples };
    return samples;
  };
}

interface Recorder {
  at(atMs: number, measured: Measured): void;
  result(): Backtest;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function createRecord(rule: Rule, group: RuleGroup): Recorder {
  const firings: Mutable<Firing>[] = [];
  const open = new Map<string, Mutable<Firing>>();
  const ended = new Map<string, number>();
  const counts = { evaluations: 0, empty: 0, failures: 0, pendings: 0, flaps: 0, firing: 0 };
  let alerts: RuleAlerts = new Map();
  let error = '';
  const follow = (key: string, alert: RuleAlert, atMs: number) => {
    let firing = open.get(key);
    if (firing === undefined) {
      firing = { labels: alert.labels, activeAtMs: alert.activeAtMs, fromMs: atMs, toMs: null,
        min: alert.value, max: alert.value };
      if (atMs - (ended.get(key) ?? -Infinity) <= limits.flapMs) counts.flaps++;
      open.set(key, firing);
      firings.push(firing);
    }
    firing.min = Math.min(firing.min, alert.value);
    firing.max = Math.max(firing.max, alert.value);
  };
  const end = (key: string, atMs: number) => {
    open.get(key)!.toMs = atMs;
    open.delete(key);
    ended.set(key, atMs);
  };
  return {
    at: (atMs, measured) => {
      const next = step(alerts, { rule, group, measured, atMs, externalUrl: '' });
      counts.evaluations++;
      if (measured.ok && measured.samples.length === 0) counts.empty++;
      if (next.error !== '') [error, counts.failures] = [next.error, counts.failures + 1];
      for (const [key, { state }] of alerts) {
        if (state === 'pending' && !next.alerts.has(key)) counts.pendings++;
      }
      const firing = new Map([...next.alerts].filter(([, { state }]) => state === 'firing'));
      for (const [key, alert] of firing) follow(key, alert, atMs);
      for (const key of [...open.keys()]) if (!firing.has(key)) end(key, atMs);
      if (firing.size > 0) counts.firing++;
      alerts = next.alerts;
    },
    result: () => {
      const { firing, ...own } = counts;
      return { ...own, error, firings, shareFiring: firing / Math.max(1, counts.evaluations) };
    },
  };
}
