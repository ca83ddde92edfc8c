// Data points of the four kinds, their exemplars and buckets (metrics.proto), to and from protobuf.
// Repeated numbers are written packed and read packed or not.

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { Exemplar, ExponentialBuckets, ExponentialHistogramDataPoint } from './model.ts';
import type { HistogramDataPoint, KeyValue, NumberDataPoint, NumberValue } from './model.ts';
import type { QuantileValue, SummaryDataPoint } from './model.ts';
import { decodeKeyValue, encodeAttributes, NO_ATTRIBUTES } from './value.ts';

const NUMBER_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8);
const HISTOGRAM_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
const EXPONENTIAL_FIELDS = fieldBits(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
const SUMMARY_FIELDS = fieldBits(2, 3, 4, 5, 6, 7, 8);
const BUCKETS_FIELDS = fieldBits(1, 2);
const QUANTILE_FIELDS = fieldBits(1, 2);
const EXEMPLAR_FIELDS = fieldBits(2, 3, 4, 5, 6, 7);
const NO_EXEMPLARS: readonly Exemplar[] = [];
const NO_NUMBERS: readonly never[] = [];

export function decodeNumberPoint(reader: Reader): NumberDataPoint {
  const outer = reader.enter();
  let attributes: KeyValue[] | undefined;
  let startTimeUnixNano = 0n;
  let timeUnixNano = 0n;
  let flags = 0;
  let value: NumberValue | undefined;
  let exemplars: Exemplar[] | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (2 << 3) | 1: startTimeUnixNano = reader.fixed64(); break;
      case (3 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (4 << 3) | 1: value = { type: 'double', value: reader.double() }; break;
      case (5 << 3) | 2: (exemplars ??= []).push(decodeExemplar(reader)); break;
      case (6 << 3) | 1: value = { type: 'int', value: reader.sfixed64() }; break;
      case (7 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (8 << 3) | 0: flags = reader.varint32(); break;
      default: reader.skipUnknown(tag, NUMBER_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    attributes: attributes ?? NO_ATTRIBUTES,
    startTimeUnixNano,
    timeUnixNano,
    flags,
    value,
    exemplars: exemplars ?? NO_EXEMPLARS,
  };
}

export function decodeHistogramPoint(reader: Reader): HistogramDataPoint {
  const outer = reader.enter();
  let attributes: KeyValue[] | undefined;
  let startTimeUnixNano = 0n;
  let timeUnixNano = 0n;
  let flags = 0;
  let count = 0n;
  let sum: number | undefined;
  let bucketCounts: bigint[] | undefined;
  let explicitBounds: number[] | undefined;
  let exemplars: Exemplar[] | undefined;
  let min: number | undefined;
  let max: number | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (2 << 3) | 1: startTimeUnixNano = reader.fixed64(); break;
      case (3 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (4 << 3) | 1: count = reader.fixed64(); break;
      case (5 << 3) | 1: sum = reader.double(); break;
      case (6 << 3) | 1: (bucketCounts ??= []).push(reader.fixed64()); break;
      case (6 << 3) | 2: decodePackedFixed64(reader, (bucketCounts ??= [])); break;
      case (7 << 3) | 1: (explicitBounds ??= []).push(reader.double()); break;
      case (7 << 3) | 2: decodePackedDoubles(reader, (explicitBounds ??= [])); break;
      case (8 << 3) | 2: (exemplars ??= []).push(decodeExemplar(reader)); break;
      case (9 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (10 << 3) | 0: flags = reader.varint32(); break;
      case (11 << 3) | 1: min = reader.double(); break;
      case (12 << 3) | 1: max = reader.double(); break;
      default: reader.skipUnknown(tag, HISTOGRAM_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    attributes: attributes ?? NO_ATTRIBUTES,
    startTimeUnixNano,
    timeUnixNano,
    flags,
    count,
    sum,
    bucketCounts: bucketCounts ?? NO_NUMBERS,
    explicitBounds: explicitBounds ?? NO_NUMBERS,
    exemplars: exemplars ?? NO_EXEMPLARS,
    min,
    max,
  };
}

export function decodeExponentialPoint(reader: Reader): ExponentialHistogramDataPoint {
  const outer = reader.enter();
  let attributes: KeyValue[] | undefined;
  let startTimeUnixNano = 0n;
  let timeUnixNano = 0n;
  let flags = 0;
  let count = 0n;
  let sum: number | undefined;
  let scale = 0;
  let zeroCount = 0n;
  let positive: ExponentialBuckets | undefined;
  let negative: ExponentialBuckets | undefined;
  let exemplars: Exemplar[] | undefined;
  let min: number | undefined;
  let max: number | undefined;
  let zeroThreshold = 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (2 << 3) | 1: startTimeUnixNano = reader.fixed64(); break;
      case (3 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (4 << 3) | 1: count = reader.fixed64(); break;
      case (5 << 3) | 1: sum = reader.double(); break;
      case (6 << 3) | 0: scale = reader.sint32(); break;
      case (7 << 3) | 1: zeroCount = reader.fixed64(); break;
      case (8 << 3) | 2: positive = decodeBuckets(reader, positive); break;
      case (9 << 3) | 2: negative = decodeBuckets(reader, negative); break;
      case (10 << 3) | 0: flags = reader.varint32(); break;
      case (11 << 3) | 2: (exemplars ??= []).push(decodeExemplar(reader)); break;
      case (12 << 3) | 1: min = reader.double(); break;
      case (13 << 3) | 1: max = reader.double(); break;
      case (14 << 3) | 1: zeroThreshold = reader.double(); break;
      default: reader.skipUnknown(tag, EXPONENTIAL_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    attributes: attributes ?? NO_ATTRIBUTES,
    startTimeUnixNano,
    timeUnixNano,
    flags,
    count,
    sum,
    scale,
    zeroCount,
    positive,
    negative,
    exemplars: exemplars ?? NO_EXEMPLARS,
    min,
    max,
    zeroThreshold,
  };
}

export function decodeSummaryPoint(reader: Reader): SummaryDataPoint {
  const outer = reader.enter();
  let attributes: KeyValue[] | undefined;
  let startTimeUnixNano = 0n;
  let timeUnixNano = 0n;
  let flags = 0;
  let count = 0n;
  let sum = 0;
  const quantileValues: QuantileValue[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (2 << 3) | 1: startTimeUnixNano = reader.fixed64(); break;
      case (3 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (4 << 3) | 1: count = reader.fixed64(); break;
      case (5 << 3) | 1: sum = reader.double(); break;
      case (6 << 3) | 2: quantileValues.push(decodeQuantile(reader)); break;
      case (7 << 3) | 2: (attributes ??= []).push(decodeKeyValue(reader)); break;
      case (8 << 3) | 0: flags = reader.varint32(); break;
      default: reader.skipUnknown(tag, SUMMARY_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    attributes: attributes ?? NO_ATTRIBUTES,
    startTimeUnixNano,
    timeUnixNano,
    flags,
    count,
    sum,
    quantileValues,
  };
}

function decodeQuantile(reader: Reader): QuantileValue {
  const outer = reader.enter();
  let quantile = 0;
  let value = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 1)) quantile = reader.double();
    else if (tag === ((2 << 3) | 1)) value = reader.double();
    else reader.skipUnknown(tag, QUANTILE_FIELDS);
  }
  reader.leave(outer);
  return { quantile, value };
}

function decodeBuckets(
  reader: Reader,
  before: ExponentialBuckets | undefined,
): ExponentialBuckets {
  const outer = reader.enter();
  let offset = before?.offset ?? 0;
  const bucketCounts = (before?.bucketCounts ?? []) as bigint[];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 0)) offset = reader.sint32();
    else if (tag === ((2 << 3) | 0)) bucketCounts.push(reader.uint64());
    else if (tag === ((2 << 3) | 2)) decodePackedUint64(reader, bucketCounts);
    else reader.skipUnknown(tag, BUCKETS_FIELDS);
  }
  reader.leave(outer);
  return { offset, bucketCounts };
}

function decodeExemplar(reader: Reader): Exemplar {
  const outer = reader.enter();
  let filteredAttributes: KeyValue[] | undefined;
  let timeUnixNano = 0n;
  let value: NumberValue | undefined;
  let spanId = '';
  let traceId = '';
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (2 << 3) | 1: timeUnixNano = reader.fixed64(); break;
      case (3 << 3) | 1: value = { type: 'double', value: reader.double() }; break;
      case (4 << 3) | 2: spanId = reader.hex(); break;
      case (5 << 3) | 2: traceId = reader.hex(); break;
      case (6 << 3) | 1: value = { type: 'int', value: reader.sfixed64() }; break;
      case (7 << 3) | 2: (filteredAttributes ??= []).push(decodeKeyValue(reader)); break;
      default: reader.skipUnknown(tag, EXEMPLAR_FIELDS);
    }
  }
  reader.leave(outer);
  return {
    filteredAttributes: filteredAttributes ?? NO_ATTRIBUTES,
    timeUnixNano,
    value,
    spanId,
    traceId,
  };
}

function decodePackedFixed64(reader: Reader, numbers: bigint[]): void {
  const outer = reader.enter();
  while (reader.more()) numbers.push(reader.fixed64());
  reader.leave(outer);
}

function decodePackedUint64(reader: Reader, numbers: bigint[]): void {
  const outer = reader.enter();
  while (reader.more()) numbers.push(reader.uint64());
  reader.leave(outer);
}

function decodePackedDoubles(reader: Reader, numbers: number[]): void {
  const outer = reader.enter();
  while (reader.more()) numbers.push(reader.double());
  reader.leave(outer);
}

/** Writes a data point as field 1 of Gauge or Sum. */
export function encodeNumberPoint(writer: Writer, point: NumberDataPoint): void {
  const mark = writer.open((1 << 3) | 2, 1);
  writer.fixed64Field((2 << 3) | 1, point.startTimeUnixNano);
  writer.fixed64Field((3 << 3) | 1, point.timeUnixNano);
  encodeDouble(writer, (4 << 3) | 1, point.value);
  encodeExemplars(writer, (5 << 3) | 2, point.exemplars);
  encodeInt(writer, (6 << 3) | 1, point.value);
  encodeAttributes(writer, (7 << 3) | 2, point.attributes);
  writer.uint32Field((8 << 3) | 0, point.flags);
  writer.close(mark);
}

/** Writes a data point as field 1 of Histogram. */
export function encodeHistogramPoint(writer: Writer, point: HistogramDataPoint): void {
  const mark = writer.open((1 << 3) | 2, 2);
  writer.fixed64Field((2 << 3) | 1, point.startTimeUnixNano);
  writer.fixed64Field((3 << 3) | 1, point.timeUnixNano);
  writer.fixed64Field((4 << 3) | 1, point.count);
  writer.optionalDouble((5 << 3) | 1, point.sum);
  encodePackedFixed64(writer, (6 << 3) | 2, point.bucketCounts);
  encodePackedDoubles(writer, (7 << 3) | 2, point.explicitBounds);
  encodeExemplars(writer, (8 << 3) | 2, point.exemplars);
  encodeAttributes(writer, (9 << 3) | 2, point.attributes);
  writer.uint32Field((10 << 3) | 0, point.flags);
  writer.optionalDouble((11 << 3) | 1, point.min);
  writer.optionalDouble((12 << 3) | 1, point.max);
  writer.close(mark);
}

/** Writes a data point as field 1 of ExponentialHistogram. */
export function encodeExponentialPoint(
  writer: Writer,
  point: ExponentialHistogramDataPoint,
): void {
  const mark = writer.open((1 << 3) | 2, 2);
  encodeAttributes(writer, (1 << 3) | 2, point.attributes);
  writer.fixed64Field((2 << 3) | 1, point.startTimeUnixNano);
  writer.fixed64Field((3 << 3) | 1, point.timeUnixNano);
  writer.fixed64Field((4 << 3) | 1, point.count);
  writer.optionalDouble((5 << 3) | 1, point.sum);
  writer.sint32Field((6 << 3) | 0, point.scale);
  writer.fixed64Field((7 << 3) | 1, point.zeroCount);
  if (point.positive !== undefined) encodeBuckets(writer, (8 << 3) | 2, point.positive);
  if (point.negative !== undefined) encodeBuckets(writer, (9 << 3) | 2, point.negative);
  writer.uint32Field((10 << 3) | 0, point.flags);
  encodeExemplars(writer, (11 << 3) | 2, point.exemplars);
  writer.optionalDouble((12 << 3) | 1, point.min);
  writer.optionalDouble((13 << 3) | 1, point.max);
  writer.doubleField((14 << 3) | 1, point.zeroThreshold);
  writer.close(mark);
}

/** Writes a data point as field 1 of Summary. */
export function encodeSummaryPoint(writer: Writer, point: SummaryDataPoint): void {
  const mark = writer.open((1 << 3) | 2, 1);
  writer.fixed64Field((2 << 3) | 1, point.startTimeUnixNano);
  writer.fixed64Field((3 << 3) | 1, point.timeUnixNano);
  writer.fixed64Field((4 << 3) | 1, point.count);
  writer.doubleField((5 << 3) | 1, point.sum);
  for (const { quantile, value } of point.quantileValues) {
    const inner = writer.open((6 << 3) | 2, 1);
    writer.doubleField((1 << 3) | 1, quantile);
    writer.doubleField((2 << 3) | 1, value);
    writer.close(inner);
  }
  encodeAttributes(writer, (7 << 3) | 2, point.attributes);
  writer.uint32Field((8 << 3) | 0, point.flags);
  writer.close(mark);
}

function encodeBuckets(writer: Writer, tag: number, buckets: ExponentialBuckets): void {
  const mark = writer.open(tag, 1);
  writer.sint32Field((1 << 3) | 0, buckets.offset);
  if (buckets.bucketCounts.length > 0) {
    const inner = writer.open((2 << 3) | 2, 1);
    for (const count of buckets.bucketCounts) writer.varint64(count);
    writer.close(inner);
  }
  writer.close(mark);
}

function encodeExemplars(writer: Writer, tag: number, exemplars: readonly Exemplar[]): void {
  for (const exemplar of exemplars) {
    const mark = writer.open(tag, 1);
    writer.fixed64Field((2 << 3) | 1, exemplar.timeUnixNano);
    encodeDouble(writer, (3 << 3) | 1, exemplar.value);
    writer.hexField((4 << 3) | 2, exemplar.spanId);
    writer.hexField((5 << 3) | 2, exemplar.traceId);
    encodeInt(writer, (6 << 3) | 1, exemplar.value);
    encodeAttributes(writer, (7 << 3) | 2, exemplar.filteredAttributes);
    writer.close(mark);
  }
}

function encodeDouble(writer: Writer, tag: number, value: NumberValue | undefined): void {
  if (value?.type === 'double') writer.optionalDouble(tag, value.value);
}

function encodeInt(writer: Writer, tag: number, value: NumberValue | undefined): void {
  if (value?.type !== 'int') return;
  writer.varint32(tag);
  writer.fixed64(value.value);
}

function encodePackedFixed64(writer: Writer, tag: number, numbers: readonly bigint[]): void {
  if (numbers.length === 0) return;
  writer.varint32(tag);
  writer.varint32(numbers.length * 8);
  for (const number of numbers) writer.fixed64(number);
}

function encodePackedDoubles(writer: Writer, tag: number, numbers: readonly number[]): void {
  if (numbers.length === 0) return;
  writer.varint32(tag);
  writer.varint32(numbers.length * 8);
  for (const number of numbers) writer.double(number);
}
