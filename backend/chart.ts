// What a rule has measured in the last hours, for the small charts in messages.

import type { Clock } from '../runtime/clock.ts';
import { ALERT_NAME, type Labels } from './labels/labels.ts';
import type { ChartPoint, NotifiedAlert } from './alerting/model.ts';
import type { Rule, RuleBook, Sample } from './rules/model.ts';
import type { RuleMeasurer } from './rules/measuring/measurer.ts';

const HOUR_MS = 3_600_000;

export const limits = {
  periodMs: 3 * HOUR_MS,
  /** Points of a chart. */
  stepMs: 5 * 60_000,
} as const;

/** Rules whose past can be read at once; the others have no chart. */
const CHARTED = new Set<Rule['source']['type']>(['signal']);

export interface ChartOptions {
  readonly book: Pick<RuleBook, 'groups'>;
  readonly measurer: Pick<RuleMeasurer, 'measureRange'>;
  readonly clock: Clock;
}

/** Empty for an alert of no rule, and when the past cannot be read. */
export function createChart({ book, measurer, clock }: ChartOptions) {
  return async (alert: NotifiedAlert, abort: AbortSignal): Promise<ChartPoint[]> => {
    const rule = book.groups().flatMap(({ rules }) => rules)
      .find(({ name, source }) => name === alert.labels[ALERT_NAME] && CHARTED.has(source.type));
    if (rule === undefined) return [];
    const { periodMs, stepMs } = limits;
    const toMs = Math.floor((alert.endsAtMs ?? clock.nowMs()) / stepMs) * stepMs;
    try {
      const past = await measurer.measureRange(rule, { fromMs: toMs - periodMs, toMs, stepMs },
        abort);
      return [...past].flatMap(([atMs, samples]) => {
        const own = samples.find((sample) => isOf(sample, alert.labels));
        return own === undefined ? [] : [[atMs, own.value] as const];
      });
    } catch {
      return [];
    }
  };
}

const isOf = ({ labels }: Sample, of: Labels): boolean =>
  Object.entries(labels).every(([name, value]) => (of[name] ?? '') === value);
