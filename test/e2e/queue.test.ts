// The promise of the queue with the real processes: the backend is stopped, the agent goes on
// accepting, the agent is killed with SIGKILL, both start again; then the agent is killed while it
// sends, and the backend while it stores. Every record that a client got an OK for is in SQL once.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createClock } from '../../runtime/clock.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { batchOfKeys, NEVER } from '../contract/fakes.ts';
import { freePort } from '../free_port.ts';
import { createProcesses, type Process, type Processes } from './processes.ts';

const SENDERS = 4;
const REQUESTS_EACH = 25;
const RECORDS_EACH = 20;

const clock = createClock();
let folder: string;
let processes: Processes;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-e2e-'));
  processes = createProcesses({ folder });
});

after(async () => {
  await processes.endAll('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

test('e2e: what the agent accepted while the backend was away survives a kill of the agent',
  { timeout: 180_000 }, async () => {
    const port = await freePort();
    const backendConfig = {
      otlp: { grpc: { endpoint: `127.0.0.1:${port}` } }, http: { endpoint: '127.0.0.1:0' },
      sql: { endpoint: '127.0.0.1:0' },
    };
    const { run } = processes;
    let backend = await run('backend', backendConfig);
    let agent = await run('agent', agentConfig(port));
    const acknowledged = await send(agent, 'a');
    await backend.end('SIGTERM');
    acknowledged.push(...await send(agent, 'b'));
    await agent.end('SIGKILL');
    agent = await run('agent', agentConfig(port));
    acknowledged.push(...await send(agent, 'c'));
    assert.equal(acknowledged.length, 3 * SENDERS * REQUESTS_EACH * RECORDS_EACH);
    backend = await run('backend', backendConfig);
    await untilStored(backend.addresses['SQL and API']!, acknowledged);

    acknowledged.push(...await send(agent, 'd'));
    await agent.end('SIGKILL');
    agent = await run('agent', agentConfig(port));
    acknowledged.push(...await send(agent, 'e'));
    await backend.end('SIGKILL');
    backend = await run('backend', backendConfig);
    await untilStored(backend.addresses['SQL and API']!, acknowledged);
    await agent.end('SIGTERM');
    await backend.end('SIGTERM');
  });

const agentConfig = (port: number) => ({
  receivers: { otlp: { protocols: { grpc: { endpoint: '127.0.0.1:0' } } } },
  exporters: { otlp: {
    endpoint: `127.0.0.1:${port}`,
    tls: { insecure: true },
    retry_on_failure: { initial_interval: '100ms', max_interval: '500ms' },
  } },
  service: {
    pipelines: { logs: { receivers: ['otlp'], exporters: ['otlp'] } },
    telemetry: { metrics: { address: '' }, logs: { level: 'error' } },
  },
});

/** Answers the keys of all records for which an OK came. */
async function send({ addresses }: Process, round: string): Promise<string[]> {
  const client = createOtlpGrpcClient({
    endpoint: parseEndpoint(addresses['OTLP gRPC']!)!, clock, tls: null, compression: 'none',
    timeoutMs: 20_000,
  });
  const acknowledged: string[] = [];
  await Promise.all(Array.from({ length: SENDERS }, async (_, sender) => {
    for (let number = 0; number < REQUESTS_EACH; number++) {
      const keys = Array.from({ length: RECORDS_EACH }, (_, index) =>
        `${round}${sender}.${number}.${index}`);
      const outcome = await client.send(logsOf(keys), 0, NEVER);
      assert.equal(outcome.status, 'accepted', JSON.stringify(outcome));
      acknowledged.push(...keys);
    }
  }));
  await client.close();
  return acknowledged;
}

/** Records of now: older ones are past the time that tables keep them. */
function logsOf(keys: readonly string[]): Batch {
  const { resourceLogs } = batchOfKeys('logs', keys).request;
  const timeUnixNano = clock.nowNs();
  return Batch.fromRequest('logs', { resourceLogs: resourceLogs.map((one) => ({
    ...one,
    scopeLogs: one.scopeLogs.map((scope) => ({
      ...scope, logRecords: scope.logRecords.map((record) => ({ ...record, timeUnixNano })),
    })),
  })) });
}

async function untilStored(url: string, keys: readonly string[]): Promise<void> {
  const lastMs = clock.monotonicMs() + 60_000;
  for (;;) {
    const answer = await request(`${url}/api/query?format=JSONEachRow`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'SELECT Body AS body FROM otel_logs',
    });
    const lines = (await answer.body.text()).split('\n').filter((line) => line !== '');
    const stored = new Set(lines.map((line) => (JSON.parse(line) as { body: string }).body));
    const gone = keys.filter((key) => !stored.has(key));
    assert.equal(lines.length, stored.size, 'a record is stored twice');
    if (gone.length === 0) return;
    assert.ok(clock.monotonicMs() < lastMs, `${gone.length} are not there, such as ${gone[0]}`);
    await clock.sleep(200);
  }
}
