// A backend as its process starts it: engine, storage, intake and API in one order, stopped in the
// other; what one run stored the next one finds; a killed engine comes back and everybody is told
// the truth meanwhile; a start that cannot go on leaves nothing running.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, request } from 'undici';
import { startBackend } from '../../backend/main.ts';
import { OperatorError } from '../../runtime/errors.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import { until } from '../contract/fakes.ts';

const skip = existsSync('/proc') ? false : 'there is no /proc to find the engine process in';
const folder = mkdtempSync(join(tmpdir(), 'binnacle-backend-'));
const dispatcher = new Agent();
let backend: Running;
let url: string;

/** Starts one on `folder`; `http` is where its API listens. */
async function start(http = '127.0.0.1:0', abort = new AbortController().signal) {
  const file = join(folder, 'backend.yaml');
  writeFileSync(file, JSON.stringify({
    data_dir: folder,
    otlp: { grpc: { endpoint: '127.0.0.1:0' } },
    http: { endpoint: http },
    sql: { endpoint: '127.0.0.1:0' },
    log: { level: 'error' },
  }));
  return startBackend({ files: [file], env: {}, version: '1.2.3', abort });
}

const stop = async (running: Running | undefined) => running?.stop(AbortSignal.timeout(20_000));

before(async () => {
  backend = await start();
  url = backend.addresses['SQL and API']!;
});

after(async () => {
  await dispatcher.destroy();
  await stop(backend);
  rmSync(folder, { recursive: true, force: true });
});

async function get(path: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(url + path, { dispatcher });
  return { status: statusCode, text: await body.text() };
}

async function sql(statement: string): Promise<string> {
  const { text } = await get(`/api/query?format=TSV&sql=${encodeURIComponent(statement)}`);
  return text.trim();
}

async function sendLog(text: string): Promise<number> {
  const { statusCode, body } = await request(`${url}/v1/logs`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [
      { body: { stringValue: text } },
    ] }] }] }),
  });
  await body.dump();
  return statusCode;
}

/** The one value of a metric of this backend. */
async function metric(series: string): Promise<number> {
  const line = (await get('/metrics')).text.split('\n').find((one) => one.startsWith(`${series} `));
  assert.ok(line !== undefined, series);
  return Number(line.split(' ').at(-1));
}

/** The engine processes that work on our folder. */
function enginePids(): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((id) => {
    const command = readCommand(id);
    return command.includes('binnacle.mjs\0engine') && command.includes(folder);
  }).map(Number);
}

function readCommand(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

test('backend: takes a record in, stores it, finds it, and counts it', async () => {
  assert.equal(await sendLog('first'), 200);
  assert.equal(await sql("SELECT Body FROM otel_logs WHERE Body = 'first'"), 'first');
  assert.equal(await metric('binnacle_ingest_records_total{signal="logs",verdict="stored"}'), 1);
  assert.equal(await metric('binnacle_storage_inserts_total{table="otel_logs"}'), 1);
  assert.equal(await metric('binnacle_storage_rows_total{table="otel_logs"}'), 1);
  assert.equal(await metric('binnacle_storage_waiting_bytes'), 0);
  assert.equal(await metric('binnacle_otlp_in_flight_bytes'), 0);
  assert.equal(await metric('binnacle_engine_up'), 1);
  assert.equal(await metric('binnacle_engine_restarts_total'), 0);
  assert.equal(await metric('binnacle_backend_info{version="1.2.3"}'), 1);
  const health = JSON.parse((await get('/health')).text) as {
    status: string;
    checks: {
      clickhouse: { details: { version: string; latency_ms: number } };
      space: { status: string; details: { bytes: number; limit_bytes: number } };
    };
  };
  assert.equal(health.status, 'healthy');
  assert.match(health.checks.clickhouse.details.version, /^\d+\.\d+/);
  const { space } = health.checks;
  assert.equal(space.status, 'healthy');
  assert.ok(space.details.limit_bytes > space.details.bytes, 'embedded, there is a limit');
});

test('backend: an engine that is killed is back soon; a half result is cut, health tells', { skip },
  async () => {
    const { body } = await request(`${url}/api/query?format=TSV`, {
      dispatcher, method: 'POST', headers: { 'content-type': 'text/plain' },
      body: 'SELECT number, randomPrintableASCII(200) FROM numbers(1000000)',
    });
    await new Promise((resolve) => body.once('readable', resolve));
    const [engine] = enginePids();
    process.kill(engine!, 'SIGKILL');
    await assert.rejects(async () => {
      for await (const _ of body);
    }, 'half a result does not look whole');
    await until(async () => (await get('/health')).status === 503, 'health tells');
    await until(async () => (await get('/health')).status === 200, 'it is back', 30_000);
    assert.equal(await metric('binnacle_engine_restarts_total'), 1);
    assert.equal(await sql('SELECT count() FROM otel_logs'), '1');
  });

test('backend: a port in use is a sentence, and nothing is left running', { skip }, async () => {
  await stop(backend);
  assert.deepEqual(enginePids(), []);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  await assert.rejects(start(`127.0.0.1:${port}`), (error) => error instanceof OperatorError
    && /port is in use/.test(error.message));
  await new Promise((resolve) => taken.close(resolve));
  assert.deepEqual(enginePids(), []);
});

test('backend: asked to end before it has started, it leaves nothing', { skip }, async () => {
  const asked = new AbortController();
  const starting = start('127.0.0.1:0', asked.signal);
  await until(() => enginePids().length > 0, 'the engine is being started');
  asked.abort();
  await assert.rejects(starting);
  await until(() => enginePids().length === 0, 'the engine has ended');
});

test('backend: the next run finds what the last one stored', async () => {
  await stop(backend);
  backend = await start();
  url = backend.addresses['SQL and API']!;
  assert.equal(await sql('SELECT Body FROM otel_logs'), 'first');
});
