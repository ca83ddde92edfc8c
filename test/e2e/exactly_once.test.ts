// Senders speak OTLP/gRPC to a backend with ids and attempts while the backend is killed with
// SIGKILL and started again. Every record is in SQL exactly once in the end.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import type { Sender } from '../../proto/contract/arrival.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { encodeRequest } from '../../proto/otlp/codec.ts';
import { createChild, type Child } from '../../runtime/child.ts';
import { createClock } from '../../runtime/clock.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { generateServiceSpans } from '../bench/data.ts';
import { seededRandom } from '../proto/generate.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const KILLS = 3;
const SENDERS = 4;
const SPANS = 50;
const clock = createClock();
const END_MS = clock.monotonicMs() + 100_000;
/** Half a minute before midnight, UTC, of yesterday. */
const EVENING_MS = Math.floor(clock.nowMs() / 86_400_000) * 86_400_000 - 30_000;

interface Backend {
  readonly child: Child;
  readonly client: Sender;
  readonly url: string;
}

interface Course {
  readonly random: () => number;
  readonly sent: string[];
  backend: Backend;
  kills: number;
  accepted: number;
  retries: number;
}

test('e2e: a batch is stored once, however often the backend dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-once-'));
  const backend = await startBackend(folder);
  const random = seededRandom(7);
  const course: Course = { random, sent: [], backend, kills: 0, accepted: 0, retries: 0 };
  try {
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, n) => send(course, `a${n}/1`)));
    for (; course.kills < KILLS; course.kills++) {
      const { accepted } = course;
      while (course.accepted < accepted + SENDERS) {
        assert.ok(clock.monotonicMs() < END_MS, 'senders get on');
        await clock.sleep(5);
      }
      await clock.sleep(random() * 300);
      const { child, client } = course.backend;
      await child.stop(AbortSignal.abort());
      course.backend = await startBackend(folder);
      await client.close();
    }
    await sending;
    assert.ok(course.retries > 0);
    const rows = await ask(course.backend.url, `SELECT BatchId AS id, toString(count()) AS rows,
      toString(uniqExact(SpanId)) AS spans FROM otel_traces GROUP BY BatchId`);
    const wanted = course.sent.map((id) => ({ id, rows: String(SPANS), spans: String(SPANS) }));
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    assert.deepEqual(rows.sort(byId), wanted.sort(byId));
    const [traces] = await ask(course.backend.url, `SELECT toString(count()) AS id FROM (
      SELECT TraceId FROM otel_traces GROUP BY TraceId
      HAVING (TraceId, toDateTime(min(Timestamp)), toDateTime(max(Timestamp))) NOT IN (
        SELECT TraceId, min(Start), max(End) FROM otel_traces_trace_id_ts GROUP BY TraceId))`);
    assert.equal(traces!.id, '0');
  } finally {
    course.kills = KILLS;
    await course.backend.client.close();
    await course.backend.child.stop(AbortSignal.timeout(20_000));
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The engine of a backend that was killed ends by itself, and keeps the folder until then. */
async function startBackend(folder: string): Promise<Backend> {
  const file = join(folder, 'backend.yaml');
  writeFileSync(file, JSON.stringify({
    otlp: { grpc: { endpoint: '127.0.0.1:0' } },
    http: { endpoint: '127.0.0.1:0' },
  }));
  for (let attempt = 0; ; attempt++) {
    const child = createChild({
      name: 'backend',
      args: [join(ROOT, 'binnacle.mjs'), 'backend', '--config', file],
      env: { ...process.env, BINNACLE_DATA_DIR: folder },
      clock,
      log: SILENT_LOG,
    });
    try {
      const addresses = await child.start();
      const endpoint = parseEndpoint(addresses['OTLP from agents']!)!;
      const settings = { tls: null, compression: 'none', timeoutMs: 20_000 } as const;
      const client = createOtlpGrpcClient({ endpoint, clock, ...settings });
      return { child, client, url: addresses['SQL and API']! };
    } catch (error) {
      if (attempt === 10) throw error;
      await clock.sleep(500);
    }
  }
}

async function send(course: Course, name: string): Promise<void> {
  const { random } = course;
  for (let sequence = 0; course.kills < KILLS || sequence < 10; sequence++) {
    const id = `${name}/${sequence}`;
    const bytes = encodeRequest('traces', generateServiceSpans(random, SPANS, EVENING_MS));
    const batch = Batch.fromBytes('traces', bytes, id);
    course.sent.push(id);
    for (let attempt = 0; ; attempt++) {
      const patience = AbortSignal.timeout(random() < 0.2 ? Math.ceil(random() * 100) : 15_000);
      const outcome = await course.backend.client.send(batch, attempt, patience);
      if (outcome.status === 'accepted') break;
      assert.equal(outcome.status, 'retryable', outcome.reason);
      assert.ok(clock.monotonicMs() < END_MS, `${id} is not accepted in time`);
      course.retries++;
      await clock.sleep(50);
    }
    course.accepted++;
  }
}

async function ask(url: string, sql: string): Promise<{ id: string }[]> {
  const answer = await request(`${url}/api/query?format=JSONEachRow`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: sql,
  });
  const text = await answer.body.text();
  assert.equal(answer.statusCode, 200, text);
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
}
