// Which metrics a processor works on, by name and kind, as the Collector's `include` and `exclude`
// of cumulativetodelta say it. `exclude` wins.

import * as z from 'zod';
import { NO_PATTERN, parsePattern } from '../../../config/pattern.ts';
import { fault, ignoredKey, optionalSection } from '../../../config/schema.ts';
import type { Metric } from '../../../proto/otlp/model.ts';

const KINDS = {
  sum: 'sum',
  histogram: 'histogram',
  exponentialhistogram: 'exponentialHistogram',
  exponential_histogram: 'exponentialHistogram',
} as const;

type Kind = keyof typeof KINDS;

/** The value of `include` or `exclude`; undefined when the key is absent. */
export const metricMatch = () => optionalSection({
  metrics: z.array(z.string().min(1)).describe('Names of metrics, or patterns; none: all names.')
    .default([]),
  match_type: z.enum(['strict', 'regexp']).describe('How names are compared.').optional(),
  regexp: ignoredKey('patterns need no cache'),
  metric_types: z.array(z.string().toLowerCase().pipe(
    z.enum(Object.keys(KINDS) as [Kind, ...Kind[]])))
    .describe('sum, histogram or exponentialhistogram; none: all three.').default([]),
}).superRefine((match, ctx) => {
  if (match === undefined) return;
  const { metrics, match_type: type, metric_types: types } = match;
  if (metrics.length === 0 && types.length === 0) {
    fault(ctx, 'has nothing to match', 'write metrics or metric_types');
  }
  if (metrics.length > 0 && type === undefined) {
    fault(ctx, 'is required', 'write strict for names or regexp for patterns', ['match_type']);
  }
  if (type !== 'regexp') return;
  for (const [index, text] of metrics.entries()) {
    if (parsePattern(text) === null) {
      fault(ctx, NO_PATTERN.why, NO_PATTERN.hint, ['metrics', index]);
    }
  }
});

export type MetricMatch = z.output<ReturnType<typeof metricMatch>>;

type Choice = (metric: Metric) => boolean;

export function createMetricChoice(
  config: { readonly include?: MetricMatch; readonly exclude?: MetricMatch },
): Choice {
  const isIncluded = config.include === undefined ? undefined : testOf(config.include);
  const isExcluded = config.exclude === undefined ? undefined : testOf(config.exclude);
  return (metric) => isIncluded?.(metric) !== false && isExcluded?.(metric) !== true;
}

function testOf(match: NonNullable<MetricMatch>): Choice {
  const { metrics, match_type: type, metric_types: types } = match;
  const kinds = new Set<string>(types.map((kind) => KINDS[kind]));
  const names = new Set(metrics);
  const patterns = type === 'regexp' ? metrics.map((text) => parsePattern(text)!) : [];
  const isNamed = (name: string) => metrics.length === 0
    || (type === 'regexp' ? patterns.some((pattern) => pattern.test(name)) : names.has(name));
  return ({ name, data }) =>
    (kinds.size === 0 || (data !== undefined && kinds.has(data.type))) && isNamed(name);
}
