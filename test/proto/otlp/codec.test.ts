// The codec on bytes written by hand, for what random canonical requests never show: order and
// repetition of fields, packed and unpacked numbers, merging, depth, and every kind of breakage.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../../proto/contract/batch.ts';
import { decodeRequest, encodeRequest } from '../../../proto/otlp/codec.ts';
import { countItems } from '../../../proto/otlp/count.ts';
import type { AnyValue, LogsRequest, Metric, Signal, Span } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { EncodeError, Writer } from '../../../proto/protobuf/writer.ts';

const raw = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** Wraps content in message fields of these numbers, the last one outermost. */
function wrap(content: Uint8Array, ...fields: readonly number[]): Uint8Array {
  return fields.reduce((inner, field) => {
    const writer = new Writer();
    writer.varint32((field << 3) | 2);
    writer.blob(inner);
    return writer.finish();
  }, content);
}

const span = (hex: string): Span =>
  decodeRequest('traces', wrap(raw(hex), 2, 2, 1)).resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
const metric = (hex: string): Metric =>
  decodeRequest('metrics', wrap(raw(hex), 2, 2, 1))
    .resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
const body = (hex: string): AnyValue =>
  decodeRequest('logs', wrap(raw(hex), 5, 2, 2, 1))
    .resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.body!;

test('codec: fields in any order; of a scalar the last occurrence wins', () => {
  const { name, kind, status } = span('30 02  2a 01 62  30 03  2a 01 61');
  assert.deepEqual([name, kind, status], ['a', 3, undefined]);
});

test('codec: a message that is there twice is merged', () => {
  assert.deepEqual(span('7a 03 12 01 61  7a 02 18 02').status, { message: 'a', code: 2 });
  const resource = wrap(raw('0a 03 0a 01 61'), 1);
  const more = wrap(raw('0a 03 0a 01 62 10 05'), 1);
  const group = decodeRequest('logs', wrap(Buffer.concat([resource, more]), 1)).resourceLogs[0]!;
  assert.deepEqual(group.resource!.attributes.map(({ key }) => key), ['a', 'b']);
  assert.equal(group.resource!.droppedAttributesCount, 5);
  const list = body('2a 04 0a 02 10 01  2a 04 0a 02 10 00');
  assert.deepEqual(list.type === 'array' && list.value.map(({ value }) => value), [true, false]);
});

test('codec: of a oneof the last member wins', () => {
  assert.deepEqual(body('0a 01 61  18 07'), { type: 'int', value: 7n });
  assert.deepEqual(body('18 07  0a 01 61'), { type: 'string', value: 'a' });
  assert.deepEqual(body('2a 02 0a 00  32 00'), { type: 'kvlist', value: [] });
  assert.deepEqual(body(''), { type: 'empty', value: null });
  const check = (hex: string, type: string, points: number) => {
    const { data } = metric(hex);
    assert.deepEqual([data!.type, data!.dataPoints.length], [type, points]);
    assert.equal(countItems('metrics', wrap(raw(hex), 2, 2, 1)), points);
  };
  check('2a 02 0a 00  3a 04 0a 00 0a 00', 'sum', 2);
  check('3a 04 0a 00 0a 00  2a 02 0a 00', 'gauge', 1);
  check('2a 02 0a 00  2a 04 0a 00 0a 00', 'gauge', 3);
});

test('codec: repeated numbers packed and not', () => {
  const packed = '32 10 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00';
  const single = '31 03 00 00 00 00 00 00 00';
  const { data } = metric(Buffer.from(wrap(raw(packed + single), 1, 9)).toString('hex'));
  assert.ok(data?.type === 'histogram');
  assert.deepEqual(data.dataPoints[0]!.bucketCounts, [1n, 2n, 3n]);
  const buckets = Buffer.from(wrap(raw('12 03 01 ac 02  10 05'), 8, 1, 10)).toString('hex');
  const exponential = metric(buckets).data;
  assert.ok(exponential?.type === 'exponentialHistogram');
  assert.deepEqual(exponential.dataPoints[0]!.positive!.bucketCounts, [1n, 300n, 5n]);
});

test('codec: absence and default are told apart where that has a meaning', () => {
  const point = metric('4a 02 0a 00').data;
  assert.ok(point?.type === 'histogram');
  assert.deepEqual([point.dataPoints[0]!.sum, point.dataPoints[0]!.min], [undefined, undefined]);
  const zero = metric('4a 0b 0a 09 29 00 00 00 00 00 00 00 00').data;
  assert.ok(zero?.type === 'histogram');
  assert.equal(zero.dataPoints[0]!.sum, 0);
  assert.equal(metric('').data, undefined);
});

test('codec: unknown fields are skipped, also those that only profiles use', () => {
  assert.equal(span('2a 01 61  f8 07 01  a2 06 02 ff ff').name, 'a');
  assert.deepEqual(metric('2a 02 12 00').data, { type: 'gauge', dataPoints: [] });
  assert.throws(() => metric('3a 02 12 00'), DecodeError, 'a sum has a field 2, of another type');
  assert.deepEqual(body('40 05  0a 01 61  fa 07 00'), { type: 'string', value: 'a' });
});

test('codec: broken requests raise DecodeError', () => {
  const check = (signal: Signal, bytes: Uint8Array) =>
    assert.throws(() => decodeRequest(signal, bytes), DecodeError);
  const inSpan = ['28 01', '0a', '0a 05 61', '30', '39 00', '4b', '4c', '07', '00 00', '32 00'];
  for (const hex of inSpan) check('traces', wrap(raw(hex), 2, 2, 1));
  for (const hex of ['08 01', '0a 01', '0b', '0a ff ff ff ff 0f']) {
    for (const signal of ['traces', 'logs', 'metrics'] as const) {
      check(signal, raw(hex));
      assert.throws(() => countItems(signal, raw(hex)), DecodeError);
      assert.throws(() => Batch.fromBytes(signal, raw(hex)), DecodeError);
    }
  }
});

test('codec: depth is bounded alike in both directions', () => {
  const nested = (depth: number): LogsRequest => {
    let value: AnyValue = { type: 'bool', value: true };
    for (let level = 0; level < depth; level++) value = { type: 'array', value: [value] };
    return {
      resourceLogs: [{ resource: undefined, schemaUrl: '', scopeLogs: [{
        scope: undefined, schemaUrl: '', logRecords: [{
          timeUnixNano: 0n, observedTimeUnixNano: 0n, severityNumber: 0, severityText: '',
          body: value, attributes: [], droppedAttributesCount: 0, flags: 0, traceId: '',
          spanId: '', eventName: '',
        }],
      }] }],
    };
  };
  // Group, scope group, record and body are 4 messages; each array is 2.
  const request = nested(48);
  assert.deepEqual(decodeRequest('logs', encodeRequest('logs', request)), request);
  assert.throws(() => encodeRequest('logs', nested(49)), EncodeError);
  let bytes: Uint8Array = raw('');
  for (let level = 0; level < 97; level++) bytes = wrap(bytes, level % 2 === 0 ? 5 : 1);
  assert.throws(() => decodeRequest('logs', wrap(bytes, 5, 2, 2, 1)), DecodeError);
});

test('codec: repetition that asks for merging takes linear time', () => {
  const once = raw('2a 02 0a 00');
  const bytes = wrap(Buffer.concat(Array<Buffer>(100_000).fill(once)), 5, 2, 2, 1);
  const { body: value } = decodeRequest('logs', bytes).resourceLogs[0]!.scopeLogs[0]!
    .logRecords[0]!;
  assert.ok(value?.type === 'array' && value.value.length === 100_000);
});
