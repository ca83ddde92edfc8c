// Backend (with the embedded engine) and agent as processes, on free ports and a folder of their
// own, started the way `binnacle up` starts them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { createChild, type Child } from '../../runtime/child.ts';
import { createClock } from '../../runtime/clock.ts';
import { SILENT_LOG } from '../../runtime/log.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const STOP_MS = 20_000;

export interface Stack {
  readonly folder: string;
  readonly backend: Child;
  readonly agent: Child;
  /** `http://…` of the backend. */
  readonly url: string;
  /** Addresses as the processes gave them. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Runs SQL through the backend's API and returns the rows. */
  rows<T = Record<string, unknown>>(sql: string): Promise<T[]>;
  /** Asks until `done` says that the rows are as they should be, or throws after `waitMs`. */
  until<T>(sql: string, done: (rows: T[]) => boolean, waitMs?: number): Promise<T[]>;
  stop(): Promise<void>;
}

export interface StackOptions {
  /** The agent's configuration; `exporters.otlp` is added by the stack. */
  readonly agent: (folder: string) => Record<string, unknown>;
  /** More settings of `exporters.otlp`. */
  readonly exporter?: Record<string, unknown>;
  /** Sections of the backend's configuration; addresses are added by the stack. */
  readonly backend?: Record<string, unknown>;
  /** Where the backend takes OTLP in; a free port of this machine only, unless given. */
  readonly otlp?: string;
  /** Shown with each question. */
  readonly token?: string;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-e2e-'));
  const backend = child('backend', folder, {
    ...options.backend,
    otlp: { grpc: { endpoint: options.otlp ?? '127.0.0.1:0' } },
    http: { endpoint: '127.0.0.1:0' },
    sql: { endpoint: '127.0.0.1:0' },
  });
  try {
    const started = await backend.start();
    const agent = child('agent', folder, {
      exporters: {
        otlp: {
          endpoint: started['OTLP from agents'],
          tls: { insecure: true },
          retry_on_failure: { initial_interval: '100ms', max_interval: '500ms' },
          ...options.exporter,
        },
      },
      ...options.agent(folder),
    });
    const addresses = { ...started, ...(await agent.start()) };
    return { folder, backend, agent, addresses, 
      ...createAsker(started['SQL and API']!, options.token),
      stop: () => stop(folder, agent, backend) };
  } catch (error) {
    await stop(folder, backend);
    throw error;
  }
}

function child(name: string, folder: string, config: Record<string, unknown>): Child {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  return createChild({
    name,
    args: [join(ROOT, 'binnacle.mjs'), name, '--config', file],
    env: { ...process.env, BINNACLE_DATA_DIR: folder },
    clock: createClock(),
    log: SILENT_LOG,
  });
}

async function stop(folder: string, ...children: Child[]): Promise<void> {
  for (const one of children) await one.stop(AbortSignal.timeout(STOP_MS));
  rmSync(folder, { recursive: true, force: true });
}

/** Asks the backend at `url` in SQL, as the owner of `token`. */
export function createAsker(
  url: string,
  token?: string,
): Pick<Stack, 'url' | 'rows' | 'until'> {
  const rows = async <T>(sql: string): Promise<T[]> => {
    const answer = await request(`${url}/api/query?format=JSONEachRow`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: sql,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${sql}: ${text}`);
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as T);
  };
  const until = async <T>(sql: string, done: (found: T[]) => boolean, waitMs = 20_000) => {
    const clock = createClock();
    const lastMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const found = await rows<T>(sql);
      if (done(found)) return found;
      if (clock.monotonicMs() > lastMs) {
        throw new Error(`not within ${waitMs} ms: ${sql}\n${JSON.stringify(found).slice(0, 2000)}`);
      }
      await clock.sleep(100);
    }
  };
  return { url, rows, until };
}
