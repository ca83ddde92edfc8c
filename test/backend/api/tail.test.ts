// `/api/tail` over HTTP: what is offered comes within a second, filtered; a reader who takes
// nothing holds nobody up and is told what he missed; leaving and stopping end it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { createTailHub, limits } from '../../../backend/tail/hub.ts';
import { eventsIn, type TailEvent } from '../../../backend/client/tail_lines.ts';
import { Readable } from 'node:stream';
import { Batch } from '../../../proto/contract/batch.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createWorld } from '../../../runtime/world.ts';
import { readPosted } from '../../../backend/logs/posted.ts';
import { fakeStorage, problemIn, startApi } from './api_fixture.ts';

function batch(...messages: string[]): Batch {
  const records = messages.map((message) =>
    ({ timestamp: 1_767_323_045, level: 'error', service: 'shop', message }));
  return Batch.fromRequest('logs', readPosted(records, {
    nowNs: () => 1n, instantOf: () => 1_767_323_045_000_000_000n, uid: () => 'uid',
  }).request);
}

async function started() {
  const tail = createTailHub(createWorld().clock, createCounters());
  const api = await startApi(fakeStorage(() => Readable.from([])), { tail });
  const dispatcher = new Agent();
  const open = async (query: string) => {
    const { body } = await request(`${api.url}/api/tail?${query}`, { dispatcher, bodyTimeout: 0 });
    const events = eventsIn(body);
    const next = async (): Promise<TailEvent> => (await events.next()).value as TailEvent;
    assert.equal((await next()).event, 'ready');
    return { body, next, events };
  };
  const stop = async () => {
    await dispatcher.destroy();
    await api.stop();
  };
  return { api, tail, open, stop };
}

test('tail: what fits comes at once', async () => {
  const { tail, open, stop } = await started();
  const { next } = await open('q=refused&service=shop&level=error');
  const startMs = performance.now();
  tail.offer(batch('fine', 'card refused'));
  const { event, data } = await next();
  assert.ok(performance.now() - startMs < 1000);
  const { message, service, id } = JSON.parse(data) as Record<string, string>;
  assert.deepEqual([event, message, service], ['log', 'card refused', 'shop']);
  assert.match(id!, /^[\w-]{20,}$/);
  await stop();
});

test('tail: a reader who takes nothing is told what he missed', async () => {
  const { tail, open, stop } = await started();
  const { next } = await open('');
  const long = 'x'.repeat(20_000);
  // More than the connection and the queue can hold, while nobody reads.
  const offered = 60 * 100;
  for (let round = 0; round < 60; round += 1) {
    tail.offer(batch(...Array.from({ length: 100 }, () => long)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  let seen = 0;
  let dropped = 0;
  while (seen + dropped < offered) {
    const { event, data } = await next();
    if (event === 'dropped') dropped += (JSON.parse(data) as { count: number }).count;
    else seen += 1;
  }
  assert.ok(dropped > 0 && seen >= limits.waitingMax, `${seen} seen, ${dropped} dropped`);
  await stop();
});

test('tail: leaving, stopping, and what is refused', async () => {
  const { api, tail, open, stop } = await started();
  const problem = problemIn(await api.get('/api/tail?q=level:eror'));
  assert.deepEqual([problem.status, problem.code], [400, 'INVALID_SEARCH']);
  assert.equal((await api.get('/api/tail', { headers: { 'sec-fetch-site': 'cross-site' } })).status,
    403);
  const left = await open('');
  left.body.destroy();
  await left.events.next().catch(() => null);
  const others = await Promise.all(Array.from({ length: 3 }, () => open('signal=traces')));
  tail.offer(batch('not a span'));
  const ends = others.map(({ events }) => events.next());
  await api.stop();
  for (const end of ends) assert.equal((await end).done, true);
  await stop().catch(() => null);
});
