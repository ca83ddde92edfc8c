// From readings to OTLP, for receivers that read numbers by themselves. They make samples (a
// metric's name, a number, attributes); here these become metrics with the unit, kind and
// description that a table of definitions gives them.
//
// Invariants: a sample of a metric that is not enabled, and a sample whose value is not a finite
// number, leaves nothing behind; a metric without samples is not sent at all.

import type {
  Attributes, KeyValue, Metric, MetricData, NumberDataPoint, NumberValue, ResourceMetrics,
} from '../proto/otlp/model.ts';

export interface MetricDefinition {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** `counter`: a sum that only grows; `level`: a sum that goes up and down; `gauge`. */
  readonly kind: 'counter' | 'level' | 'gauge';
  /** Integers beyond 2^53 lose their last digits. */
  readonly value: 'int' | 'double';
  /** Whether it is sent when the configuration does not say. */
  readonly enabled: boolean;
}

export interface Sample {
  readonly metric: string;
  readonly value: number;
  readonly attributes: Attributes;
}

/** The samples of one resource, read at one moment. */
export interface Reading {
  /** Of the resource; empty for the host itself. */
  readonly resource: Attributes;
  /** When its counters began at 0: the boot of the host, or the start of a process. */
  readonly startNs: bigint;
  readonly timeNs: bigint;
  readonly samples: readonly Sample[];
}

/** What one scraper hands over. */
export interface Scrape {
  readonly readings: readonly Reading[];
  /** Sentences about what it could not read. */
  readonly problems: readonly string[];
  /** A sentence about what it may not read, which is as it should be for who is not root. */
  readonly hidden?: string;
}

export const NO_ATTRIBUTES: Attributes = [];

export function text(key: string, value: string): KeyValue {
  return { key, value: { type: 'string', value } };
}

export function int(key: string, value: number): KeyValue {
  return { key, value: { type: 'int', value: BigInt(value) } };
}

/** Two samples of the same metric whose one attribute differs: read and write, used and free. */
export function pair(
  metric: string,
  attributes: readonly [Attributes, Attributes],
  values: readonly [number, number],
): [Sample, Sample] {
  return [
    { metric, value: values[0], attributes: attributes[0] },
    { metric, value: values[1], attributes: attributes[1] },
  ];
}

/** Readings as OTLP; one entry for each that has a sample to send. */
export function toResourceMetrics(
  scopeName: string,
  readings: readonly Reading[],
  definitions: readonly MetricDefinition[],
): ResourceMetrics[] {
  const scope = { name: scopeName, version: '', attributes: [], droppedAttributesCount: 0 };
  return readings.flatMap((reading) => {
    const metrics = toMetrics(reading, definitions);
    if (metrics.length === 0) return [];
    return [{
      resource: { attributes: reading.resource, droppedAttributesCount: 0, entityRefs: [] },
      scopeMetrics: [{ scope, metrics, schemaUrl: '' }],
      schemaUrl: '',
    }];
  });
}

function toMetrics(reading: Reading, definitions: readonly MetricDefinition[]): Metric[] {
  const samples = new Map<string, Sample[]>();
  for (const sample of reading.samples) {
    if (!Number.isFinite(sample.value)) continue;
    const known = samples.get(sample.metric);
    if (known === undefined) samples.set(sample.metric, [sample]);
    else known.push(sample);
  }
  const metrics: Metric[] = [];
  for (const definition of definitions) {
    const own = samples.get(definition.name);
    if (own === undefined) continue;
    const { name, description, unit } = definition;
    metrics.push({ name, description, unit, metadata: [], data: toData(definition, own, reading) });
  }
  return metrics;
}

function toData(
  { kind, value }: MetricDefinition,
  samples: readonly Sample[],
  { startNs, timeNs }: Reading,
): MetricData {
  const startTimeUnixNano = kind === 'gauge' ? 0n : startNs;
  const dataPoints = samples.map((sample): NumberDataPoint => ({
    attributes: sample.attributes,
    startTimeUnixNano,
    timeUnixNano: timeNs,
    flags: 0,
    value: toValue(value, sample.value),
    exemplars: [],
  }));
  if (kind === 'gauge') return { type: 'gauge', dataPoints };
  return {
    type: 'sum', dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: kind === 'counter',
  };
}

const CUMULATIVE = 2;

function toValue(type: MetricDefinition['value'], value: number): NumberValue {
  return type === 'int' ? { type, value: BigInt(Math.round(value)) } : { type, value };
}
