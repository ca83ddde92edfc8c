// How much memory the agent takes, how long it needs to start, and what it costs while nothing
// happens (goals B5, B7). Memory is what is resident (VmRSS), sampled each second in the second
// half of a phase: the median, and the peak since the start of the process. Each phase is a fresh
// process with an empty data folder. The yardstick is a Node.js process that does nothing.
//
//   npm run bench -- agent_memory [--seconds N] [--starts N]
//
// Phases: starts, until a first request is accepted, which is then on disk; idle, with all scrapers
// of host_metrics every 10 s; 10,000 spans a second in requests of 1,000; a log file that grows by
// 20 MB a second. `--seconds` is the length of the idle phase, 60 at least for a fair B7.

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atMost, memoryMibOf, median, options, report } from './figures.ts';
import {
  createSpanSender, OTLP_ONLY, QUIET, reaches, sendTo, sleep, spanRequest, startAgent, startSink,
  type Measured,
} from './processes.ts';

const { seconds: idleSeconds, starts: startCount } = options({ seconds: 60, starts: 7 });
const LOAD_SECONDS = 20;
const sink = await startSink();

const IDLE = `
receivers:
  otlp: {protocols: {grpc: {endpoint: "localhost:0"}}}
  host_metrics:
    collection_interval: 10s
    scrapers: {cpu: {}, memory: {}, load: {}, disk: {}, filesystem: {}, network: {}, paging: {},
      processes: {}, process: {}, system: {}, pressure: {}}
service:
  ${QUIET}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp]}
    metrics: {receivers: [otlp, host_metrics], exporters: [otlp]}
`;

const tail = (folder: string) => `
receivers: {file_log: {include: ["${folder}/*.log"], start_at: beginning}}
service:
  ${QUIET}
  pipelines: {logs: {receivers: [file_log], exporters: [otlp]}}
`;

interface Memory {
  readonly now: number;
  readonly peak: number;
}

/** Looks each second, from now on, for so long. */
async function watch(subject: Measured, seconds: number): Promise<Memory> {
  const seen: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await sleep(1000);
    if (second >= seconds / 2) seen.push(memoryMibOf(subject.pid).now);
  }
  return { now: median(seen), peak: memoryMibOf(subject.pid).most };
}

async function measureStart(bytes: Uint8Array): Promise<number> {
  const startMs = performance.now();
  const agent = await startAgent(OTLP_ONLY + sendTo(sink.address));
  const sender = createSpanSender(agent.address);
  await sender.send(bytes);
  const tookMs = performance.now() - startMs;
  await sender.close();
  await agent.stop();
  return tookMs;
}

async function measureIdle(): Promise<Memory & { readonly percent: number }> {
  const agent = await startAgent(IDLE + sendTo(sink.address));
  // The first collection, and what follows the start.
  await sleep(15_000);
  const cpu = agent.cpuSeconds();
  const startMs = performance.now();
  const memory = await watch(agent, idleSeconds);
  const percent = (agent.cpuSeconds() - cpu) / ((performance.now() - startMs) / 1000) * 100;
  await agent.stop();
  return { ...memory, percent };
}

async function measureSpans(bytes: Uint8Array): Promise<Memory> {
  const agent = await startAgent(OTLP_ONLY + sendTo(sink.address));
  const sender = createSpanSender(agent.address);
  const sent = sender.sendEvery(bytes, 100, LOAD_SECONDS * 1000);
  const memory = await watch(agent, LOAD_SECONDS);
  await sent;
  await sender.close();
  await agent.stop();
  return memory;
}

/** Lines as programs write them, without a stop; 20 MB a second in a hundred pieces each. */
async function measureTail(): Promise<Memory> {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const line = `2026-01-02T03:04:05.678Z INFO [worker-7] ${'request served '.repeat(9)}\n`;
  const piece = Buffer.from(line.repeat(Math.round(200_000 / line.length)));
  const file = openSync(join(folder, 'app.log'), 'w');
  const agent = await startAgent(tail(folder) + sendTo(sink.address));
  const before = sink.items();
  const startMs = performance.now();
  let pieces = 0;
  const write = async () => {
    for (; pieces < LOAD_SECONDS * 100; pieces++) {
      await sleep(Math.max(0, startMs + pieces * 10 - performance.now()));
      writeSync(file, piece);
    }
  };
  const [memory] = await Promise.all([watch(agent, LOAD_SECONDS), write()]);
  const lines = pieces * Math.round(200_000 / line.length);
  console.log(`tailing: ${sink.items() - before} of ${lines} lines have arrived at the end`);
  await reaches(sink.items, before + lines);
  closeSync(file);
  await agent.stop();
  rmSync(folder, { recursive: true });
  return memory;
}

async function bareMib(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'],
    { env: { ...process.env, NODE_OPTIONS: '' }, stdio: 'ignore' });
  await sleep(2000);
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  child.kill();
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024;
}

const bytes = spanRequest(1000);
const starts: number[] = [];
for (let start = 0; start < startCount; start++) starts.push(await measureStart(bytes));
const bare = { name: 'node alone', value: await bareMib() };
const idle = await measureIdle();
const spans = await measureSpans(bytes);
const logs = await measureTail();
await sink.stop();
const peaks = Object.entries({ idle, spans, logs }).map(([name, { peak }]) =>
  `${name} ${peak.toFixed(1)} MiB`);
console.log(`peaks: ${peaks.join(', ')}`);
report({ id: 'B5', name: 'agent, cold start to the first accepted request', value: median(starts),
  rounds: starts, unit: 'ms', goal: atMost(400) });
const say = (what: string, { now }: Memory, goal: number) => report({ id: 'B5',
  name: `agent memory, ${what}`, value: now, unit: 'MiB', yardstick: bare, goal: atMost(goal) });
say('idle with host metrics', idle, 60);
say('10,000 spans/s', spans, 80);
say('tailing 20 MB/s', logs, 90);
report({ id: 'B7', name: 'agent idle, host metrics every 10 s', value: idle.percent,
  unit: '% of a core', goal: atMost(0.5) });
