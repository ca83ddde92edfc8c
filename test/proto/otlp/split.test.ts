// Splitting and merging of export requests, and changes of resources in bytes, on random requests
// of fixed seeds: nothing is lost, doubled, reordered or above the limits, and what was cut or
// spliced decodes to what a change of the decoded form gives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRequest, encodeRequest, envelopeOf } from '../../../proto/otlp/codec.ts';
import { countItems } from '../../../proto/otlp/count.ts';
import { mergeRequests } from '../../../proto/otlp/merge.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import type { Metric, RequestOf, Resource, Signal } from '../../../proto/otlp/model.ts';
import { editResources } from '../../../proto/otlp/resource.ts';
import { splitRequest } from '../../../proto/otlp/split.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { Writer } from '../../../proto/protobuf/writer.ts';
import { generateRequest, seededRandom } from '../generate.ts';

const ROUNDS = 60;
const STRICT = { itemsMax: 1 };

/**
 * One entry for each item with all that stands around it, and one for each group, scope or metric
 * that has no items: splitting keeps this list, wherever it cuts.
 */
function flatten<S extends Signal>(signal: S, request: RequestOf<S>): unknown[] {
  const envelope = envelopeOf(signal);
  return envelope.groups(request).flatMap((group) => {
    const { resource, schemaUrl: groupUrl } = group;
    const scopes = envelope.scopes(group);
    if (scopes.length === 0) return [{ resource, groupUrl }];
    return scopes.flatMap((one): unknown[] => {
      const around = { resource, groupUrl, scope: one.scope, schemaUrl: one.schemaUrl };
      const records = envelope.records(one);
      if (records.length === 0) return [around];
      return records.flatMap((record) => itemsOf(signal, record).map((item) => ({ around, item })));
    });
  });
}

function itemsOf(signal: Signal, record: unknown): unknown[] {
  if (signal !== 'metrics') return [record];
  const { data, ...metric } = record as Metric;
  if (data === undefined || data.dataPoints.length === 0) return [record];
  return data.dataPoints.map((point) => ({ ...metric, data: { ...data, dataPoints: [point] } }));
}

for (const signal of SIGNALS) {
  const requests = Array.from({ length: ROUNDS }, (_, seed) => {
    const request = generateRequest(signal, seededRandom(seed + 1));
    return { seed: seed + 1, request, bytes: encodeRequest(signal, request) };
  });
  const flatParts = (parts: readonly Uint8Array[]) =>
    parts.flatMap((part) => flatten(signal, decodeRequest(signal, part)));

  test(`split: ${signal} by items keeps every item, in order, at most itemsMax a part`, () => {
    let most = 0;
    for (const { seed, request, bytes } of requests) {
      for (const itemsMax of [1, 2, 5]) {
        const parts = splitRequest(signal, bytes, { itemsMax });
        assert.deepEqual(flatParts(parts), flatten(signal, request), `seed ${seed}`);
        const counts = parts.map((part) => countItems(signal, part));
        assert.ok(counts.every((count) => count <= itemsMax), `seed ${seed}: ${counts}`);
        const needed = Math.ceil(countItems(signal, bytes) / itemsMax);
        assert.equal(parts.length, Math.max(1, needed), `seed ${seed}: fuller parts were possible`);
        most = Math.max(most, parts.length);
      }
    }
    assert.ok(most > 5, 'no request was large enough to be split often');
  });

  test(`split: ${signal} by bytes keeps every item, and only single items are too large`, () => {
    for (const { seed, request, bytes } of requests) {
      for (const bytesMax of [1, 300, 2000]) {
        const parts = splitRequest(signal, bytes, { bytesMax });
        assert.deepEqual(flatParts(parts), flatten(signal, request), `seed ${seed}`);
        for (const part of parts.filter(({ length }) => length > bytesMax)) {
          assert.equal(flatParts([part]).length, 1, `seed ${seed}: could be split further`);
        }
      }
    }
  });

  test(`merge: ${signal} of several requests are one request with all groups`, () => {
    const all = mergeRequests(requests.map(({ bytes }) => bytes));
    const groups = requests.flatMap(({ request }) => [...envelopeOf(signal).groups(request)]);
    assert.deepEqual(envelopeOf(signal).groups(decodeRequest(signal, all)), groups);
  });

  test(`resource: editing the bytes of ${signal} equals editing the decoded form`, () => {
    const key = 'x'.repeat(200);
    const edit = (resource: Resource): Resource =>
      resource.attributes.length % 2 === 1 ? resource
        : { ...resource, attributes: [{ key, value: { type: 'int', value: 7n } }] };
    for (const { seed, request, bytes } of requests) {
      const envelope = envelopeOf(signal);
      const none: Resource = { attributes: [], droppedAttributesCount: 0, entityRefs: [] };
      const want = envelope.groups(request).map((group) => {
        const edited = edit(group.resource ?? none);
        return edited === group.resource ? group : { ...group, resource: edited };
      });
      const got = editResources(signal, bytes, edit);
      assert.deepEqual(envelope.groups(decodeRequest(signal, got)), want, `seed ${seed}`);
      assert.equal(editResources(signal, bytes, (resource) => resource), bytes);
    }
  });
}

test('split: a request within the limits is answered as it is', () => {
  const bytes = encodeRequest('logs', generateRequest('logs', seededRandom(3)));
  const limits = { itemsMax: countItems('logs', bytes), bytesMax: bytes.length };
  assert.equal(splitRequest('logs', bytes, limits)[0], bytes);
});

test('split: unknown fields are kept at every level', () => {
  const span = Buffer.from('1202300c', 'hex');
  const unknown = Buffer.from('f80701', 'hex'); // field 127, varint 1
  const scope = Buffer.concat([Buffer.from([0x12, span.length * 2 + 3]), unknown, span, span]);
  const group = Buffer.concat([Buffer.from([0x0a, scope.length + 3]), scope, unknown]);
  const parts = splitRequest('traces', Buffer.concat([group, unknown]), STRICT);
  const want = '0a0cf80701' + '1207' + 'f80701' + '1202300c';
  assert.deepEqual(parts.map((part) => Buffer.from(part).toString('hex')),
    Array(2).fill(`f80701${want}`));
});

test('split: parts of more than 2 MiB, whose lengths need more room, are not too large', () => {
  const spans = Buffer.from('12032a0161'.repeat(500_000), 'hex');
  const scope = new Writer();
  scope.varint32(0x12);
  scope.blob(spans);
  const request = new Writer();
  request.varint32(0x0a);
  request.blob(scope.finish());
  const bytes = request.finish();
  for (let bytesMax = 2 ** 21; bytesMax < 2 ** 21 + 15; bytesMax++) {
    const parts = splitRequest('traces', bytes, { bytesMax });
    assert.ok(parts.every(({ length }) => length <= bytesMax), `${bytesMax}`);
    const counts = parts.map((part) => countItems('traces', part));
    assert.equal(counts.reduce((sum, count) => sum + count, 0), 500_000);
    assert.equal(parts.length, 2);
  }
});

test('split: broken bytes are refused', () => {
  const bytes = encodeRequest('logs', generateRequest('logs', seededRandom(3)));
  assert.throws(() => splitRequest('logs', bytes.subarray(0, -1), STRICT), DecodeError);
  assert.throws(() => editResources('logs', bytes.subarray(0, -1), (one) => one), DecodeError);
});

test('split: a metric whose oneof is there twice is not cut', () => {
  const gauge = Buffer.from('2a040a000a00', 'hex'); // two data points
  const sum = Buffer.from('3a040a000a00', 'hex');
  const metric = Buffer.concat([Buffer.from([0x12, 12]), gauge, sum]);
  const scope = Buffer.concat([Buffer.from([0x12, 28]), metric, metric]);
  const request = Buffer.concat([Buffer.from([0x0a, 30]), scope]);
  assert.equal(countItems('metrics', request), 4);
  const parts = splitRequest('metrics', request, STRICT);
  assert.deepEqual(parts.map((part) => countItems('metrics', part)), [2, 2]);
});
