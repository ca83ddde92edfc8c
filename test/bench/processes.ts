// What the benches of the agent share: processes whose CPU time and memory are read from /proc
// (Linux only), a backend that takes everything and keeps nothing, and a sender of spans.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batch } from '../../proto/contract/batch.ts';
import { ACCEPTED } from '../../proto/contract/outcome.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createOtlpGrpcServer } from '../../proto/grpc/server.ts';
import { encodeRequest } from '../../proto/otlp/codec.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { createWorld } from '../../runtime/world.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';
import { cpuUsOf } from './figures.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;

export const world = createWorld();
export const sleep = (ms: number) => world.clock.sleep(ms);

export interface Measured {
  readonly pid: number;
  /** Milliseconds from its start until it said that it is ready. */
  readonly readyMs: number;
  /** Where it takes OTLP/gRPC in. */
  readonly address: string;
  /** User and system time so far, of all its threads. */
  cpuSeconds(): number;
  /** Sends it a message and waits for the answer. */
  ask(message: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts `file`, which says by IPC where it listens, as every process of Binnacle does. */
export async function startProcess(
  file: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
): Promise<Measured> {
  const startMs = performance.now();
  const child = fork(file, args, { execArgv: [...execArgv],
    env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${file} ended before it was ready: ${code}`);
  });
  const message = await Promise.race([once(child, 'message'), ended]);
  // Later its end is no failure.
  ended.catch(() => {});
  const { addresses } = message[0] as { addresses: Record<string, string> };
  const readyMs = performance.now() - startMs;
  const pid = child.pid!;
  return {
    pid, readyMs,
    address: addresses['OTLP gRPC'] ?? '',
    cpuSeconds: () => cpuUsOf(pid) / 1e6,
    ask: async (message) => {
      const answered = once(child, 'message');
      child.send(message);
      await answered;
    },
    stop: () => end(child),
  };
}

/** An agent with this configuration, in a data folder of its own. */
export async function startAgent(yaml: string, file = join(ROOT, 'binnacle.mjs')) {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const config = join(folder, 'agent.yaml');
  writeFileSync(config, `data_dir: ${folder}/data\n${yaml}`);
  const agent = await startProcess(file, ['agent', '--config', config]);
  return {
    ...agent,
    folder,
    stop: async () => {
      await agent.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The part of a configuration that says where to send, and nothing of the agent's own. */
export const sendTo = (address: string, compression = 'none') => `
exporters:
  otlp: {endpoint: "${address}", tls: {insecure: true}, compression: ${compression}}
`;

export const QUIET = 'telemetry: {logs: {level: error}, metrics: {address: "localhost:0"}}';

export const OTLP_ONLY = `
receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:0"}}}}
service:
  ${QUIET}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}
`;

/** Takes everything; counts it. */
export async function startSink() {
  let items = 0;
  const server = createOtlpGrpcServer({
    endpoint: { host: '127.0.0.1', port: 0 }, setting: 'sink', world,
    messageBytesMax: 64 * MIB,
    consumer: {
      consume: async ({ itemCount }) => {
        items += itemCount;
        return ACCEPTED;
      },
    },
  });
  await server.start();
  return {
    address: `127.0.0.1:${server.endpoint().port}`,
    items: () => items,
    stop: () => server.stop(AbortSignal.abort()),
  };
}

/** A request of so many spans, as bytes. */
export function spanRequest(spans: number): Uint8Array {
  return encodeRequest('traces', generateServiceSpans(seededRandom(1), spans));
}

/** Sends requests; what is not accepted ends the bench. */
export function createSpanSender(address: string) {
  const client = createOtlpGrpcClient({
    endpoint: parseEndpoint(address)!, clock: world.clock, tls: null, compression: 'none',
    timeoutMs: 30_000,
  });
  const send = async (bytes: Uint8Array): Promise<void> => {
    const outcome = await client.send(Batch.fromBytes('traces', bytes), 0, NEVER);
    if (outcome.status !== 'accepted') throw new Error(JSON.stringify(outcome));
  };
  return {
    send,
    /** `count` requests, so many at the same time. */
    sendMany: async (bytes: Uint8Array, count: number, atOnce: number) => {
      let left = count;
      await Promise.all(Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await send(bytes);
      }));
    },
    /** One request every `intervalMs`, for so long. */
    sendEvery: async (bytes: Uint8Array, intervalMs: number, forMs: number) => {
      const startMs = performance.now();
      const sent: Promise<void>[] = [];
      for (let at = 0; at < forMs; at += intervalMs) {
        await sleep(Math.max(0, startMs + at - performance.now()));
        sent.push(send(bytes));
      }
      await Promise.all(sent);
    },
    close: () => client.close(),
  };
}

/** Waits until `value` is at least `wanted`. */
export async function reaches(value: () => number, wanted: number): Promise<void> {
  while (value() < wanted) await sleep(10);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
