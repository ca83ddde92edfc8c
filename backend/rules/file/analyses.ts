// `change`, `anomaly` and `forecast` below a rule: what is made of a signal's values over time, and
// which windows are impossible.

import type { ConfigPath } from '../../../config/errors.ts';
import { ANOMALY_DEFAULTS } from '../analysis/anomaly.ts';
import type { AnomalyOptions, RuleSource, SignalQuery } from '../model.ts';
import { parseCondition, parseShare } from './condition.ts';
import { durationText } from './options.ts';
import type { AnomalyShape, ForecastShape, RuleShape } from './shape.ts';
import type { Spot } from './sources.ts';

export const ANALYSES = ['change', 'anomaly', 'forecast'] as const;

const limits = {
  /** With fewer steps in its history nothing can be said; such a rule is refused. */
  stepsMin: 3,
  /** Steps that one evaluation may look at; more are refused. */
  stepsMax: 20_000,
} as const;

type QueryOf = (usualOverMs: number) => SignalQuery;

/** Null when something is wrong with it; then it was reported. */
export function analysisOf(shape: RuleShape, queryOf: QueryOf, spot: Spot): RuleSource | null {
  const inside = (key: string): Spot => ({ ...spot, path: [...spot.path, key] });
  if (shape.change !== undefined) return changeOf(shape.change, queryOf, inside('change'));
  if (shape.anomaly !== undefined) return anomalyOf(shape.anomaly, queryOf, inside('anomaly'));
  return forecastOf(shape.forecast!, queryOf, inside('forecast'));
}

const CHANGE_OVER_MS = 300_000;

function changeOf(
  { from, as }: NonNullable<RuleShape['change']>,
  queryOf: QueryOf,
  spot: Spot,
): RuleSource | null {
  const query = queryOf(CHANGE_OVER_MS);
  if (!isKept(from + query.overMs, [...spot.path, 'from'], spot)) return null;
  return { type: 'change', query, backMs: from, as };
}

const MINUTE_MS = 60_000;

function anomalyOf(shape: AnomalyShape, queryOf: QueryOf, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const usual = ANOMALY_DEFAULTS[shape.method];
  const stepMs = shape.step ?? usual.stepMs;
  const historyMs = shape.history ?? Math.min(usual.historyMs, spot.options.retentionMs);
  const points = pointsOf(shape, usual.points, spot);
  const minChange = parseShare(shape.min_change);
  if (minChange === null) {
    sheet.report([...path, 'min_change'], { why: 'is no share', hint: 'write it like 20%' });
  }
  if (!isTimeZone(shape.time_zone)) {
    sheet.report([...path, 'time_zone'], { why: 'is no time zone',
      hint: 'write a name such as Europe/Berlin or UTC' });
    return null;
  }
  const warmUpMs = shape.warm_up ?? Math.min(usual.warmUpMs, historyMs);
  if (warmUpMs > historyMs) {
    sheet.report([...path, 'warm_up'], { why: 'is longer than history', hint: 'write less' });
    return null;
  }
  if (points === null || minChange === null || !isHistory({ historyMs, stepMs }, spot)) return null;
  const anomaly: AnomalyOptions = {
    method: shape.method, stepMs, historyMs, warmUpMs, direction: shape.direction,
    sensitivity: shape.sensitivity ?? usual.sensitivity, minDelta: shape.min_delta, minChange,
    points, timeZone: shape.time_zone,
  };
  return { type: 'anomaly', query: queryOf(stepMs), anomaly };
}

/** `3 of 5`; null when it is wrong. */
function pointsOf(
  { points }: AnomalyShape,
  usual: AnomalyOptions['points'],
  { sheet, path }: Spot,
): AnomalyOptions['points'] | null {
  if (points === undefined) return usual;
  const match = /^(\d{1,3}) of (\d{1,3})$/.exec(points.trim());
  const [atLeast, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && atLeast >= 1 && atLeast <= of) return { atLeast, of };
  sheet.report([...path, 'points'], { why: 'does not say how many of how many',
    hint: 'write it like 3 of 5' });
  return null;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** A history is drawn by so many steps unless the rule says how long they are. */
const FORECAST_STEPS = 288;

function forecastOf(shape: ForecastShape, queryOf: QueryOf, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const historyMs = shape.history;
  const usualMs = Math.max(1, Math.round(historyMs / FORECAST_STEPS / MINUTE_MS)) * MINUTE_MS;
  const stepMs = shape.step ?? Math.min(usualMs, Math.floor(historyMs / limits.stepsMin));
  const reaches = parseCondition(shape.reaches);
  if (!reaches.ok) sheet.report([...path, 'reaches'], reaches);
  if (!isHistory({ historyMs, stepMs }, spot) || !reaches.ok) return null;
  return { type: 'forecast', query: queryOf(stepMs), forecast: {
    withinMs: shape.within, historyMs, stepMs, reaches: reaches.value,
  } };
}

function isHistory(
  { historyMs, stepMs }: { readonly historyMs: number; readonly stepMs: number },
  spot: Spot,
): boolean {
  const { sheet, path } = spot;
  if (!isKept(historyMs, [...path, 'history'], spot)) return false;
  const steps = historyMs / stepMs;
  if (steps >= limits.stepsMin && steps <= limits.stepsMax) return true;
  const isShort = steps < limits.stepsMin;
  sheet.report([...path, sheet.has(path, 'history') ? 'history' : 'step'], {
    why: isShort ? `is less than ${limits.stepsMin} steps of ${durationText(stepMs)}`
      : `is more than ${limits.stepsMax} steps of ${durationText(stepMs)}`,
    hint: isShort ? 'write a longer history or shorter steps'
      : 'write a shorter history or longer steps',
  });
  return false;
}

function isKept(ms: number, path: ConfigPath, { sheet, options }: Spot): boolean {
  if (ms <= options.retentionMs) return true;
  sheet.report(path, {
    why: `looks back further than records are kept, which is ${durationText(options.retentionMs)}`,
    hint: 'write less, or keep records longer',
  });
  return false;
}
