// The keys of service_graph, as the Collector's servicegraph has them.

import * as z from 'zod';
import {
  count, duration, fault, ignoredKey, refusedKey, section,
} from '../../../config/schema.ts';

const BUCKETS = [
  '2ms', '4ms', '6ms', '8ms', '10ms', '50ms', '100ms', '200ms', '400ms', '800ms', '1s', '1400ms',
  '2s', '5s', '10s', '15s',
];

const names = (what: string) => z.array(z.string().min(1)).describe(what);

export const createSchema = () => section({
  latency_histogram_buckets: z.array(duration()).min(1)
    .describe('Upper bounds of the durations, growing.').prefault(BUCKETS),
  exponential_histogram_max_size: count({ max: 16_384 })
    .describe('Most buckets of an exponential histogram, which is used then. 0: fixed bounds.')
    .default(0),
  dimensions: names('Attributes of spans or resources: client_<name> and server_<name>.')
    .default([]),
  store: section({
    ttl: duration({ min: '1ms' }).describe('How long a span waits for the other side.')
      .prefault('2s'),
    max_items: count({ min: 1, max: 10_000_000 }).describe('Most spans that wait.').default(1000),
  }).describe('Spans that wait for the other side of their request.'),
  store_expiration_loop: duration({ min: '1ms' })
    .describe('How often it is looked who has waited too long.').prefault('2s'),
  cache_loop: ignoredKey('every report looks which series had no requests for 15 minutes'),
  virtual_node_peer_attributes: names(
    'Attributes that name the other side where it sends no spans; none: no such nodes.')
    .default(['peer.service', 'db.name', 'db.system']),
  virtual_node_extra_label: z.boolean()
    .describe('Whether virtual_node says which side sent no spans.').default(false),
  database_name_attributes: names('Attributes of clients that name a database, the first found.')
    .default(['db.name', 'db.namespace']),
  database_name_attribute: refusedKey('write database_name_attributes'),
  metrics_exporter: ignoredKey('the pipeline says where metrics go'),
  metrics_flush_interval: duration()
    .describe('Time between two reports. 0: one after each batch.').prefault('60s'),
  metrics_timestamp_offset: duration().describe('How far behind now reports are dated.')
    .prefault('0'),
  sampling_weights: z.boolean()
    .describe('Whether a request counts for all those that samplers left out.').default(true),
}).superRefine(({ latency_histogram_buckets: bounds }, ctx) => {
  if (bounds.some((one, index) => index > 0 && one <= bounds[index - 1]!)) {
    fault(ctx, 'must grow from one to the next', '', ['latency_histogram_buckets']);
  }
});

export type ServiceGraphConfig = z.output<ReturnType<typeof createSchema>>;
