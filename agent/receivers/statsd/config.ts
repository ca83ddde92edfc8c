// What a person writes under `receivers.statsd`: the Collector's keys and defaults.

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import {
  count, duration, endpoint, fault, ignoredKey, section, strictObject,
} from '../../../config/schema.ts';

const TRANSPORTS = ['udp', 'udp4', 'udp6', 'tcp', 'tcp4', 'tcp6'] as const;

export type Transport = typeof TRANSPORTS[number];

const transport = () => z.string().transform((value, ctx): Transport => {
  if ((TRANSPORTS as readonly string[]).includes(value)) return value as Transport;
  const hint = value.startsWith('unix')
    ? 'Node.js has no datagram sockets in the file system; use udp'
    : `use ${TRANSPORTS.join(', ')}`;
  fault(ctx, 'is not supported', hint);
  return z.NEVER;
});

const ONE_SENDER = 'senders are never apart: nothing that is handed on could tell them apart';

const ascending = (values: readonly number[]): boolean =>
  values.every((value, index) => index === 0 || value > values[index - 1]!);

const mapping = () => strictObject({
  statsd_type: z.enum(['timer', 'timing', 'histogram', 'distribution'])
    .describe('timer and timing are the same: ms.'),
  observer_type: z.enum(['gauge', 'summary', 'histogram', 'disabled', 'disable'])
    .describe('What becomes of the values; disabled: nothing.'),
  histogram: section({
    max_size: count({ min: 2, max: 10_000 }).default(160)
      .describe('Buckets of an exponential histogram at most.'),
    explicit_buckets: z.array(strictObject({
      matcher_pattern: pattern().describe('The names that have these buckets.'),
      buckets: z.array(z.number()).min(1).refine(ascending, 'must be in order')
        .describe('Upper bounds.'),
    })).describe('Bounds for some names; all others are exponential.').default([]),
  }).describe('For observer_type histogram.'),
  summary: section({
    percentiles: z.array(z.number().min(0).max(100)).default([0, 10, 50, 90, 95, 100])
      .describe('From 0 to 100.'),
  }).describe('For observer_type summary.'),
});

export const statsdSchema = () => section({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:8125'),
  transport: transport().describe('udp, udp4, udp6, tcp, tcp4 or tcp6.').prefault('udp'),
  aggregation_interval: duration({ min: '1ms' }).prefault('60s')
    .describe('Time between two batches.'),
  enable_metric_type: z.boolean().describe('Say the type in metric_type.').default(false),
  enable_simple_tags: z.boolean().default(false)
    .describe('Take tags without a value; lines with such are refused otherwise.'),
  is_monotonic_counter: z.boolean().default(false).describe('Counters only grow.'),
  enable_ip_only_aggregation: ignoredKey(ONE_SENDER),
  ignore_host: ignoredKey(ONE_SENDER),
  counter_type: z.enum(['int', 'float', 'stochastic_int']).default('int')
    .describe('int is rounded, stochastic_int so that it is right on average.'),
  timer_histogram_mapping: z.array(mapping()).default([])
    .describe('What becomes of timers, histograms and distributions: gauges unless said.')
    .superRefine((list, ctx) => {
      const known = new Set<string>();
      for (const [index, { statsd_type: type }] of list.entries()) {
        const same = type === 'timer' ? 'timing' : type;
        if (known.has(same)) fault(ctx, 'is there twice', '', [index, 'statsd_type']);
        known.add(same);
      }
    }),
  socket_permissions: ignoredKey('it is for unixgram, which is not here'),
});

export type StatsdConfig = z.output<ReturnType<typeof statsdSchema>>;
export type Mapping = StatsdConfig['timer_histogram_mapping'][number];
