// What a person writes under `receivers.prometheus`: the Collector's keys around Prometheus's own
// `global` and `scrape_configs`.
//
//     prometheus:
//       config:
//         scrape_configs:
//           - job_name: node
//             scrape_interval: 15s
//             static_configs:
//               - targets: [localhost:9100]
//             metric_relabel_configs:
//               - { source_labels: [__name__], regex: go_.*, action: drop }
//
// `${…}` is filled in as everywhere, so a `$` of Prometheus is written `$$`.

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import {
  byteSize, count, duration, fault, ignoredKey, refusedKey, section, strictObject,
} from '../../../config/schema.ts';
import { checkClient, clientShape } from './client_config.ts';
import { relabelRules } from './relabel.ts';

const PROTOCOLS = ['OpenMetricsText1.0.0', 'OpenMetricsText0.0.1', 'PrometheusText1.0.0',
  'PrometheusText0.0.4', 'PrometheusProto'] as const;

const SD_HINT = 'list the targets with static_configs, file_sd_configs, http_sd_configs or '
  + 'dns_sd_configs';
const SD_NOT_HERE = ['azure', 'consul', 'digitalocean', 'docker', 'dockerswarm', 'ec2', 'eureka',
  'gce', 'hetzner', 'ionos', 'kubernetes', 'kuma', 'lightsail', 'linode', 'marathon', 'nerve',
  'nomad', 'openstack', 'ovhcloud', 'puppetdb', 'scaleway', 'serverset', 'stackit', 'triton',
  'uyuni', 'vultr'];
const NATIVE = 'native histograms come in protobuf only; text is read';
const STORE = 'what is read goes on through the pipelines';

/** Prometheus counts `MB` in powers of 1024. */
const binarySize = () => z.preprocess((value) => (typeof value === 'string'
  ? value.replace(/([KMGT])B$/i, '$1iB') : value), byteSize());

const labels = (description: string) =>
  z.record(z.string(), z.string()).describe(description).default({});

const protocols = () => z.array(z.enum(PROTOCOLS)).min(1)
  .describe('What is asked for, most wanted first; PrometheusProto is passed over.');

/** Keys that `global` has, too; one that is absent here has the value from there. */
const limitShape = () => ({
  body_size_limit: binarySize().optional().describe('Bytes of a page; 0: 64 MiB.'),
  sample_limit: count().optional().describe('Samples that may be left of a page; 0: any number.'),
  label_limit: count().optional().describe('Labels of a series; 0: any number.'),
  label_name_length_limit: count().optional().describe('Bytes of a label name; 0: any.'),
  label_value_length_limit: count().optional().describe('Bytes of a label value; 0: any.'),
  target_limit: count().optional().describe('Targets of the job; more are not asked. 0: 10000.'),
  keep_dropped_targets: ignoredKey('dropped targets are not kept'),
  metric_name_validation_scheme: z.enum(['utf8', 'legacy']).optional()
    .describe('Whether names may hold any character; legacy fails pages with other names.'),
  metric_name_escaping_scheme: refusedKey('names come as the target writes them'),
  scrape_native_histograms: refusedKey(NATIVE),
  scrape_classic_histograms: ignoredKey(NATIVE),
  always_scrape_classic_histograms: ignoredKey(NATIVE),
  convert_classic_histograms_to_nhcb: refusedKey(NATIVE),
});

const GROUP = () => strictObject({
  targets: z.array(z.string()).describe('host:port of each.').default([]),
  labels: labels('Labels that all of them get.'),
});

const discoveryShape = () => ({
  static_configs: z.array(GROUP()).describe('Targets by name.').default([]),
  file_sd_configs: z.array(strictObject({
    files: z.array(z.string().regex(/\.(json|ya?ml)$/, 'must end in .json, .yml or .yaml')).min(1)
      .describe('Lists of targets; the last part of a path may be a glob.'),
    refresh_interval: duration({ min: '1ms' }).describe('Files are looked at every 5s, or this.')
      .prefault('5m'),
  })).describe('Targets from files; a change is seen within seconds.').default([]),
  http_sd_configs: z.array(strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('A page with a list of targets as JSON.'),
    refresh_interval: duration({ min: '1ms' }).describe('Time between two requests.')
      .prefault('60s'),
    ...clientShape(),
  }).superRefine(checkClient)).describe('Targets from a URL.').default([]),
  dns_sd_configs: z.array(strictObject({
    names: z.array(z.string()).min(1).describe('Names to look up.'),
    type: z.enum(['SRV', 'A', 'AAAA', 'MX', 'NS']).describe('The kind of record.').default('SRV'),
    port: count({ max: 65_535 }).optional().describe('The port; SRV brings its own.'),
    refresh_interval: duration({ min: '1ms' }).describe('Time between two look-ups.')
      .prefault('30s'),
  }).superRefine(({ type, port }, ctx) => {
    if (type !== 'SRV' && port === undefined) fault(ctx, `${type} needs port`, '', ['port']);
  })).describe('Targets from DNS.').default([]),
  ...Object.fromEntries(SD_NOT_HERE.map((name) => [`${name}_sd_configs`, refusedKey(SD_HINT)])),
});

const scrapeConfig = () => strictObject({
  job_name: z.string().min(1).describe('The label job of all its targets.'),
  scrape_interval: duration({ min: '1ms' }).optional().describe('Time between two scrapes.'),
  scrape_timeout: duration({ min: '1ms' }).optional().describe('Time for one.'),
  scrape_protocols: protocols().optional(),
  fallback_scrape_protocol: z.enum(PROTOCOLS).optional()
    .describe('What a page is that does not say; text 0.0.4 unless given.'),
  scrape_failure_log_file: refusedKey('failures are in the log of the agent'),
  extra_scrape_metrics: z.boolean().optional().describe('As report_extra_scrape_metrics.'),
  honor_labels: z.boolean().default(false)
    .describe('Labels of the page win over those of the target.'),
  honor_timestamps: z.boolean().describe('Timestamps of the page are taken.').default(true),
  track_timestamps_staleness: z.boolean().default(false)
    .describe('Series with timestamps of their own are marked, too, when they go away.'),
  metrics_path: z.string().describe('The path of the page.').default('/metrics'),
  scheme: z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value),
    z.enum(['http', 'https'])).describe('http or https.').default('http'),
  params: z.record(z.string(), z.array(z.string())).default({})
    .describe('Parameters of the URL.'),
  enable_compression: z.boolean().describe('Ask for gzip.').default(true),
  ...clientShape(),
  ...limitShape(),
  native_histogram_bucket_limit: ignoredKey(NATIVE),
  native_histogram_min_bucket_factor: ignoredKey(NATIVE),
  ...discoveryShape(),
  relabel_configs: relabelRules('Rules for the labels of targets.'),
  metric_relabel_configs: relabelRules('Rules for the labels of series.'),
}).superRefine((value, ctx) => {
  checkClient(value, ctx);
  const { scrape_interval: interval, scrape_timeout: timeout } = value;
  if (interval !== undefined && timeout !== undefined && timeout > interval) {
    fault(ctx, 'is longer than scrape_interval', '', ['scrape_timeout']);
  }
});

const globalShape = () => ({
  scrape_interval: duration({ min: '1ms' }).describe('Time between two scrapes.').prefault('1m'),
  scrape_timeout: duration({ min: '1ms' }).optional()
    .describe('Time for one; 10s, or the interval when that is shorter.'),
  scrape_protocols: protocols()
    .default(['OpenMetricsText1.0.0', 'OpenMetricsText0.0.1', 'PrometheusText0.0.4']),
  external_labels: labels('Labels that every series gets.'),
  extra_scrape_metrics: z.boolean().optional().describe('As report_extra_scrape_metrics.'),
  ...limitShape(),
  evaluation_interval: ignoredKey('rules belong to the backend'),
  rule_query_offset: ignoredKey('rules belong to the backend'),
  query_log_file: ignoredKey('queries belong to the backend'),
  scrape_failure_log_file: refusedKey('failures are in the log of the agent'),
});

const scrapeConfigs = () => z.array(scrapeConfig()).min(1)
  .describe('What is scraped, as Prometheus writes it.')
  .superRefine((jobs, ctx) => {
    const known = new Set<string>();
    for (const [index, { job_name: name }] of jobs.entries()) {
      if (known.has(name)) fault(ctx, 'is the name of another job', '', [index, 'job_name']);
      known.add(name);
    }
  });

export const prometheusSchema = () => section({
  config: strictObject({
    global: section(globalShape()).describe('What holds for all jobs that do not say else.'),
    scrape_configs: scrapeConfigs(),
    scrape_config_files: refusedKey('write the jobs under scrape_configs'),
    rule_files: refusedKey('rules belong to the backend'),
    alerting: refusedKey('alerts belong to the backend'),
    remote_write: refusedKey(STORE),
    remote_read: refusedKey(STORE),
    storage: refusedKey(STORE),
    tracing: refusedKey('the agent makes no spans about itself'),
    otlp: refusedKey('use the receiver otlp'),
    runtime: ignoredKey('it is for Go'),
  }).describe("Prometheus's configuration."),
  trim_metric_suffixes: z.boolean().default(false)
    .describe('Take units and _total from the ends of names.'),
  use_start_time_metric: z.boolean().default(false)
    .describe('Sums begin when process_start_time_seconds of their page says.'),
  start_time_metric_regex: pattern().optional()
    .describe('The name of that metric; process_start_time_seconds with anything before it.'),
  report_extra_scrape_metrics: z.boolean().default(false)
    .describe('Also scrape_timeout_seconds, scrape_sample_limit, scrape_body_size_bytes.'),
  target_allocator: refusedKey(SD_HINT),
  api_server: refusedKey('counters of each target are under service.telemetry.metrics'),
});

export type PrometheusConfig = z.output<ReturnType<typeof prometheusSchema>>;
export type ScrapeConfig = PrometheusConfig['config']['scrape_configs'][number];
export type TargetGroup = z.output<ReturnType<typeof GROUP>>;
