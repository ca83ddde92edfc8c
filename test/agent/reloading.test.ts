// An agent that reads its configuration again: under load, with real sockets, files and queues,
// every record arrives exactly once while the pipelines are changed many times; what the log and
// the counters say; that a file which changes is noticed; what a broken one does.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAgentConfig, startAgent } from '../../agent/main.ts';
import { startReloading } from '../../agent/reloading.ts';
import { ACCEPTED } from '../../proto/contract/outcome.ts';
import { createOtlpHttpServer } from '../../proto/http/listener.ts';
import { createCounters } from '../../runtime/counters.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import {
  batchOfKeys, createRecordingLog, itemKeys, NEVER, NOW, temporaryFolder, until,
} from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';

interface Variant {
  readonly batchMs?: number;
  readonly attributes?: boolean;
  readonly timeoutS?: number;
  readonly forward?: boolean;
  readonly pollMs?: number;
  readonly debug?: boolean;
}

const configOf = (folder: string, sink: string, variant: Variant = {}) => {
  const { batchMs = 5, attributes, timeoutS = 5, forward, pollMs = 20, debug } = variant;
  const work = attributes === true ? '[attributes, batch]' : '[batch]';
  const out = debug === true ? '[otlp_http, debug]' : '[otlp_http]';
  return `
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } }
  file_log: { include: ["${folder}/*.log"], start_at: beginning, poll_interval: ${pollMs}ms }
processors:
  attributes: { actions: [{ key: seen, value: "yes", action: insert }] }
  batch: { timeout: ${batchMs}ms }
connectors:
  forward:
exporters:
  debug: { output_paths: [stdout], use_internal_logger: false, sampling_initial: 0,
    sampling_thereafter: 0 }
  otlp_http: { endpoint: "http://${sink}", timeout: ${timeoutS}s }
service:
  telemetry: { logs: { level: error }, metrics: { address: "127.0.0.1:0" } }
  pipelines:
${forward === true
    ? `    logs: { receivers: [otlp, file_log], exporters: [forward] }
    logs/2: { receivers: [forward], processors: ${work}, exporters: ${out} }`
    : `    logs: { receivers: [otlp, file_log], processors: ${work}, exporters: ${out} }`}
`;
};

/** Keeps the records of each batch once, as a backend that knows repetitions does. */
function createStore() {
  const batches = new Map<string, string[]>();
  return {
    consumer: {
      consume: async (batch: Parameters<typeof itemKeys>[0]) => {
        batches.set(batch.id!, itemKeys(batch));
        return ACCEPTED;
      },
    },
    keys: () => [...batches.values()].flat(),
  };
}

const post = (agent: Running, keys: readonly string[]) =>
  fetch(`http://${agent.addresses['OTLP HTTP']}/v1/logs`, {
    method: 'POST',
    body: batchOfKeys('logs', keys).bytes as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-protobuf', connection: 'close' },
  });

const metricsOf = async (agent: Running) =>
  (await fetch(agent.addresses['Agent metrics']!, { headers: { connection: 'close' } })).text();

const reloads = async (agent: Running, result: string) => {
  const line = new RegExp(`binnacle_reload_total\\{result="${result}"\\} (\\d+)`);
  return Number(line.exec(await metricsOf(agent))?.[1] ?? 0);
};

const VARIANTS: readonly Variant[] = [
  {}, { batchMs: 20 }, { attributes: true }, { timeoutS: 7 }, { forward: true }, { pollMs: 30 },
  { debug: true }, { attributes: true, forward: true, debug: true, timeoutS: 9, batchMs: 1 },
];
const ROUNDS = 24;

test('agent: every record arrives once while the pipelines change under load', () =>
  withoutLeaks(async (world) => {
    const store = createStore();
    const sink = createOtlpHttpServer({
      endpoint: { host: '127.0.0.1', port: 0 }, setting: 'sink', world, consumer: store.consumer,
    });
    await sink.start();
    const folder = temporaryFolder();
    const file = join(folder, 'agent.yaml');
    const target = `127.0.0.1:${sink.endpoint().port}`;
    writeFileSync(file, configOf(folder, target));
    const env = { BINNACLE_DATA_DIR: join(folder, 'data') };
    const agent = await startAgent({ files: [file], env, version: '1' });
    const sent: string[] = [];
    let sending = true;
    const send = async (sender: number) => {
      for (let call = 0; sending; call++) {
        const keys = Array.from({ length: 5 }, (_, at) => `s${sender}-${call}-${at}`);
        const answer = await post(agent, keys);
        assert.equal(answer.status, 200, await answer.text());
        sent.push(...keys);
        const line = `l${sender}-${call}`;
        appendFileSync(join(folder, 'app.log'), `${line}\n`);
        sent.push(line);
      }
    };
    const senders = [1, 2, 3].map(send);
    const random = createSeededRandom(7);
    for (let round = 1; round <= ROUNDS; round++) {
      const variant = VARIANTS[Math.floor(random.float() * VARIANTS.length)];
      const text = configOf(folder, target, variant);
      writeFileSync(file, round % 6 === 0 ? text.replace('receivers:', 'recievers:') : text);
      agent.reload!();
      const done = async () => {
        const counts = await Promise.all(['changed', 'unchanged', 'refused', 'undone']
          .map((result) => reloads(agent, result)));
        return counts.reduce((sum, count) => sum + count, 0) === round;
      };
      await until(done, `reload ${round}`);
      const before = sent.length;
      await until(() => sent.length >= before + 40, 'more records');
    }
    assert.equal(await reloads(agent, 'refused'), ROUNDS / 6);
    assert.equal(await reloads(agent, 'undone'), 0);
    assert.ok(await reloads(agent, 'changed') > ROUNDS / 2);
    sending = false;
    await Promise.all(senders);
    await until(() => store.keys().length >= sent.length, 'all to arrive').catch(() => {});
    await agent.stop(NEVER);
    assert.deepEqual(store.keys().sort(), sent.sort());
    await sink.stop(NOW);
  }));

async function withReloading(
  body: (bench: Awaited<ReturnType<typeof createBench>>) => Promise<void>,
) {
  await withoutLeaks(async (world) => {
    const bench = await createBench(world);
    try {
      await body(bench);
    } finally {
      bench.reloading.stop();
    }
  });
}

async function createBench(world: Parameters<Parameters<typeof withoutLeaks>[0]>[0]) {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  const write = (reload: string, variant: Variant = {}) =>
    writeFileSync(file, `${configOf(folder, '127.0.0.1:1', variant)}  reload: ${reload}\n`);
  write('{ on_change: true, check_interval: 100ms }');
  const read = () => readAgentConfig({ files: [file], env: {} });
  const first = await read();
  const log = createRecordingLog();
  const counters = createCounters();
  const graph = {
    reload: async () =>
      ({ kept: new Set<string>(), added: ['x'], changed: [], removed: [], pipelines: [] }),
  };
  const reloading = startReloading({ graph, first, world, log, counters, read });
  const count = (result: string) => counters.total('binnacle_reload_total', { result });
  return { file, write, log, graph, reloading, count };
}

test('reloading: a file that changes is noticed, once it has rested', () =>
  withReloading(async ({ file, write, log, count }) => {
    write('{ on_change: true, check_interval: 100ms }', { batchMs: 7 });
    await until(() => count('changed') === 1, 'the change to be noticed');
    writeFileSync(file, readFileSync(file, 'utf8').replace('batch:', 'btach:'));
    await until(() => count('refused') === 1, 'the mistake to be noticed');
    const errors = log.lines.filter(({ level }) => level === 'error').map((one) => one.message);
    assert.match(errors[0]!, /agent\.yaml:\d+:\d+: /);
    assert.match(errors.at(-1)!, /what ran before goes on/);
    write('{ on_change: false }');
    await until(() => count('changed') === 2, 'the mended file to be noticed');
    assert.equal(count('refused'), 1, 'a broken file is read once');
  }));

test('reloading: however often it is asked for, one more follows', () =>
  withReloading(async ({ reloading, count }) => {
    const asked = Array.from({ length: 10 }, () => reloading.reload());
    await Promise.all(asked);
    assert.equal(count('changed'), 2);
  }));

test('reloading: what needs a restart is told', () =>
  withReloading(async ({ file, reloading, log }) => {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, `data_dir: /elsewhere\n${text.replace('level: error', 'level: info')}`);
    await reloading.reload();
    const messages = log.lines.map(({ message }) => message);
    assert.ok(messages.includes(
      'data_dir and service.telemetry changed, which needs a restart of the agent'));
  }));

test('reloading: a bug ends the process', () => withReloading(async ({ graph, reloading }) => {
  graph.reload = async () => {
    throw new TypeError('a bug');
  };
  await reloading.reload();
  await assert.rejects(reloading.failed, { message: 'a bug' });
}));
