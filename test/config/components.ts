// Component types for the tests of the configuration, so that they do not depend on which real ones
// there are. The shapes are small copies of the Collector's.

import { z } from 'zod';
import type { ComponentSchema } from '../../config/components.ts';
import {
  byteSize, count, duration, endpoint, optionalSection, secret, section, strictObject,
} from '../../config/schema.ts';

const all = ['traces', 'metrics', 'logs'] as const;

export const COMPONENTS: readonly ComponentSchema[] = [
  {
    kind: 'receiver', type: 'otlp', signals: all,
    schema: section({
      protocols: section({
        grpc: optionalSection({ endpoint: endpoint().prefault('localhost:4317') }),
        http: optionalSection({ endpoint: endpoint().prefault('localhost:4318') }),
      }),
    }),
  },
  {
    kind: 'receiver', type: 'file_log', aliases: ['filelog'], signals: ['logs'],
    schema: strictObject({
      include: z.array(z.string()).min(1),
      start_at: z.enum(['beginning', 'end']).default('end'),
      include_file_path: z.boolean().default(false),
      poll_interval: duration({ min: '10ms' }).prefault('200ms'),
      max_log_size: byteSize().prefault('1MiB'),
    }),
  },
  {
    kind: 'receiver', type: 'host_metrics', aliases: ['hostmetrics'], signals: ['metrics'],
    schema: section({ collection_interval: duration().prefault('1m') }),
  },
  {
    kind: 'processor', type: 'batch', signals: all,
    schema: section({
      timeout: duration().prefault('200ms'),
      send_batch_size: count().default(8192),
    }),
  },
  {
    kind: 'exporter', type: 'otlp', aliases: ['otlp_grpc'], signals: all,
    schema: strictObject({
      endpoint: z.string().min(1),
      headers: z.record(z.string(), secret()).default({}),
      tls: section({ insecure: z.boolean().default(false) }),
    }),
  },
  {
    kind: 'exporter', type: 'debug', signals: all,
    schema: section({ verbosity: z.enum(['basic', 'normal', 'detailed']).default('basic') }),
  },
  {
    kind: 'connector', type: 'forward', signals: all,
    schema: section({}),
  },
  {
    kind: 'connector', type: 'span_metrics', aliases: ['spanmetrics'], signals: ['traces'],
    gives: () => ['metrics'],
    schema: section({}),
  },
  {
    kind: 'connector', type: 'routing', signals: all,
    schema: section({ default_pipelines: z.array(z.string()).default([]) }),
    chooses: ({ default_pipelines: ids }: { default_pipelines: string[] }) =>
      ids.map((id, index) => ({ path: ['default_pipelines', index], id })),
  },
  {
    kind: 'extension', type: 'health_check', signals: [],
    schema: section({ endpoint: endpoint().prefault('localhost:13133') }),
  },
];
