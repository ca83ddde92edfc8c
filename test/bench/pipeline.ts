// From a sender to committed rows on this machine alone: generator → agent with its disk queue →
// backend → engine, all as processes of their own, started anew for each round. How many spans and
// log lines a second get through, what each process spends on one, and that in the end every one is
// there and none twice.
//
//   npm run bench -- pipeline [--spans N] [--lines N] [--rounds N]
//
// Spans come over gRPC in requests of 1,000, 16 at a time (data.ts, about 310 bytes each, every id
// unique); lines (about 110 bytes, each unique) lie in a file that appears in a folder the agent
// follows. The time is that from the first request, or the file's appearance, to the answer to a
// query that counts all rows. Before that a part of the data is sent to warm up. Variants:
//
//   disk     queue and tables on the disk of the temporary folder, each answer after an fsync
//   memory   the same in /dev/shm, where an fsync does nothing: what the disk costs
//   gzip     disk, with the agent's requests packed
//
// Of a machine with other work the time says little; the processor time of all four together says
// what two cores could carry if they did nothing else, and is a figure of its own.

import { setMaxListeners } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batch } from '../../proto/contract/batch.ts';
import type { Sender } from '../../proto/contract/arrival.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createClock } from '../../runtime/clock.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { NEVER } from '../contract/fakes.ts';
import { createProcesses, enginePids } from '../e2e/processes.ts';
import { createAsker } from '../e2e/stack.ts';
import {
  atLeast, atMost, cpuUsOf, inTurns, median, options, ownCpuUs, report, type Figure,
} from './figures.ts';
import { createSpanRequests } from './span_requests.ts';

const { spans, lines, rounds } = options({ spans: 300_000, lines: 300_000, rounds: 1 });
const SPANS_PER_REQUEST = 1000;
const SENDERS = 16;
const WARM_SHARE = 1 / 3;
const MEMORY = '/dev/shm';
const POLL_MS = 25;
const WAIT_MS = 120_000;
const TABLES = {
  spans: { table: 'otel_traces', key: 'SpanId' },
  lines: { table: 'otel_logs', key: 'Body' },
} as const;
type Kind = keyof typeof TABLES;
const PROCESSES = ['generator', 'agent', 'backend', 'engine'] as const;
type ProcessName = (typeof PROCESSES)[number];

interface Run {
  readonly perSecond: number;
  readonly missing: number;
  readonly twice: number;
  /** Microseconds for each row. */
  readonly cpuUs: Record<ProcessName, number>;
}

interface Place {
  /** Where a folder for the data is made. */
  readonly root: string;
  readonly compression: 'none' | 'gzip';
}

const VARIANTS: Record<string, Place> = {
  disk: { root: tmpdir(), compression: 'none' },
  ...(existsSync(MEMORY) ? { memory: { root: MEMORY, compression: 'none' } } : {}),
  gzip: { root: tmpdir(), compression: 'gzip' },
};

const clock = createClock();
// All senders listen to it.
setMaxListeners(0, NEVER);
const requestOf = createSpanRequests(SPANS_PER_REQUEST);
await measure('spans', spans, 200_000);
await measure('lines', lines, 250_000);
process.exit(0);

async function measure(kind: Kind, count: number, goal: number): Promise<void> {
  const results = await inTurns(rounds, Object.fromEntries(Object.entries(VARIANTS)
    .map(([name, place]) => [name, async () => {
      const run = await runOnce(kind, count, place);
      console.log(`  ${kind}, ${name}: ${run.perSecond.toFixed(0)}/s; µs of processor time: `
        + PROCESSES.map((one) => `${one} ${run.cpuUs[one].toFixed(2)}`).join(', '));
      return run;
    }])));
  const of = (name: string, value: (run: Run) => number) => median(results[name]!.map(value));
  const say = (name: string, unit: string, value: (run: Run) => number, beside: string,
    more: Partial<Figure> = {}) => report({
    name: `end to end, ${name}`, unit, value: of('disk', value),
    ...(beside in VARIANTS ? { yardstick: { name: beside, value: of(beside, value) } } : {}),
    rounds: results['disk']!.map(value), ...more,
  });
  say(kind, `${kind}/s`, (run) => run.perSecond, 'memory', { id: 'B3', goal: atLeast(goal) });
  say(`${kind}, what two cores carry by processor time`, `${kind}/s`, carriedByTwoCores, 'gzip',
    { id: 'B3', goal: atLeast(goal) });
  for (const one of PROCESSES) {
    say(`${kind}, processor time of the ${one}`, `µs/${kind.slice(0, -1)}`,
      (run) => run.cpuUs[one], 'gzip');
  }
  const all = Object.values(results).flat();
  const sum = (value: (run: Run) => number) => all.reduce((total, run) => total + value(run), 0);
  report({ id: 'B3', name: `end to end, ${kind} missing`, value: sum((run) => run.missing),
    unit: kind, goal: atMost(0) });
  report({ id: 'B3', name: `end to end, ${kind} stored twice`, value: sum((run) => run.twice),
    unit: kind, goal: atMost(0) });
}

function carriedByTwoCores({ cpuUs }: Run): number {
  return 2e6 / PROCESSES.reduce((sum, name) => sum + cpuUs[name], 0);
}

async function runOnce(kind: Kind, count: number, { root, compression }: Place): Promise<Run> {
  const folder = mkdtempSync(join(root, 'binnacle-bench-'));
  const processes = createProcesses({ folder });
  try {
    const backend = await processes.run('backend', {
      otlp: { grpc: { endpoint: '127.0.0.1:0' } }, http: { endpoint: '127.0.0.1:0' },
      sql: { endpoint: '127.0.0.1:0' },
      log: { level: 'error' },
    });
    const agent = await processes.run('agent',
      agentConfig(folder, backend.addresses['OTLP from agents']!, compression));
    const pids = { agent: agent.pid, backend: backend.pid, engine: enginePids(folder)[0]! };
    const source = kind === 'spans' ? spanSource(agent.addresses['OTLP gRPC']!)
      : lineSource(folder);
    const run = await throughAll(source, count, {
      kind, pids, rows: createAsker(backend.addresses['SQL and API']!).rows,
    });
    await source.close();
    return run;
  } finally {
    await processes.endAll('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Started {
  readonly kind: Kind;
  readonly pids: Record<Exclude<ProcessName, 'generator'>, number>;
  readonly rows: <T>(sql: string) => Promise<T[]>;
}

async function throughAll(source: Source, count: number, started: Started): Promise<Run> {
  const { kind, pids, rows } = started;
  const { table, key } = TABLES[kind];
  const warm = Math.ceil(count * WARM_SHARE / SPANS_PER_REQUEST) * SPANS_PER_REQUEST;
  const [sendWarm, sendAll] = [source.prepare(warm), source.prepare(count)];
  await sendWarm();
  await stored(started, warm);
  const before = cpuOfAll(pids);
  const startMs = clock.monotonicMs();
  await sendAll();
  await stored(started, warm + count);
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  const after = cpuOfAll(pids);
  // What came twice may still be under way.
  await clock.sleep(500);
  const [found] = await rows<{ n: string; keys: string }>(
    `SELECT count() AS n, uniqExact(${key}) AS keys FROM ${table}`);
  const [n, keys] = [Number(found!.n), Number(found!.keys)];
  return {
    perSecond: count / seconds, missing: warm + count - keys, twice: n - keys,
    cpuUs: Object.fromEntries(PROCESSES.map((name) =>
      [name, (after[name] - before[name]) / count])) as Run['cpuUs'],
  };
}

/** Until so many rows are counted, or it takes too long: then they are missing. */
async function stored({ kind, rows }: Started, wanted: number): Promise<void> {
  const endMs = clock.monotonicMs() + WAIT_MS;
  for (;;) {
    const [found] = await rows<{ n: string }>(`SELECT count() AS n FROM ${TABLES[kind].table}`);
    if (Number(found!.n) >= wanted || clock.monotonicMs() > endMs) return;
    await clock.sleep(POLL_MS);
  }
}

function cpuOfAll(pids: Started['pids']) {
  return {
    generator: ownCpuUs(), agent: cpuUsOf(pids.agent), backend: cpuUsOf(pids.backend),
    engine: cpuUsOf(pids.engine),
  };
}

function agentConfig(folder: string, endpoint: string, compression: string) {
  mkdirSync(join(folder, 'logs'));
  const processors = ['memory_limiter', 'batch'];
  return {
    receivers: {
      otlp: { protocols: { grpc: { endpoint: '127.0.0.1:0' } } },
      file_log: { include: [join(folder, 'logs/*.log')], start_at: 'beginning' },
    },
    processors: { memory_limiter: { check_interval: '1s', limit_mib: 512, spike_limit_mib: 128 },
      batch: {} },
    exporters: { otlp: { endpoint, tls: { insecure: true }, compression } },
    service: {
      telemetry: { logs: { level: 'error' }, metrics: { address: 'localhost:0' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors, exporters: ['otlp'] },
        logs: { receivers: ['file_log'], processors, exporters: ['otlp'] },
      },
    },
  };
}

interface Source {
  /** Makes what is to be sent; the answer sends it. */
  prepare(count: number): () => Promise<void>;
  close(): Promise<void>;
}

function spanSource(address: string): Source {
  const client = createOtlpGrpcClient({
    endpoint: parseEndpoint(address)!, clock, tls: null, compression: 'none', timeoutMs: 60_000,
  });
  let made = 0;
  return {
    prepare: (count) => async () => {
      const last = made + Math.ceil(count / SPANS_PER_REQUEST);
      await Promise.all(Array.from({ length: SENDERS }, async () => {
        while (made < last) await send(client, requestOf(made++));
      }));
    },
    close: () => client.close(),
  };
}

async function send(client: Sender, bytes: Buffer): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const { status } = await client.send(Batch.fromBytes('traces', bytes), attempt, NEVER);
    if (status === 'accepted') return;
    if (status === 'rejected') throw new Error('the agent rejected spans');
    await clock.sleep(10);
  }
}

function lineSource(folder: string): Source {
  let file = 0;
  return {
    prepare: (count) => {
      file++;
      const path = join(folder, `${file}.part`);
      const name = `${file}.log`;
      writeFileSync(path, Array.from({ length: count }, (_, index) =>
        `2026-01-02 03:04:05.${index % 1000} INFO [worker-${index % 32}] com.example.shop.Cart: `
          + `added item ${file}-${index} for customer ${index * 7919 % 1_000_003} in 12 ms\n`)
        .join(''));
      return async () => renameSync(path, join(folder, 'logs', name));
    },
    close: async () => {},
  };
}
