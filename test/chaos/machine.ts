// The machine of a run: agent, proxy, backend and engine in a folder of their own, and everything
// that can be done to them. A process that is not meant to be away is started again when it ended.

import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync }
  from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { createClock } from '../../runtime/clock.ts';
import { createProcesses, enginePids, type Process } from '../e2e/processes.ts';
import { freePort } from '../free_port.ts';
import { startProxy, type Proxy } from './proxy.ts';

/** Where the agent's queue lies, and how large it may become. */
export type Storage = 'large queue' | 'small queue' | 'small disk';

export interface MachineOptions {
  readonly storage: Storage;
  readonly random: () => number;
}

export interface Machine {
  readonly folder: string;
  readonly proxy: Proxy;
  readonly agent: Keeper;
  readonly backend: Keeper;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where the log file is to be written. */
  readonly logFolder: string;
  /** URL of the backend's API, as of its last start. */
  api(): string;
  /** URL of the store itself: analysts may not see all that is compared. */
  engine(): string;
  /** A number of the agent's own metrics; null while it does not answer. */
  metric(name: string): Promise<number | null>;
  /** Takes all that is left of the disk that the agent's queue is on. Only for a small disk. */
  fillDisk(): void;
  freeDisk(): void;
  signalEngine(signal: NodeJS.Signals): boolean;
  /** Kills everything and removes the folder, unless it is to be kept. Safe twice. */
  stop(keep: boolean): Promise<void>;
}

const DISK_BYTES = 64 * 1024 * 1024;
const clock = createClock();

export async function startMachine(options: MachineOptions): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-chaos-'));
  const disk = join(folder, 'agent');
  mkdirSync(disk);
  if (options.storage === 'small disk') mountDisk(disk);
  const outputs = new Map(['agent', 'backend'].map((name) =>
    [name, openSync(join(folder, `${name}.log`), 'a')]));
  const processes = createProcesses({
    folder,
    dataFolder: (name) => join(folder, name),
    output: (name) => outputs.get(name)!,
  });
  const proxy = await startProxy(options.random);
  const ports = { grpc: await freePort(), http: await freePort(), metrics: await freePort() };
  let api = '';
  let store = '';
  const backend = createKeeper('backend', outputs.get('backend')!, async () => {
    const started = await processes.run('backend', BACKEND);
    api = started.addresses['SQL and API']!;
    store = started.addresses['ClickHouse']!.split(' ')[0]!;
    proxy.target = Number(started.addresses['OTLP from agents']!.split(':').at(-1));
    return started;
  });
  const logFolder = join(folder, 'logs');
  const config = agentConfig({ ...ports, logFolder, endpoint: proxy.endpoint, ...options });
  const agent = createKeeper('agent', outputs.get('agent')!, () =>
    processes.run('agent', config));
  const end = async (keep: boolean): Promise<void> => {
    agent.abandon();
    backend.abandon();
    await Promise.all([processes.endAll('SIGKILL'), proxy.close()]);
    while (signalEngines(folder, 'SIGKILL')) await clock.sleep(20);
    for (const output of outputs.values()) closeSync(output);
    if (options.storage === 'small disk') unmountDisk(disk, keep);
    if (!keep) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let ended: Promise<void> | undefined;
  const filler = join(disk, 'filler');
  return {
    folder, proxy, agent, backend, logFolder,
    stop: (keep) => (ended ??= end(keep)),
    grpcPort: ports.grpc,
    httpPort: ports.http,
    api: () => api,
    engine: () => store,
    metric: (name) => readMetric(ports.metrics, name),
    fillDisk: () => fill(filler),
    freeDisk: () => rmSync(filler, { force: true }),
    signalEngine: (signal) => signalEngines(folder, signal),
  };
}

/** A process that is kept running. */
export interface Keeper {
  /**
   * Starts it. Where it has run before it is started again for as long as it cannot, since what it
   * needs may be away; the first time it throws.
   */
  start(): Promise<void>;
  /** Sends a signal; false when it is not there. */
  signal(signal: NodeJS.Signals): boolean;
  /** Ends it in this way, and resolves when it has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Deaths that nobody has caused, and starts that failed too often. */
  readonly troubles: readonly string[];
  /** It is not watched any longer. */
  abandon(): void;
}

const START_MS_MAX = 90_000;
const START_AGAIN_MS = 500;

function createKeeper(
  name: string, output: number, run: () => Promise<Process>,
): Keeper {
  const troubles: string[] = [];
  let current: Process | null = null;
  let hasRun = false;
  let abandoned = false;
  const start = async (): Promise<void> => {
    const lastMs = clock.monotonicMs() + START_MS_MAX;
    for (;;) {
      try {
        const started = await run();
        current = started;
        hasRun = true;
        void started.exited.then((how) => {
          if (current === started && !abandoned) void died(how);
        });
        return;
      } catch (error) {
        if (abandoned) return;
        if (!hasRun) throw error;
        writeSync(output, `${String(error)}\n`);
        if (clock.monotonicMs() > lastMs) {
          troubles.push(`${name} does not start: ${String(error)}`);
          return;
        }
        await clock.sleep(START_AGAIN_MS);
      }
    }
  };
  const died = async (how: string): Promise<void> => {
    current = null;
    troubles.push(`${name} ended by itself: ${how}`);
    await start();
  };
  return {
    start, troubles,
    signal: (signal) => current !== null && signalProcess(current.pid, signal),
    end: async (signal) => {
      const ending = current;
      current = null;
      await ending?.end(signal);
    },
    abandon: () => {
      abandoned = true;
    },
  };
}

const BACKEND = {
  otlp: { grpc: { endpoint: '127.0.0.1:0' } },
  http: { endpoint: '127.0.0.1:0' },
  sql: { endpoint: '127.0.0.1:0' },
  engine: { memory_limit: '1GiB' },
  query: { max_result_rows: 10_000_000 },
};

/** Full after some five seconds without a backend. */
const SMALL_QUEUE = { sizer: 'requests', queue_size: 150 };

function agentConfig(options: {
  grpc: number; http: number; metrics: number; logFolder: string; endpoint: string;
  storage: Storage;
}): unknown {
  const receivers = ['otlp'];
  return {
    receivers: {
      otlp: { protocols: {
        grpc: { endpoint: `127.0.0.1:${options.grpc}` },
        http: { endpoint: `127.0.0.1:${options.http}` },
      } },
      file_log: {
        include: [join(options.logFolder, 'app.log*')],
        start_at: 'beginning',
        resource: { 'service.name': LINES_SERVICE },
        retry_on_failure: { initial_interval: '200ms', max_interval: '1s' },
      },
    },
    processors: { batch: { timeout: '50ms' } },
    exporters: { otlp: {
      endpoint: options.endpoint,
      tls: { insecure: true },
      timeout: '3s',
      retry_on_failure: { initial_interval: '100ms', max_interval: '1s' },
      ...(options.storage === 'small queue' ? { sending_queue: SMALL_QUEUE } : {}),
    } },
    service: {
      pipelines: {
        logs: { receivers: [...receivers, 'file_log'], exporters: ['otlp'] },
        traces: { receivers, processors: ['batch'], exporters: ['otlp'] },
        metrics: { receivers, processors: ['batch'], exporters: ['otlp'] },
      },
      telemetry: { metrics: { address: `127.0.0.1:${options.metrics}` } },
    },
  };
}

export const LINES_SERVICE = 'chaos-lines';

const METRIC_MS = 1000;

async function readMetric(port: number, name: string): Promise<number | null> {
  try {
    const signal = AbortSignal.timeout(METRIC_MS);
    const answer = await request(`http://127.0.0.1:${port}/metrics`, { signal });
    const text = await answer.body.text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  } catch {
    return null;
  }
}

function signalEngines(folder: string, signal: NodeJS.Signals): boolean {
  return enginePids(folder).filter((pid) => signalProcess(pid, signal)).length > 0;
}

/** False when it has just ended. */
function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Why no disk can be mounted here, or false. */
export function noDisks(): string | false {
  if (process.platform !== 'linux') return 'there is no tmpfs';
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-mount-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'binnacle-chaos', folder]);
  if (status === 0) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
  return status === 0 ? false : 'a tmpfs cannot be mounted (that needs root)';
}

function mountDisk(folder: string): void {
  const args = ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'binnacle-chaos', folder];
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot mount a tmpfs: ${stderr}`);
}

function unmountDisk(folder: string, keep: boolean): void {
  if (keep) cpSync(folder, `${folder}.kept`, { recursive: true });
  spawnSync('umount', ['--lazy', folder]);
}

const FILL_BYTES = 1024 * 1024;

function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let size = FILL_BYTES; size >= 1; size = Math.floor(size / 2)) writeAll(file, size);
  } finally {
    closeSync(file);
  }
}

/** Writes pieces of this size until one does not fit. */
function writeAll(file: number, size: number): void {
  const piece = Buffer.alloc(size, 'x');
  try {
    while (writeSync(file, piece) === size);
  } catch {
    // The disk is full.
  }
}
