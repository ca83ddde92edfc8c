// Senders speak OTLP/gRPC to a backend with ids and attempts, all signals and all kinds of metrics,
// while the backend is killed with SIGKILL at random instants and started again. Every record is in
// SQL exactly once in the end. `SEED` chooses other instants, `KILLS` how many.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import type { Sender } from '../../proto/contract/arrival.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import { createChild, type Child } from '../../runtime/child.ts';
import { createClock } from '../../runtime/clock.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { seededRandom } from '../proto/generate.ts';
import { RECORDS, recordsOf, TABLES, type TableOfRecords } from './records.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const KILLS = Number(process.env['KILLS'] ?? 4);
const SEED = Number(process.env['SEED'] ?? 7);
const SENDERS = 6;
const clock = createClock();
const END_MS = clock.monotonicMs() + 60_000 + KILLS * 15_000;
/** The last one, UTC. */
const MIDNIGHT_MS = Math.floor(clock.nowMs() / 86_400_000) * 86_400_000;

interface Backend {
  readonly child: Child;
  readonly client: Sender;
  readonly url: string;
}

interface Course {
  readonly random: () => number;
  readonly sent: { readonly signal: Signal; readonly id: string }[];
  backend: Backend;
  kills: number;
  accepted: number;
  retries: number;
}

test('e2e: a batch is stored once, however often the backend dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-once-'));
  const backend = await startBackend(folder);
  const random = seededRandom(SEED);
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
    for (const table of TABLES) await checkRows(course, table);
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

/** Each batch of the signal has all its records in the table, and each once. */
async function checkRows({ sent, backend }: Course, of: TableOfRecords): Promise<void> {
  const { signal, table, key } = of;
  const rows = await ask(backend.url, `SELECT BatchId AS id, toString(count()) AS rows,
    toString(uniqExact(${key})) AS keys FROM ${table} GROUP BY BatchId`);
  const all = { rows: String(RECORDS), keys: String(RECORDS) };
  const wanted = sent.filter((one) => one.signal === signal).map(({ id }) => ({ id, ...all }));
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  assert.ok(wanted.length > KILLS, `${wanted.length} batches of ${signal}`);
  assert.deepEqual(rows.sort(byId), wanted.sort(byId), `${table}, seed ${SEED}`);
}

/** The engine of a backend that was killed ends by itself, and keeps the folder until then. */
async function startBackend(folder: string): Promise<Backend> {
  const file = join(folder, 'backend.yaml');
  writeFileSync(file, JSON.stringify({
    otlp: { grpc: { endpoint: '127.0.0.1:0' } },
    http: { endpoint: '127.0.0.1:0' },
    sql: { endpoint: '127.0.0.1:0' },
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
    const signal = SIGNALS[sequence % SIGNALS.length]!;
    const batch = recordsOf(signal, id, { random, midnightMs: MIDNIGHT_MS });
    course.sent.push({ signal, id });
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
