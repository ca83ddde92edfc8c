// Proves that each word of config/schema.ts reads what a person may write, refuses the rest with a
// reason that does not repeat the value, and keeps its defaults. No files, no clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import {
  byteSize, count, duration, endpoint, optionalSection, parseByteSize, parseDuration, percentage,
  secret, section, strictObject,
} from '../../config/schema.ts';

test('schema: durations are read as Go writes them, plus days', () => {
  const check = (text: unknown, want: number | null) => assert.equal(parseDuration(text), want);
  check('200ms', 200);
  check('1m30s', 90_000);
  check('1.5h', 5_400_000);
  check('.5s', 500);
  check('30d', 2_592_000_000);
  check('250us', 0.25);
  check('1µs', 0.001);
  check('1μs', 0.001);
  check('0', 0);
  check(0, 0);
  check('0s', 0);
  check('', null);
  check('5', null);
  check(5, null);
  check('5 s', null);
  check('-5s', null);
  check('5sec', null);
  check('s', null);
  check('.s', null);
  check(null, null);
  check(`${'1s'.repeat(60)}`, null);
});

test('schema: sizes know powers of 1000 and of 1024', () => {
  const check = (text: unknown, want: number | null) => assert.equal(parseByteSize(text), want);
  check('1MiB', 1_048_576);
  check('64KiB', 65_536);
  check('1kb', 1000);
  check('1k', 1000);
  check('2GiB', 2_147_483_648);
  check('1.5 KiB', 1536);
  check('4096', 4096);
  check('4096B', 4096);
  check(4096, 4096);
  check(0, 0);
  check(-1, null);
  check(1.5, null);
  check('MiB', null);
  check('1 mile', null);
  check('9999999 TiB', null);
  check(true, null);
});

test('schema: a range is checked and named as it was written', () => {
  const schema = duration({ min: '1ms', max: '1h' });
  assert.equal(schema.parse('1h'), 3_600_000);
  assert.deepEqual(messages(schema, '2h'), ['must be at most 1h']);
  assert.deepEqual(messages(schema, '0'), ['must be at least 1ms']);
  assert.deepEqual(messages(schema, 'soon'), ['is not a duration']);
  assert.deepEqual(messages(schema, undefined), ['is required']);
  assert.deepEqual(messages(byteSize({ min: '16B' }), '1B'), ['must be at least 16B']);
});

test('schema: endpoints become host and port', () => {
  assert.deepEqual(endpoint().parse('localhost:4317'), { host: 'localhost', port: 4317 });
  assert.deepEqual(endpoint().parse('[::1]:80'), { host: '::1', port: 80 });
  assert.deepEqual(endpoint().parse(':80'), { host: '0.0.0.0', port: 80 });
  assert.deepEqual(messages(endpoint(), 'localhost'), ['is not an endpoint']);
  assert.deepEqual(messages(endpoint(), 4317), ['is not an endpoint']);
});

test('schema: percentages are numbers from 0 to 100, with or without the sign', () => {
  const check = (value: unknown, want: number) => assert.equal(percentage().parse(value), want);
  check(80, 80);
  check('80%', 80);
  check('12.5 %', 12.5);
  for (const bad of [101, -1, 'half', true]) {
    assert.deepEqual(messages(percentage(), bad), ['is not a percentage'], String(bad));
  }
});

test('schema: count is a whole number in its range', () => {
  assert.equal(count().parse(0), 0);
  assert.equal(count({ max: 10 }).safeParse(11).success, false);
  assert.equal(count().safeParse(1.5).success, false);
  assert.equal(count().safeParse(-1).success, false);
});

test('schema: sections fill their defaults, refuse unknown keys, and accept null', () => {
  const schema = section({
    timeout: duration().describe('How long.').prefault('5s'),
    tls: optionalSection({ insecure: z.boolean().default(false) }),
    password: secret().default(''),
  });
  assert.deepEqual(schema.parse(undefined), { timeout: 5000, password: '' });
  assert.deepEqual(schema.parse(null), { timeout: 5000, password: '' });
  assert.deepEqual(schema.parse({ tls: null }).tls, { insecure: false });
  assert.equal(schema.safeParse({ timeOut: '5s' }).error!.issues[0]!.code, 'unrecognized_keys');
  assert.equal(strictObject({}).safeParse(undefined).success, false);
});

function messages(schema: z.ZodType, value: unknown): string[] {
  return schema.safeParse(value).error?.issues.map((issue) => issue.message) ?? [];
}
