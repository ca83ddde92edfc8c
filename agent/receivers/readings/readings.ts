// From readings to OTLP, for receivers that read numbers by themselves. They make samples (a
// metric's name, a number, attributes); here these become metrics with the unit, kind and
// description that a table of definitions gives them.
//
// Invariants: a sample of a metric that is not enabled, and a sample whose value is not a finite
// number, leaves nothing behind; a metric without samples is not sent at all.

import { Batch } from '../../../proto/contract/batch.ts';
import type { Attributes, KeyValue } from '../../../proto/otlp/model.ts';
import { encodeAttributes } from '../../../proto/otlp/value.ts';
import { Writer } from '../../../proto/protobuf/writer.ts';

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

/** What one part of a receiver has read. */
export interface ReadScope {
  /** Of the instrumentation scope. */
  readonly name: string;
  readonly readings: readonly Reading[];
  /** The metrics that are sent. */
  readonly definitions: readonly MetricDefinition[];
}

/**
 * Readings as batches of at most so many resources each. Those without attributes of the resource
 * are one resource, the host itself, with a scope each. Bytes are written at once: hundreds of
 * points that are read every few seconds need not become objects first.
 */
export function encodeReadings(
  scopes: readonly ReadScope[], resourcesMax: number,
): Batch<'metrics'>[] {
  const batches: Batch<'metrics'>[] = [];
  let writer = new Writer(BYTES_HINT);
  let resources = 0;
  const put = (resource: Attributes, write: () => boolean): void => {
    const { position, depth } = writer;
    const mark = writer.open((1 << 3) | 2, 3);
    const inner = writer.open((1 << 3) | 2, 2);
    encodeAttributes(writer, (1 << 3) | 2, resource);
    writer.close(inner);
    if (!write()) {
      writer.position = position;
      writer.depth = depth;
      return;
    }
    writer.close(mark);
    if (++resources < resourcesMax) return;
    batches.push(Batch.fromBytes('metrics', writer.finish()));
    writer = new Writer(BYTES_HINT);
    resources = 0;
  };
  const own = ({ resource }: Reading): boolean => resource.length === 0;
  put(NO_ATTRIBUTES, () => scopes.map((scope) => scope.readings.filter(own)
    .map((reading) => writeScope(writer, scope, reading)).includes(true)).includes(true));
  for (const scope of scopes) {
    for (const reading of scope.readings) {
      if (!own(reading)) put(reading.resource, () => writeScope(writer, scope, reading));
    }
  }
  if (resources > 0) batches.push(Batch.fromBytes('metrics', writer.finish()));
  return batches;
}

const BYTES_HINT = 32 * 1024;

/** ScopeMetrics of a reading; nothing, and false, when it has no sample to send. */
function writeScope(writer: Writer, { name, definitions }: ReadScope, reading: Reading): boolean {
  const { position, depth } = writer;
  const mark = writer.open((2 << 3) | 2, 3);
  const scope = writer.open((1 << 3) | 2, 1);
  writer.stringField((1 << 3) | 2, name);
  writer.close(scope);
  const empty = writer.position;
  for (const definition of definitions) writeMetric(writer, definition, reading);
  if (writer.position > empty) {
    writer.close(mark);
    return true;
  }
  writer.position = position;
  writer.depth = depth;
  return false;
}

function writeMetric(writer: Writer, definition: MetricDefinition, reading: Reading): void {
  const { name, kind, value } = definition;
  let mark = 0;
  let data = 0;
  for (const sample of reading.samples) {
    if (sample.metric !== name || !Number.isFinite(sample.value)) continue;
    if (mark === 0) {
      mark = writer.open((2 << 3) | 2, 2);
      const head = headOf(definition);
      writer.raw(head, 0, head.length);
      data = writer.open(((kind === 'gauge' ? GAUGE_FIELD : SUM_FIELD) << 3) | 2, 2);
    }
    const point = writer.open((1 << 3) | 2, 1);
    if (kind !== 'gauge') writer.fixed64Field((2 << 3) | 1, reading.startNs);
    writer.fixed64Field((3 << 3) | 1, reading.timeNs);
    if (value === 'double') {
      writer.varint32((4 << 3) | 1);
      writer.double(sample.value);
    } else {
      writer.varint32((6 << 3) | 1);
      writeWhole(writer, Math.round(sample.value));
    }
    encodeAttributes(writer, (7 << 3) | 2, sample.attributes);
    writer.close(point);
  }
  if (mark === 0) return;
  if (kind !== 'gauge') {
    writer.int32Field((2 << 3) | 0, CUMULATIVE);
    writer.boolField((3 << 3) | 0, kind === 'counter');
  }
  writer.close(data);
  writer.close(mark);
}

const GAUGE_FIELD = 5;
const SUM_FIELD = 7;
const CUMULATIVE = 2;

const heads = new WeakMap<MetricDefinition, Uint8Array>();

/** Name, description and unit, which never change. */
function headOf(definition: MetricDefinition): Uint8Array {
  const known = heads.get(definition);
  if (known !== undefined) return known;
  const writer = new Writer(256);
  writer.stringField((1 << 3) | 2, definition.name);
  writer.stringField((2 << 3) | 2, definition.description);
  writer.stringField((3 << 3) | 2, definition.unit);
  const head = writer.finish();
  heads.set(definition, head);
  return head;
}

const WORD = 2 ** 32;

/** sfixed64 of a number that is a whole one. */
function writeWhole(writer: Writer, value: number): void {
  if (value < 0 || value >= WORD * WORD) return writer.fixed64(BigInt(value));
  writer.fixed32(value % WORD);
  writer.fixed32(Math.floor(value / WORD));
}
