// The parts of runtime that only compute: endpoints, errors, counters and their exposition, waits
// between tries, randomness from a seed, and the lines of the log.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCounters } from '../../runtime/counters.ts';
import { errorCode, errorMessage, OperatorError, systemCause } from '../../runtime/errors.ts';
import { createLog, rateLimited } from '../../runtime/log.ts';
import { formatEndpoint, isLoopback, listenError, parseEndpoint } from '../../runtime/net.ts';
import { createRandom, createSeededRandom, type Random } from '../../runtime/random.ts';
import { retryDelayMs } from '../../runtime/retry.ts';
import { createManualClock, createRecordingLog } from '../contract/fakes.ts';

test('net: endpoints as the Collector writes them', () => {
  const check = (text: string, want: [string, number] | null) =>
    assert.deepEqual(parseEndpoint(text), want && { host: want[0], port: want[1] });
  check('localhost:4317', ['localhost', 4317]);
  check('[::1]:80', ['::1', 80]);
  check(':80', ['0.0.0.0', 80]);
  check('0.0.0.0:0', ['0.0.0.0', 0]);
  check('localhost', null);
  check('localhost:65536', null);
  check('localhost:x', null);
  check('::1:80', null);
  check('http://localhost:80', null);
  check('', null);
  assert.equal(formatEndpoint({ host: '::1', port: 80 }), '[::1]:80');
  assert.equal(formatEndpoint({ host: 'a.example', port: 80 }), 'a.example:80');
});

test('net: what only this machine can reach', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ['0.0.0.0', '10.0.0.1', '127.0.0.1.example', '::']) {
    assert.ok(!isLoopback(host), host);
  }
});

test('net: a listen error says what to do', () => {
  const inUse = Object.assign(new Error('x'), { code: 'EADDRINUSE' });
  const error = listenError(inUse, { host: 'localhost', port: 80 }, 'http.endpoint');
  assert.ok(error instanceof OperatorError);
  assert.equal(error.message, 'cannot listen on localhost:80: the port is in use');
  assert.match(error.hint, /http\.endpoint/);
});

test('errors: codes and causes of anything that was thrown', () => {
  assert.equal(errorCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT');
  assert.equal(errorCode(null), '');
  assert.equal(errorCode({ code: 5 }), '');
  assert.equal(errorMessage('text'), 'text');
  assert.equal(errorMessage(new Error('x')), 'x');
  assert.equal(systemCause({ code: 'ENOSPC' }), 'the disk is full');
  assert.equal(systemCause({ code: 'EUNHEARDOF' }), 'EUNHEARDOF');
  assert.equal(systemCause(new Error('plain')), 'plain');
});

test('counters: the exposition is sorted, typed and escaped', () => {
  const counters = createCounters();
  counters.counter('b_total', 'Bees.', { place: 'a"b\\c\nd' }).add(2);
  counters.counter('b_total', 'Bees.').add(1);
  counters.gauge('a', 'A gauge.', () => Number.NaN);
  counters.gauge('a', 'A gauge.', () => -Infinity, { y: '2', x: '1' });
  counters.counterFrom('c_total', 'Counted elsewhere.', () => 7);
  assert.equal(counters.exposition(), [
    '# HELP a A gauge.',
    '# TYPE a gauge',
    'a NaN',
    'a{x="1",y="2"} -Inf',
    '# HELP b_total Bees.',
    '# TYPE b_total counter',
    'b_total{place="a\\"b\\\\c\\nd"} 2',
    'b_total 1',
    '# HELP c_total Counted elsewhere.',
    '# TYPE c_total counter',
    'c_total 7',
    '',
  ].join('\n'));
});

test('counters: the same name and labels are the same counter, in any order of labels', () => {
  const counters = createCounters();
  counters.counter('x', 'X.', { a: '1', b: '2' }).add(1);
  counters.counter('x', 'X.', { b: '2', a: '1' }).add(1);
  counters.counter('x', 'X.', { a: '2' }).add(5);
  assert.equal(counters.total('x', { a: '1' }), 2);
  assert.equal(counters.total('x'), 7);
  assert.equal(counters.total('y'), 0);
});

test('counters: too many series are summed in the one without labels', () => {
  const counters = createCounters();
  for (let index = 0; index < 1100; index++) {
    counters.counter('x', 'X.', { index: String(index) }).add(1);
  }
  assert.equal(counters.total('x'), 1100);
  assert.ok(counters.exposition().split('\n').length < 1010);
  assert.match(counters.exposition(), /^x 100$/m);
});

const constant = (value: number): Random => ({ ...createRandom(), float: () => value });

test('retry: waits grow to a maximum, are spread, and never undercut the peer', () => {
  const options = {
    initialIntervalMs: 100, maxIntervalMs: 1000, multiplier: 2, randomizationFactor: 0.5,
  };
  const check = (attempt: number, peerMs: number, float: number, want: number) =>
    assert.equal(retryDelayMs(options, attempt, peerMs, constant(float)), want);
  check(0, 0, 0.5, 100);
  check(1, 0, 0.5, 200);
  check(2, 0, 0.5, 400);
  check(9, 0, 0.5, 1000);
  check(100_000, 0, 0.5, 1000);
  check(0, 0, 0, 50);
  check(0, 0, 1, 150);
  check(0, 5000, 0.5, 5000);
});

test('random: a seed gives the same sequence, and ids have their form', () => {
  const take = (random: Random) => [random.float(), random.float(), ...random.bytes(4)];
  assert.deepEqual(take(createSeededRandom(7)), take(createSeededRandom(7)));
  assert.notDeepEqual(take(createSeededRandom(7)), take(createSeededRandom(8)));
  const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(createSeededRandom(1).uuid(), form);
  assert.match(createRandom().uuid(), form);
  const seeded = createSeededRandom(3);
  for (let step = 0; step < 1000; step++) {
    const value = seeded.float();
    assert.ok(value >= 0 && value < 1);
  }
});

test('log: one JSON object in each line, with the fields of its children', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  log.debug('not shown');
  log.child({ part: 'a' }).warn('it is so', { count: 3 });
  assert.equal(lines.length, 1);
  const { time, ...entry } = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.ok(!Number.isNaN(Date.parse(String(time))));
  assert.deepEqual(entry, { level: 'warn', part: 'a', count: 3, message: 'it is so' });
});

test('log: text is short and ends its line', () => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', format: 'text', write: (line) => lines.push(line) });
  log.error('broken', { path: '/x', counts: [1, 2] });
  assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} ERROR broken path=\/x counts=\[1,2\]\n$/);
});

test('log: a rate limit lets each message through once per interval', async () => {
  const clock = createManualClock();
  const log = createRecordingLog();
  const limited = rateLimited(log, clock, 1000);
  for (let time = 0; time < 3; time++) {
    limited.warn('same');
    limited.warn(`other ${time}`);
    await clock.advance(400);
  }
  await clock.advance(1000);
  limited.warn('same');
  const messages = log.lines.map(({ message }) => message);
  assert.deepEqual(messages, ['same', 'other 0', 'other 1', 'other 2', 'same']);
});
