// The keys of cardinality_guard, as the Collector's cardinality_guardian has them.

import * as z from 'zod';
import { count, refusedKey, section } from '../../../config/schema.ts';

export const createSchema = () => section({
  max_cardinality_delta_per_epoch: count({ min: 1, max: 1_000_000 })
    .describe('Values of an attribute of a metric that may be new in an epoch.').default(100),
  epoch_duration_seconds: count({ min: 10, max: 7 * 24 * 3600 })
    .describe('How long an epoch is, in seconds.').default(300),
  enforcement_mode: z.enum(['tag_only', 'overflow_attribute', 'strip_and_reaggregate'])
    .describe('What is done to a point with a value too many: tag_only adds otel.metric.overflow, '
      + 'overflow_attribute puts it in the place of the attribute, strip_and_reaggregate removes '
      + 'the attribute. In the last two, points that become alike are added up.')
    .default('overflow_attribute'),
  tag_only: refusedKey('write enforcement_mode: tag_only'),
  never_drop_labels: z.array(z.string()).describe('Attributes that may have any number of values.')
    .default([]),
  metric_overrides: z.record(z.string().min(1), count({ min: 1, max: 1_000_000 }))
    .describe('max_cardinality_delta_per_epoch of single metrics, by name.').default({}),
  top_offenders_count: count({ max: 500 })
    .describe('Attributes with most values that are told in a gauge.').default(10),
  max_tracker_count: count({ min: 1, max: 10_000_000 })
    .describe('Most pairs of metric and attribute that are watched; others pass.')
    .default(100_000),
  drop_log_max_per_epoch: count()
    .describe('Most lines of the log in an epoch, one for each attribute. 0: no bound.')
    .default(10),
  estimated_cost_per_metric_month: z.number().min(0)
    .describe('What a series costs a month, for the gauge of what was saved. 0: none.').default(0),
});

export type CardinalityGuardConfig = z.output<ReturnType<typeof createSchema>>;
