// OTLP/JSON by the rules J1 to J8 of OTLP 1.11 ("JSON Protobuf Encoding"), each by examples, and
// against the protobuf codec on random requests: both encodings give back the same request.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRequest, encodeRequest } from '../../../proto/otlp/codec.ts';
import { requestFromJson, requestToJson } from '../../../proto/otlp/json.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import type { AnyValue, LogRecord, NumberValue, Span } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { generateRequest, seededRandom } from '../generate.ts';

const span = (fields: string): Span =>
  requestFromJson('traces', `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`)
    .resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
const record = (fields: string): LogRecord =>
  requestFromJson('logs', `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${fields}}]}]}]}`)
    .resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
const body = (json: string): AnyValue => record(`"body":${json}`).body!;
const point = (fields: string): NumberValue | undefined => {
  const metric = `{"gauge":{"dataPoints":[{${fields}}]}}`;
  const { data } = requestFromJson('metrics',
    `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[${metric}]}]}]}`)
    .resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
  return data?.type === 'gauge' ? data.dataPoints[0]!.value : undefined;
};
const refuses = (read: () => unknown, path?: string) =>
  assert.throws(read, (error) =>
    error instanceof DecodeError && (path === undefined || error.path?.endsWith(path) === true));

for (const signal of SIGNALS) {
  test(`JSON: ${signal} come back, and equal what protobuf gives`, () => {
    for (let seed = 1; seed <= 100; seed++) {
      const request = generateRequest(signal, seededRandom(seed));
      const json = requestToJson(signal, request);
      assert.deepEqual(requestFromJson(signal, json), request, `seed ${seed}`);
      assert.deepEqual(requestFromJson(signal, Buffer.from(json)), request, `seed ${seed}`);
      const viaBytes = decodeRequest(signal, encodeRequest(signal, request));
      assert.equal(requestToJson(signal, viaBytes), json, `seed ${seed}`);
    }
  });
}

test('JSON J1: ids are hexadecimal of any case in, lower case out; other bytes are base64', () => {
  const one = span('"traceId":"5B8EFFF798038103D269B633813FC60C","links":[{"spanId":"aB"}]');
  assert.equal(one.traceId, '5b8efff798038103d269b633813fc60c');
  assert.equal(one.links[0]!.spanId, 'ab');
  assert.deepEqual(body('{"bytesValue":"+/8="}').value, new Uint8Array([0xfb, 0xff]));
  assert.deepEqual(body('{"bytesValue":"-_8"}').value, new Uint8Array([0xfb, 0xff]));
  refuses(() => span('"traceId":"W47/95gDgQPSabYzgT/GDA=="'), 'spans[0].traceId');
  refuses(() => span('"spanId":"abc"'), 'spans[0].spanId');
  refuses(() => span('"spanId":12'), 'spanId');
  refuses(() => body('{"bytesValue":"a b"}'), 'body.bytesValue');
});

test('JSON J2: enums are integers, never names', () => {
  assert.equal(span('"kind":2').kind, 2);
  assert.equal(span('"kind":99').kind, 99, 'unknown numbers are kept');
  refuses(() => span('"kind":"SPAN_KIND_SERVER"'), 'spans[0].kind');
  refuses(() => span('"kind":"2"'));
  refuses(() => span('"kind":1.5'));
  refuses(() => span('"status":{"code":"STATUS_CODE_OK"}'), 'status.code');
});

test('JSON J3, J4: keys are lowerCamelCase; unknown fields are ignored at any depth', () => {
  const { traceId, name } = span('"trace_id":"ab","name":"a","x":{"y":[1,{"z":null}]}');
  assert.deepEqual([traceId, name], ['', 'a']);
  assert.deepEqual(requestFromJson('traces', '{"resource_spans":[{}],"x":[[]]}'),
    { resourceSpans: [] });
  assert.deepEqual(body('{"stringValue":"a","keyStrindex":4}'), { type: 'string', value: 'a' });
});

test('JSON J5: 64-bit integers as number or text, without loss; written as text', () => {
  const time = (json: string) => record(`"timeUnixNano":${json}`).timeUnixNano;
  for (const json of ['1544712660300000001', '"1544712660300000001"']) {
    assert.equal(time(json), 1544712660300000001n);
  }
  assert.equal(time('"18446744073709551615"'), 2n ** 64n - 1n);
  assert.equal(time('1.5e3'), 1500n);
  assert.equal(time('1544712660300000001.0'), 1544712660300000001n);
  assert.equal(time('12000e-3'), 12n);
  assert.equal(time('0e99999999'), 0n);
  assert.equal(body('{"intValue":9223372036854775807}').value, 2n ** 63n - 1n);
  assert.equal(body('{"intValue":"-9223372036854775808"}').value, -(2n ** 63n));
  assert.deepEqual(point('"asInt":"-3"'), { type: 'int', value: -3n });
  const bad = ['-1', '18446744073709551616', '1.5', '1e99999999', '"1x"', '""', '" 1"', 'true',
    '[]', '1e-1', `"${'0'.repeat(50)}1"`, `${'9'.repeat(100_000)}`];
  for (const json of bad) refuses(() => time(json), 'logRecords[0].timeUnixNano');
  const json = requestToJson('logs', requestFromJson('logs',
    '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":5,"flags":4294967295}]}]}]}'));
  assert.match(json, /"timeUnixNano":"5","flags":4294967295/);
});

test('JSON: 32-bit integers as number or text, in their range', () => {
  assert.equal(span('"droppedAttributesCount":"7"').droppedAttributesCount, 7);
  refuses(() => span('"droppedAttributesCount":-1'));
  refuses(() => span('"droppedAttributesCount":4294967296'), 'droppedAttributesCount');
});

test('JSON J6: doubles as numbers or text, with NaN and the infinities as text', () => {
  const double = (json: string) => point(`"asDouble":${json}`)!.value;
  assert.deepEqual(['5', '"5.5"', '"NaN"', '"Infinity"', '"-Infinity"', '-0', '"-0"', '1e-400']
    .map(double), [5, 5.5, NaN, Infinity, -Infinity, -0, -0, 0]);
  for (const json of ['1e400', '"1e400"', '"nan"', '"0x10"', '""', '" 5"', 'NaN', 'true', '{}']) {
    refuses(() => double(json));
  }
});

test('JSON J7: values may be empty, bytes, lists of anything and maps', () => {
  assert.deepEqual(body('{}'), { type: 'empty', value: null });
  assert.deepEqual(body('{"stringValue":""}'), { type: 'string', value: '' });
  assert.deepEqual(body('{"arrayValue":{}}'), { type: 'array', value: [] });
  assert.deepEqual(body('{"arrayValue":{"values":[{},{"arrayValue":{"values":[{}]}}]}}'), {
    type: 'array', value: [{ type: 'empty', value: null },
      { type: 'array', value: [{ type: 'empty', value: null }] }],
  });
  assert.deepEqual(body('{"kvlistValue":{"values":[{"key":"a"}]}}'), {
    type: 'kvlist', value: [{ key: 'a', value: { type: 'empty', value: null } }],
  });
});

test('JSON J8: depth is bounded, keys cannot harm, the last of equal keys wins', () => {
  const nested = (depth: number) =>
    `${'{"arrayValue":{"values":['.repeat(depth)}{"intValue":1}${']}}'.repeat(depth)}`;
  const deepest = record(`"body":${nested(48)}`);
  assert.equal(deepest.body!.type, 'array');
  refuses(() => record(`"body":${nested(49)}`));
  refuses(() => record(`"x":${'['.repeat(100_000)}`));
  const harmless = record('"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},'
    + '"attributes":[{"key":"__proto__","value":{"intValue":1}}],"severityText":"a"');
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.equal(Object.getPrototypeOf(harmless), Object.prototype);
  assert.equal(harmless.attributes[0]!.key, '__proto__');
  assert.equal(record('"severityText":"a","severityText":"b"').severityText, 'b');
  assert.deepEqual(body('{"intValue":1,"stringValue":"a"}'), { type: 'string', value: 'a' });
  assert.equal(body('{"stringValue":"a\\ud800"}').value, 'a\ufffd');
});

test('JSON: null is an absent field', () => {
  const one = span('"name":null,"status":null,"attributes":null,"startTimeUnixNano":null');
  assert.deepEqual([one.name, one.status, one.attributes, one.startTimeUnixNano],
    ['', undefined, [], 0n]);
  assert.equal(span('"name":"a","name":null').name, '');
  assert.deepEqual(body('{"stringValue":null}'), { type: 'empty', value: null });
  assert.equal(point('"asInt":null'), undefined);
  assert.deepEqual(point('"asInt":1,"asDouble":null'), { type: 'int', value: 1n });
  refuses(() => span('"attributes":[null]'), 'spans[0].attributes[0]');
});

test('JSON: wrong types are refused with the path of the value', () => {
  const check = (json: string, path: string) =>
    assert.throws(() => requestFromJson('traces', json),
      (error) => error instanceof DecodeError && error.path === path, json);
  check('[]', '');
  check('null', '');
  check('{"resourceSpans":{}}', 'resourceSpans');
  check('{"resourceSpans":[{"scopeSpans":[{},{"spans":[{},{},{},{"traceId":"x"}]}]}]}',
    'resourceSpans[0].scopeSpans[1].spans[3].traceId');
  check('{"resourceSpans":[{"resource":{"attributes":[{"key":5}]}}]}',
    'resourceSpans[0].resource.attributes[0].key');
  check('{"resourceSpans":[]} x', '');
  refuses(() => span('"flags":true'), 'spans[0].flags');
  refuses(() => body('{"boolValue":"true"}'), 'body.boolValue');
  refuses(() => body('{"boolValue":1}'));
  refuses(() => body('"text"'), 'body');
  refuses(() => requestFromJson('logs', Buffer.from([0x1f, 0x8b])));
});
