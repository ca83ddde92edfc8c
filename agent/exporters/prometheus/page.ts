// The page that Prometheus reads: text 0.0.4, or OpenMetrics 1.0 with exemplars, start times
// (`_created`), units and an end mark.
//
//   # HELP name …            # TYPE name counter
//   name_total{a="1"} 5 [timestamp] [# {trace_id="…"} 0.5 timestamp]

import type { Exemplar } from '../../../proto/otlp/model.ts';
import type { PageFormat } from '../../../proto/prometheus/text.ts';
import { labelName } from '../../../proto/prometheus/names.ts';
import { escapeValue } from './labels.ts';
import type { Family, Series } from './store.ts';
import { numberOf, type HistogramSeries, type SummarySeries } from './values.ts';

export const limits = {
  /** Characters of the labels of an exemplar (OpenMetrics 1.0); what is beyond is left out. */
  exemplarChars: 128,
} as const;

export const CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export interface PageOptions {
  readonly format: PageFormat;
  readonly timestamps: boolean;
}

export function writePage(families: readonly Family[], options: PageOptions): string {
  const parts = families.map((family) => familyText(family, options));
  if (options.format === 'openmetrics') parts.push('# EOF\n');
  return parts.join('');
}

function familyText(family: Family, options: PageOptions): string {
  const open = options.format === 'openmetrics';
  const { type } = family;
  const name = open ? openName(family) : family.name;
  const written = open ? openType(family) : type === 'unknown' ? 'untyped' : textType(type);
  const lines = [`# TYPE ${name} ${written}\n`];
  if (open && family.unit !== '' && name.endsWith(`_${family.unit}`)) {
    lines.push(`# UNIT ${name} ${family.unit}\n`);
  }
  if (family.help !== '') {
    const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
    lines.push(`# HELP ${name} ${open ? help.replaceAll('"', '\\"') : help}\n`);
  }
  for (const series of family.series.values()) seriesLines(family, name, series, options, lines);
  return lines.join('');
}

const textType = (type: Family['type']): string =>
  (type === 'info' || type === 'stateset' ? 'gauge' : type);

/** OpenMetrics names families without the ends of their samples. */
function openName({ name, type }: Head): string {
  if (type === 'counter') return name.replace(/_total$/, '');
  return openType({ name, type }) === 'info' ? name.replace(/_info$/, '') : name;
}

type Head = Pick<Family, 'name' | 'type'>;

function openType({ name, type }: Head): string {
  if (type === 'info') return name.endsWith('_info') ? 'info' : 'gauge';
  // A state set needs a label of its own name, which may not have come through.
  return type === 'stateset' ? 'gauge' : type;
}

function seriesLines(
  { name, type }: Family,
  base: string,
  series: Series,
  options: PageOptions,
  lines: string[],
): void {
  const open = options.format === 'openmetrics';
  const time = options.timestamps ? ` ${timeText(series.timeNs, options.format)}` : '';
  const sample = (suffixed: string, labels: string, value: string, exemplar = '') =>
    void lines.push(`${suffixed}${braced(labels)} ${value}${time}${exemplar}\n`);
  const { value, labels } = series;
  switch (value.kind) {
    case 'number': {
      const exemplar = open && type === 'counter' ? exemplarText(value.exemplars.at(-1)) : '';
      const suffixed = open && type === 'counter' ? `${base}_total` : name;
      sample(suffixed, labels, numberText(value.value), exemplar);
      break;
    }
    case 'histogram': histogramLines(base, labels, value, open, sample); break;
    case 'summary': summaryLines(base, labels, value, open, sample);
  }
  const created = open && series.startNs > 0n && CREATED.has(type);
  if (created) {
    lines.push(`${base}_created${braced(labels)} ${timeText(series.startNs, 'openmetrics')}\n`);
  }
}

const braced = (labels: string): string => (labels === '' ? '' : `{${labels}}`);

const CREATED = new Set(['counter', 'histogram', 'summary']);

type Sample = (name: string, labels: string, value: string, exemplar?: string) => void;

function histogramLines(
  name: string,
  labels: string,
  { bounds, counts, count, sum, exemplars }: HistogramSeries,
  open: boolean,
  sample: Sample,
): void {
  const front = labels === '' ? '' : `${labels},`;
  let below = 0;
  let above = -Infinity;
  for (const [index, own] of counts.entries()) {
    const bound = bounds[index] ?? Infinity;
    below += own;
    const from = above;
    const fitting = open ? exemplars.findLast((one) =>
      exemplarValue(one) > from && exemplarValue(one) <= bound) : undefined;
    const shown = index === counts.length - 1 ? count : below;
    sample(`${name}_bucket`, `${front}le="${boundText(bound, open)}"`, String(shown),
      exemplarText(fitting));
    above = bound;
  }
  // A histogram of numbers below 0 has a sum that may fall, which is left out where it is unknown.
  if (!Number.isNaN(sum)) sample(`${name}_sum`, labels, numberText(sum));
  sample(`${name}_count`, labels, String(count));
}

function summaryLines(
  name: string,
  labels: string,
  { quantiles, count, sum }: SummarySeries,
  open: boolean,
  sample: Sample,
): void {
  const front = labels === '' ? '' : `${labels},`;
  for (const { quantile, value } of quantiles) {
    sample(name, `${front}quantile="${boundText(quantile, open)}"`, numberText(value));
  }
  sample(`${name}_sum`, labels, numberText(sum));
  sample(`${name}_count`, labels, String(count));
}

const exemplarValue = ({ value }: Exemplar): number =>
  (value === undefined ? NaN : numberOf(value));

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined || exemplar.value === undefined) return '';
  const pairs: [string, string][] = [];
  if (exemplar.traceId !== '') pairs.push(['trace_id', exemplar.traceId]);
  if (exemplar.spanId !== '') pairs.push(['span_id', exemplar.spanId]);
  for (const { key, value } of exemplar.filteredAttributes) {
    if (value.type === 'string') pairs.push([labelName(key), value.value]);
  }
  let chars = 0;
  const seen = new Set<string>();
  const shown = pairs.filter(([name, value]) => {
    if (seen.has(name)) return false;
    chars += name.length + value.length;
    return chars <= limits.exemplarChars && seen.add(name);
  });
  const labels = shown.map(([name, value]) => `${name}="${escapeValue(value)}"`).join(',');
  const time = exemplar.timeUnixNano > 0n
    ? ` ${timeText(exemplar.timeUnixNano, 'openmetrics')}` : '';
  return ` # {${labels}} ${numberText(exemplarValue(exemplar))}${time}`;
}

/** Milliseconds, or seconds with up to nine digits. */
function timeText(ns: bigint, format: PageFormat): string {
  if (format === 'text') return String(ns / 1_000_000n);
  const rest = String(ns % 1_000_000_000n).padStart(9, '0').replace(/0+$/, '');
  return `${ns / 1_000_000_000n}.${rest === '' ? '0' : rest}`;
}

/** In OpenMetrics bounds always look like floats. */
function boundText(bound: number, open: boolean): string {
  const text = numberText(bound);
  return open && /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
