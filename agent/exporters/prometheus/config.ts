// What a person writes under `exporters.prometheus`: the Collector's keys and defaults.

import * as z from 'zod';
import {
  duration, endpoint, ignoredKey, optionalSection, refusedKey, section,
} from '../../../config/schema.ts';
import { serverTls } from '../../../config/tls.ts';

const SERVER = 'the server that shows the page has fixed limits';
const UTF8 = 'names are written with _ for what Prometheus 2 does not know; write '
  + 'UnderscoreEscapingWithSuffixes or UnderscoreEscapingWithoutSuffixes';

const patterns = (description: string) =>
  z.array(z.string()).describe(description).default([]);

export const prometheusSchema = () => section({
  endpoint: endpoint().describe('Where the page is shown, as /metrics.'),
  tls: serverTls(),
  namespace: z.string().describe('Stands before each name.').default(''),
  const_labels: z.record(z.string(), z.string()).default({})
    .describe('Labels that every series gets.'),
  send_timestamps: z.boolean().default(false)
    .describe('Say when each value was measured; otherwise it is of the moment of the scrape.'),
  metric_expiration: duration({ min: '1ms' }).prefault('5m')
    .describe('A series that was not heard of for so long is not shown any more.'),
  enable_open_metrics: z.boolean().default(false)
    .describe('Show OpenMetrics, with exemplars and start times, to who asks for it.'),
  add_metric_suffixes: z.boolean().describe('Add the unit and _total to names.').default(true),
  translation_strategy: z.string().superRefine((value, ctx) => {
    if (value in STRATEGIES) return;
    ctx.addIssue({ code: 'custom', message: 'is not supported', params: { hint: UTF8 } });
  }).optional().describe('UnderscoreEscapingWithSuffixes or …WithoutSuffixes; '
    + 'stands above add_metric_suffixes.'),
  without_scope_info: z.boolean().default(false)
    .describe('Leave out the labels otel_scope_….'),
  resource_to_telemetry_conversion: section({
    enabled: z.boolean().describe('All attributes of resources become labels.').default(false),
    exclude_service_attributes: z.boolean().default(false)
      .describe('Except those that are job and instance already.'),
  }).describe('Attributes of resources as labels.'),
  resource_constant_labels: optionalSection({
    included: patterns('Attributes of resources that become labels; * stands for anything.'),
    excluded: patterns('Those that do not.'),
  }).describe('Stands above resource_to_telemetry_conversion.'),
  auth: refusedKey('ask for a certificate with tls.client_ca_file'),
  cors: refusedKey('a page for Prometheus is not for browsers'),
  compression_algorithms: ignoredKey('gzip is spoken with who asks for it'),
  max_request_body_size: ignoredKey(SERVER),
  include_metadata: ignoredKey(SERVER),
  response_headers: refusedKey('put a proxy before it'),
  read_timeout: ignoredKey(SERVER),
  read_header_timeout: ignoredKey(SERVER),
  write_timeout: ignoredKey(SERVER),
  idle_timeout: ignoredKey(SERVER),
  keep_alives_enabled: ignoredKey(SERVER),
});

export type PrometheusConfig = z.output<ReturnType<typeof prometheusSchema>>;

/** Whether each strategy adds suffixes. */
export const STRATEGIES: Readonly<Record<string, boolean>> = {
  UnderscoreEscapingWithSuffixes: true,
  UnderscoreEscapingWithoutSuffixes: false,
};
