// Answers to export requests: responses and google.rpc.Status, in protobuf (held against
// protobufjs) and JSON.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { decodeResponse, encodeResponse, responseFromJson } from '../../../proto/otlp/response.ts';
import { responseToJson } from '../../../proto/otlp/response.ts';
import { BAD_REQUEST_TYPE, decodeStatus, encodeStatus } from '../../../proto/otlp/status.ts';
import { RETRY_INFO_TYPE, statusFromJson, statusToJson } from '../../../proto/otlp/status.ts';
import type { RpcStatus } from '../../../proto/otlp/status.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { PEER_RESPONSES, peerDecode, peerEncode, peerType } from '../peer.ts';

const REJECTED = {
  traces: 'rejectedSpans', logs: 'rejectedLogRecords', metrics: 'rejectedDataPoints',
} as const;

for (const signal of SIGNALS) {
  test(`response: ${signal} in both encodings`, () => {
    const check = (acceptance: { rejected: number; reason?: string }, plain: object) => {
      const bytes = encodeResponse(signal, acceptance);
      assert.deepEqual(peerDecode(PEER_RESPONSES[signal], bytes), plain);
      assert.deepEqual(decodeResponse(signal, peerEncode(PEER_RESPONSES[signal], plain)),
        acceptance);
      assert.deepEqual(JSON.parse(responseToJson(signal, acceptance)), plain);
      assert.deepEqual(responseFromJson(signal, JSON.stringify(plain)), acceptance);
    };
    check({ rejected: 0 }, {});
    check({ rejected: 0, reason: 'old' }, { partialSuccess: { errorMessage: 'old' } });
    check({ rejected: 300 }, { partialSuccess: { [REJECTED[signal]]: '300' } });
    check({ rejected: 5, reason: 'späť' },
      { partialSuccess: { [REJECTED[signal]]: '5', errorMessage: 'späť' } });
  });
}

test('response: full success is empty, whatever the form of saying so', () => {
  assert.equal(encodeResponse('logs', { rejected: 0, reason: '' }).length, 0);
  assert.equal(responseToJson('logs', { rejected: 0, reason: '' }), '{}');
  for (const json of ['{}', '{"partialSuccess":null}', '{"partialSuccess":{}}', '{"x":1}']) {
    assert.deepEqual(responseFromJson('logs', json), { rejected: 0 });
  }
  assert.deepEqual(responseFromJson('traces', '{"partialSuccess":{"rejectedSpans":"-1"}}'),
    { rejected: 0 });
});

test('response: broken ones raise DecodeError', () => {
  assert.throws(() => decodeResponse('logs', Buffer.from('0a05', 'hex')), DecodeError);
  assert.throws(() => decodeResponse('logs', Buffer.from('0801', 'hex')), DecodeError);
  assert.throws(() => responseFromJson('logs', '<html>'), DecodeError);
  assert.throws(() => responseFromJson('logs', '{"partialSuccess":5}'), DecodeError);
});

const STATUSES: readonly RpcStatus[] = [
  { code: 0, message: '' },
  { code: 3, message: 'bad', violations: [{ field: 'a[0].b', description: 'why' }] },
  { code: 14, message: 'later', retryAfterMs: 1500 },
  { code: 8, message: 'both', retryAfterMs: 0, violations: [] },
  { code: 8, message: 'long', retryAfterMs: 86_400_007 },
];

test('status: comes back in both encodings', () => {
  for (const status of STATUSES) {
    assert.deepEqual(decodeStatus(encodeStatus(status)), status);
    assert.deepEqual(statusFromJson(statusToJson(status)), status);
  }
  const ms = Array.from({ length: 3000 }, (_, retryAfterMs) => retryAfterMs);
  assert.deepEqual(ms.map((retryAfterMs) =>
    statusFromJson(statusToJson({ code: 0, message: '', retryAfterMs }))?.retryAfterMs), ms);
});

test('status: protobufjs reads the details', () => {
  const bytes = encodeStatus({ ...STATUSES[1]!, retryAfterMs: 1500.2 });
  const status = peerDecode(peerType('google.rpc.Status'), bytes) as {
    code: number; message: string; details: Array<{ type_url: string; value: number[] }>;
  };
  assert.deepEqual([status.code, status.message], [3, 'bad']);
  const [retry, bad] = status.details;
  assert.deepEqual([retry!.type_url, bad!.type_url], [RETRY_INFO_TYPE, BAD_REQUEST_TYPE]);
  const detail = (name: string, value: number[]) =>
    peerDecode(peerType(`google.rpc.${name}`), Uint8Array.from(value));
  assert.deepEqual(detail('RetryInfo', retry!.value),
    { retryDelay: { seconds: '1', nanos: 501_000_000 } });
  assert.deepEqual(detail('BadRequest', bad!.value),
    { fieldViolations: [{ field: 'a[0].b', description: 'why' }] });
});

test('status: unknown details are left out, and what is no Status is null', () => {
  const json = '{"code":5,"details":[{"@type":"x/y","retryDelay":"1s"},'
    + `{"@type":"${RETRY_INFO_TYPE}","retryDelay":"2.000000001s"}]}`;
  assert.deepEqual(statusFromJson(json), { code: 5, message: '', retryAfterMs: 2001 });
  for (const text of ['<html>', '', '[]', '{"code":"x"}', '{"details":[5]}']) {
    assert.equal(statusFromJson(text), null, text);
  }
  assert.equal(decodeStatus(Buffer.from('<html>')), null);
  assert.deepEqual(decodeStatus(Buffer.alloc(0)), { code: 0, message: '' });
});
