// The engine is killed with SIGKILL while data flows: it is back within seconds, the agent keeps
// what it accepted in its queue and sends again, and every record that a client got an OK for is in
// SQL afterwards.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Batch } from '../../proto/contract/batch.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createClock } from '../../runtime/clock.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { startStack, type Stack } from './stack.ts';

const SENDERS = 4;
const RECORDS_PER_REQUEST = 50;
const KILLS = 3;
/** OKs per sender between two kills. */
const REQUESTS_PER_ROUND = 10;

const skip = existsSync('/proc') ? false : 'there is no /proc to find the engine process in';
const clock = createClock();
let stack: Stack;

before(async () => {
  if (skip !== false) return;
  stack = await startStack({
    agent: () => ({
      receivers: { otlp: { protocols: { grpc: { endpoint: '127.0.0.1:0' } } } },
      processors: { batch: { timeout: '20ms' } },
      service: {
        pipelines: { logs: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp'] } },
        telemetry: { metrics: { address: '' } },
      },
    }),
  });
});

after(() => stack?.stop());

test('e2e: nothing acknowledged is gone after the engine was killed', { skip }, async () => {
  const endpoint = parseEndpoint(stack.addresses['OTLP gRPC']!)!;
  const client = createOtlpGrpcClient({
    endpoint, clock, tls: null, compression: 'none', timeoutMs: 60_000,
  });
  const acknowledged: string[] = [];
  const recoveriesMs: number[] = [];
  let gone: string[] = [];
  for (let round = 0; round <= KILLS; round += 1) {
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, sender) =>
      send(client, `r${round}s${sender}`, acknowledged)));
    await untilGrown(acknowledged);
    if (round < KILLS) process.kill(enginePid(), 'SIGKILL');
    const killedMs = clock.monotonicMs();
    await sending;
    gone = await untilStored(acknowledged);
    if (round < KILLS) recoveriesMs.push(clock.monotonicMs() - killedMs);
  }
  await client.close();
  assert.equal(acknowledged.length,
    (KILLS + 1) * SENDERS * REQUESTS_PER_ROUND * RECORDS_PER_REQUEST);
  assert.deepEqual(gone, []);
  assert.ok(Math.max(...recoveriesMs) < 15_000, `back after ${recoveriesMs.join(', ')} ms`);
});

/** Sends until so many requests got an OK; what is put off is sent again, as an SDK would. */
async function send(
  client: ReturnType<typeof createOtlpGrpcClient>,
  name: string,
  acknowledged: string[],
): Promise<void> {
  const never = new AbortController().signal;
  for (let number = 0; number < REQUESTS_PER_ROUND; number += 1) {
    const keys = Array.from({ length: RECORDS_PER_REQUEST }, (_, i) => `${name}n${number}i${i}`);
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await client.send(logsOf(keys), attempt, never);
      assert.notEqual(outcome.status, 'rejected', JSON.stringify(outcome));
      if (outcome.status === 'accepted') break;
      await clock.sleep(100);
    }
    acknowledged.push(...keys);
  }
}

function logsOf(keys: readonly string[]): Batch {
  return Batch.fromRequest('logs', { resourceLogs: [{
    resource: undefined,
    schemaUrl: '',
    scopeLogs: [{ scope: undefined, schemaUrl: '', logRecords: keys.map((key) => ({
      timeUnixNano: clock.nowNs(),
      observedTimeUnixNano: 0n,
      severityNumber: 9,
      severityText: 'INFO',
      body: { type: 'string', value: key },
      attributes: [],
      droppedAttributesCount: 0,
      flags: 0,
      traceId: '',
      spanId: '',
      eventName: '',
    })) }],
  }] });
}

async function untilGrown(list: readonly unknown[]): Promise<void> {
  const { length } = list;
  while (list.length === length) await clock.sleep(5);
}

/** Answers what is not stored after a time that is enough; the store may be away meanwhile. */
async function untilStored(keys: readonly string[]): Promise<string[]> {
  const lastMs = clock.monotonicMs() + 30_000;
  for (;;) {
    const rows = await stack.rows<{ body: string }>('SELECT Body AS body FROM otel_logs')
      .catch(() => []);
    const stored = new Set(rows.map(({ body }) => body));
    assert.equal(rows.length, stored.size, 'a record is stored twice');
    const gone = keys.filter((key) => !stored.has(key));
    if (gone.length === 0 || clock.monotonicMs() > lastMs) return gone;
    await clock.sleep(100);
  }
}

/** The engine is the one child process of the backend that runs the engine's main file. */
function enginePid(): number {
  const found = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).find((id) => {
    const commandLine = readText(`/proc/${id}/cmdline`);
    return commandLine.includes('binnacle.mjs\0engine')
      && commandLine.includes(stack.folder);
  });
  assert.ok(found !== undefined, 'the engine runs');
  return Number(found);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
