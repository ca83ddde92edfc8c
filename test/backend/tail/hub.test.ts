// The hub of live tails: nothing is decoded while nobody listens, listeners get what fits, whoever
// is slow is told how much he missed, and records and listeners stay within the limits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSearch } from '../../../backend/search/parse.ts';
import { createTailHub, limits } from '../../../backend/tail/hub.ts';
import { eventsIn, lineOf } from '../../../backend/client/tail_lines.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { createClock } from '../../../runtime/clock.ts';
import { createCounters } from '../../../runtime/counters.ts';

function logs(...bodies: string[]): Batch<'logs'> {
  return Batch.fromRequest('logs', { resourceLogs: [{ resource: undefined, schemaUrl: '',
    scopeLogs: [{ scope: undefined, schemaUrl: '', logRecords: bodies.map((body) => ({
      timeUnixNano: 1n, observedTimeUnixNano: 1n, severityNumber: 9, severityText: 'INFO',
      body: { type: 'string', value: body }, attributes: [], droppedAttributesCount: 0, flags: 0,
      traceId: '', spanId: '', eventName: '' })) }] }] });
}

function hub() {
  const made = createTailHub(createClock(), createCounters());
  const told: string[] = [];
  const listen = (search: string, name = search) => made.listen({ signal: 'logs',
    search: parseSearch(search), ready: () => told.push(name),
    ended: () => told.push(`${name} ended`) });
  return { ...made, told, ask: listen };
}

const messages = (entries: readonly object[]) =>
  entries.map((entry) => (entry as { message: string }).message);

test('tail: listeners get what fits, and are told once until they take it', () => {
  const { offer, ask, told } = hub();
  const errors = ask('refused')!;
  const all = ask('*')!;
  offer(logs('connection refused', 'ok'));
  offer(logs('refused again'));
  assert.deepEqual(told, ['refused', '*']);
  assert.deepEqual(messages(errors.take().entries), ['connection refused', 'refused again']);
  assert.equal(all.take().entries.length, 3);
  errors.close();
  offer(logs('refused'));
  assert.deepEqual([told.length, errors.take().entries.length], [3, 0]);
});

test('tail: nothing is decoded while nobody listens', () => {
  const { offer, ask } = hub();
  const batch = logs('x');
  let decoded = 0;
  const watched = Object.create(batch, { request: { get: () => {
    decoded += 1;
    return batch.request;
  } }, is: { value: batch.is.bind(batch) }, signal: { value: 'logs' }, itemCount: { value: 1 } });
  offer(watched as Batch);
  assert.equal(decoded, 0);
  ask('*');
  offer(watched as Batch);
  assert.equal(decoded, 1);
});

test('tail: what is too much is counted, not kept', () => {
  const { offer, ask } = hub();
  const listener = ask('*')!;
  offer(logs(...Array.from({ length: limits.waitingMax + 7 }, () => 'x')));
  const { entries, dropped } = listener.take();
  assert.deepEqual([entries.length, dropped], [limits.waitingMax, 7]);
  offer(logs(...Array.from({ length: limits.decodedPerSecondMax }, () => 'x')));
  assert.equal(listener.take().dropped, limits.decodedPerSecondMax);
});

test('tail: there are only so many listeners, and closing ends them all', () => {
  const { ask, close, told } = hub();
  for (let count = 0; count < limits.listenersMax; count += 1) assert.ok(ask('*', `${count}`));
  assert.equal(ask('*'), null);
  close();
  assert.equal(told.length, limits.listenersMax);
});

test('tail: events are read whatever pieces they come in, and printed for people', async () => {
  const entry = { timestamp: '2026-01-02T03:04:05.678901234Z', level: 'error', service: 'shop',
    message: 'größe \u001b[2J', severity_text: 'ERROR' };
  const bytes = Buffer.from(`event: ready\ndata: {}\n\n: heartbeat\n\nevent: log\ndata: ${
    JSON.stringify(entry)}\n\nevent: dropped\ndata: {"count":3}\n\n`);
  async function* pieces() {
    for (const byte of bytes) yield Buffer.of(byte);
  }
  const lines: (string | null)[] = [];
  for await (const event of eventsIn(pieces())) {
    lines.push(lineOf(event, { json: false, colours: false }));
  }
  assert.deepEqual(lines, [null, '2026-01-02 03:04:05.678 ERROR shop größe \\x1b[2J',
    '… 3 records were too many and are not shown']);
  const data = JSON.stringify(entry);
  assert.equal(lineOf({ event: 'log', data }, { json: true, colours: true }), data);
  assert.match(lineOf({ event: 'log', data }, { json: false, colours: true })!, /\u001b\[31mERROR/);
  const span = JSON.stringify({ timestamp: '2026-01-02T03:04:05.678Z', service: '', name: 'GET /',
    status: 'Ok', status_message: '', duration_ms: 12.34 });
  assert.equal(lineOf({ event: 'span', data: span }, { json: false, colours: false }),
    '2026-01-02 03:04:05.678 Ok    - GET / 12.3 ms');
});
