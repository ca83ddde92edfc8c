// What holds for all targets of one scrape configuration: its own settings, or those of `global`
// where it has none.

import { isUtf8 } from 'node:buffer';
import type { PageFormat } from '../../../proto/prometheus/text.ts';
import type { PrometheusConfig, ScrapeConfig } from './config.ts';
import { compileRelabelling } from './relabel.ts';
import type { TableOptions } from './series_table.ts';
import type { TargetOptions } from './targets.ts';

export const limits = {
  /** Bytes of a page where body_size_limit says nothing; a larger one fails. */
  pageBytes: 64 * 1024 * 1024,
  /** Targets of a job where target_limit says nothing; more are not asked. */
  targets: 10_000,
} as const;

export interface Job {
  readonly name: string;
  readonly config: ScrapeConfig;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytesMax: number;
  readonly targetsMax: number;
  readonly target: TargetOptions;
  /** All but what belongs to a target. */
  readonly table: Omit<TableOptions, 'labels' | 'scheme'>;
  /** Tell of timeout, limit and size, too. */
  readonly extra: boolean;
  /** What a page is that does not say. */
  readonly fallback: PageFormat;
}

export function createJob(config: ScrapeConfig, receiver: PrometheusConfig): Job {
  const { global } = receiver.config;
  const intervalMs = config.scrape_interval ?? global.scrape_interval;
  const timeoutMs = config.scrape_timeout ?? global.scrape_timeout ?? TIMEOUT_MS;
  const limitOf = (key: LimitKey): number => config[key] ?? global[key] ?? 0;
  return {
    name: config.job_name,
    config,
    headers: {
      accept: acceptOf(config.scrape_protocols ?? global.scrape_protocols),
      'user-agent': 'binnacle-agent',
      'x-prometheus-scrape-timeout-seconds': String(Math.min(timeoutMs, intervalMs) / 1000),
      ...(config.enable_compression ? { 'accept-encoding': 'gzip' } : {}),
    },
    bytesMax: limitOf('body_size_limit') || limits.pageBytes,
    targetsMax: limitOf('target_limit') || limits.targets,
    target: {
      job: config.job_name,
      scheme: config.scheme,
      path: config.metrics_path,
      params: config.params,
      intervalMs,
      timeoutMs: Math.min(timeoutMs, intervalMs),
      relabel: compileRelabelling(config.relabel_configs),
    },
    table: tableOf(config, receiver, limitOf),
    extra: config.extra_scrape_metrics ?? global.extra_scrape_metrics
      ?? receiver.report_extra_scrape_metrics,
    fallback: config.fallback_scrape_protocol?.startsWith('OpenMetrics') ? 'openmetrics' : 'text',
  };
}

const TIMEOUT_MS = 10_000;

type LimitKey = 'body_size_limit' | 'sample_limit' | 'label_limit' | 'label_name_length_limit'
  | 'label_value_length_limit' | 'target_limit';

const START_METRIC = '^(?:.+_)?process_start_time_seconds$';

function tableOf(
  config: ScrapeConfig,
  receiver: PrometheusConfig,
  limitOf: (key: LimitKey) => number,
): Job['table'] {
  const { global } = receiver.config;
  const scheme = config.metric_name_validation_scheme ?? global.metric_name_validation_scheme;
  const { start_time_metric_regex: written } = receiver;
  return {
    externalLabels: global.external_labels,
    honorLabels: config.honor_labels,
    honorTimestamps: config.honor_timestamps,
    trackTimestamps: config.track_timestamps_staleness,
    legacyNames: scheme === 'legacy',
    trimSuffixes: receiver.trim_metric_suffixes,
    startMetric: receiver.use_start_time_metric ? written ?? new RegExp(START_METRIC) : null,
    limits: {
      labels: limitOf('label_limit'),
      nameBytes: limitOf('label_name_length_limit'),
      valueBytes: limitOf('label_value_length_limit'),
    },
    sampleLimit: limitOf('sample_limit'),
    relabel: compileRelabelling(config.metric_relabel_configs),
  };
}

const MEDIA: Readonly<Record<string, string>> = {
  'OpenMetricsText1.0.0': 'application/openmetrics-text;version=1.0.0',
  'OpenMetricsText0.0.1': 'application/openmetrics-text;version=0.0.1',
  'PrometheusText1.0.0': 'text/plain;version=1.0.0',
  'PrometheusText0.0.4': 'text/plain;version=0.0.4',
};

/** Each less wanted than the one before, and anything else least of all. */
function acceptOf(protocols: readonly string[]): string {
  const wanted = protocols.flatMap((one) => MEDIA[one] ?? []);
  const known = wanted.length > 0 ? wanted : [MEDIA['PrometheusText0.0.4']!];
  const parts = known.map((media, index) => `${media};q=0.${Math.max(2, 6 - index)}`);
  return [...parts, '*/*;q=0.1'].join(',');
}

/** The format that a Content-Type names; null for one that cannot be read. */
export function formatOf(contentType: string, fallback: PageFormat): PageFormat | null {
  const [type = '', ...parameters] = contentType.toLowerCase().split(';').map((one) => one.trim());
  if (type === 'application/openmetrics-text') return 'openmetrics';
  if (type === 'text/plain') return 'text';
  if (type === 'application/vnd.google.protobuf' || parameters.includes('encoding=delimited')) {
    return null;
  }
  return fallback;
}

/** Null when the bytes are not UTF-8. */
export function pageText(body: Buffer): string | null {
  return isUtf8(body) ? body.toString() : null;
}
