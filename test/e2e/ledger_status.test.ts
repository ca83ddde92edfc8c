// The ledger with the real processes, asked by `binnacle status`: everything that an agent took is
// accounted for, also after it was killed with SIGKILL; what the backend refused and what a full
// queue dropped is counted by reason; and when the rows and books of one batch are deleted by hand
// in the store, that batch is named and the command ends with 1.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { BackendStatus } from '../../backend/client/status_page.ts';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { createClock } from '../../runtime/clock.ts';
import { startStorage } from '../backend/storage/clickhouse/storage_fixture.ts';
import { freePort } from '../free_port.ts';
import { createProcesses, type Process, type Processes } from './processes.ts';

const LAUNCHER = new URL('../../binnacle.mjs', import.meta.url).pathname;
const WAIT_MS = 60_000;
const ATTEMPTS_MAX = 50;
const RETRY_MS = 200;
const clock = createClock();
let folder: string;
let processes: Processes;
let grpc: number;
let http: number;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-e2e-'));
  processes = createProcesses({ folder });
  [grpc, http] = [await freePort(), await freePort()];
});

after(async () => {
  await processes.endAll('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

const backend = () => processes.run('backend', {
  otlp: { grpc: { endpoint: `127.0.0.1:${grpc}` } }, http: { endpoint: `127.0.0.1:${http}` },
  sql: { endpoint: '127.0.0.1:0' },
});

const agent = (queue: object = {}) => processes.run('agent', {
  receivers: {
    otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } },
    internal_metrics: { collection_interval: '200ms' },
  },
  exporters: { otlp: {
    endpoint: `127.0.0.1:${grpc}`,
    tls: { insecure: true },
    retry_on_failure: { initial_interval: '100ms', max_interval: '300ms' },
    sending_queue: queue,
  } },
  service: {
    telemetry: { metrics: { address: '' }, logs: { level: 'error' } },
    pipelines: {
      logs: { receivers: ['otlp'], exporters: ['otlp'] },
      traces: { receivers: ['otlp'], exporters: ['otlp'] },
      metrics: { receivers: ['internal_metrics'], exporters: ['otlp'] },
    },
  },
});

/** As OTLP's senders do, it comes again after 503: a queue drops nothing that is on its way. */
async function post({ addresses }: Process, signal: 'logs' | 'traces', body: object) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(`http://${addresses['OTLP HTTP']}/v1/${signal}`, {
      method: 'POST', body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', connection: 'close' },
    });
    const said = await answer.text();
    if (answer.status !== 503 || attempt === ATTEMPTS_MAX) {
      return assert.equal(answer.status, 200, said);
    }
    await clock.sleep(RETRY_MS);
  }
}

async function sendLogs(to: Process, requests: number, body = 'line'): Promise<void> {
  for (let request = 0; request < requests; request++) {
    const timeUnixNano = String(clock.nowNs());
    const logRecords = Array.from({ length: 10 }, () =>
      ({ timeUnixNano, body: { stringValue: body } }));
    await post(to, 'logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  }
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

async function status(...flags: string[]): Promise<Said> {
  const child = spawn(process.execPath,
    [LAUNCHER, 'status', '--url', `http://127.0.0.1:${http}`, ...flags]);
  const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, out, errors };
}

/** Asks until `done`; throws what was said last after a while. */
async function ledgerWhen(done: (ledger: BackendStatus['ledger']) => boolean) {
  const lastMs = clock.monotonicMs() + WAIT_MS;
  for (;;) {
    const said = await status('--json');
    assert.notEqual(said.code, 2, said.errors);
    const { ledger } = JSON.parse(said.out) as BackendStatus;
    if (done(ledger)) return { ledger, code: said.code };
    assert.ok(clock.monotonicMs() < lastMs, `${said.out}`);
    await clock.sleep(300);
  }
}

const storedOf = ({ agents }: BackendStatus['ledger'], wanted: string): number =>
  agents.flatMap(({ signals }) => signals).filter(({ signal }) => signal === wanted)
    .reduce((sum, { stored }) => sum + stored, 0);

test('e2e: the ledger balances over kills, counts what is refused and dropped, names a gap',
  { timeout: 300_000 }, async () => {
    assert.equal((await status()).code, 2);
    const first = await backend();
    let collector = await agent();
    await sendLogs(collector, 20);
    const balanced = await ledgerWhen((ledger) => storedOf(ledger, 'logs') === 200
      && ledger.agents[0]!.signals.some(({ signal, received }) =>
        signal === 'logs' && received === 200));
    assert.equal(balanced.code, 0, JSON.stringify(balanced.ledger.gaps));
    assert.match(balanced.ledger.statement, /^0 of [\d,]+ records lost$/);

    await sendLogs(collector, 5);
    await collector.end('SIGKILL');
    collector = await agent();
    await sendLogs(collector, 5);
    // A span without a trace id is refused alone.
    await post(collector, 'traces', { resourceSpans: [{ scopeSpans: [{ spans: [
      { traceId: '', spanId: '', name: 'nothing', startTimeUnixNano: '1', endTimeUnixNano: '2' },
    ] }] }] });
    const killed = await ledgerWhen((ledger) => storedOf(ledger, 'logs') === 300
      && ledger.agents[0]!.refused === 1);
    assert.deepEqual(killed.ledger.gaps, []);
    assert.equal(killed.code, 0);

    await collector.end('SIGTERM');
    await first.end('SIGTERM');
    collector = await agent({ queue_size: '1MiB', drop_oldest: true, block_on_overflow: false });
    await sendLogs(collector, 100, 'x'.repeat(3000));
    const second = await backend();
    // A batch of the agent's own metrics is on its way at any time.
    const dropped = await ledgerWhen((ledger) =>
      (ledger.agents[0]!.dropped['overflow'] ?? 0) > 0
      && ledger.agents[0]!.queues.every(({ batches }) => batches <= 1)
      && storedOf(ledger, 'logs') > 300);
    assert.deepEqual(dropped.ledger.gaps, []);
    assert.equal(dropped.code, 0);
    await collector.end('SIGTERM');
    await second.end('SIGTERM');

    const gone = await deleteOneBatch();
    await backend();
    const { ledger, code } = await ledgerWhen(({ gaps }) => gaps.length > 0);
    assert.equal(code, 1);
    const [gap] = ledger.gaps;
    assert.equal(ledger.gaps.length, 1);
    assert.deepEqual([`${gap!.agent}/${gap!.epoch}/${gap!.from}`, gap!.to, gap!.kind],
      [gone, gap!.from, 'never arrived']);
    const page = await status();
    assert.equal(page.code, 1);
    assert.match(page.out, /^1 batch of unknown size of [\d,]+ records lost/m);
    assert.ok(page.out.includes(`never arrived: batch ${gap!.from} of agent ${gap!.agent}`));
  });

/** Takes the rows of a batch of logs, and its entries in the books, out of the store. */
async function deleteOneBatch(): Promise<string> {
  const engine = createEngine({ path: join(folder, 'engine') });
  const { url } = await engine.start();
  const store = await startStorage(url);
  try {
    const [row] = await store.rows<{ id: string }>(
      "SELECT toString(any(BatchId)) AS id FROM otel_logs WHERE Body = 'line' LIMIT 1");
    for (const table of ['otel_logs', 'binnacle_batches']) {
      await store.rows(`ALTER TABLE ${table} DELETE WHERE BatchId = '${row!.id}'
        SETTINGS mutations_sync = 2`);
    }
    return row!.id;
  } finally {
    await store.stop();
    await engine.stop(AbortSignal.timeout(20_000));
  }
}
