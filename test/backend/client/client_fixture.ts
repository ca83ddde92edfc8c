// A backend as a process of its own on free ports, log records sent to it, and the command that
// asks it: as people run it, and at a pseudo terminal where `script` of util-linux is there.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createChild } from '../../../runtime/child.ts';
import { createClock } from '../../../runtime/clock.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
const LAUNCHER = join(ROOT, 'binnacle.mjs');
const STOP_MS = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export interface ClientFixture {
  readonly url: string;
  /** For files of the tests. */
  readonly folder: string;
  /** Runs the command to its end. */
  run(args: readonly string[], input?: string, env?: Record<string, string>): Promise<Ended>;
  /** Starts the command; who asks for it stops it. */
  start(args: readonly string[], env?: Record<string, string>): ChildProcess;
  /** Types `keys` at a pseudo terminal, each when what is before it has been answered. */
  type(args: readonly string[], keys: readonly Key[], env?: Record<string, string>): Promise<Ended>;
  /** Stores a log record at each time, in milliseconds since 1970. */
  send(timesMs: readonly number[], body?: string): Promise<void>;
  stop(): Promise<void>;
}

export interface Key {
  /** What the screen must show before. */
  readonly seen: RegExp;
  readonly keys: string;
}

export const hasTerminal = spawnSync('script', ['--version']).status === 0;
export const needsTerminal = hasTerminal ? {} : { skip: '`script` of util-linux is not here' };

export async function startBackend(config: Record<string, unknown> = {}): Promise<ClientFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-client-'));
  const file = join(folder, 'backend.json');
  writeFileSync(file, JSON.stringify({
    ...config,
    otlp: { grpc: { endpoint: '127.0.0.1:0' } },
    http: { endpoint: '127.0.0.1:0' },
    sql: { endpoint: '127.0.0.1:0' },
  }));
  const backend = createChild({
    name: 'backend',
    args: [LAUNCHER, 'backend', '--config', file],
    env: { ...process.env, BINNACLE_DATA_DIR: join(folder, 'data') },
    clock: createClock(),
    log: SILENT_LOG,
  });
  const url = (await backend.start())['SQL and API']!;
  const start = (args: readonly string[], env: Record<string, string> = {}) =>
    spawn(process.execPath, [LAUNCHER, ...args], { env: environment(url, folder, env) });
  return {
    url, folder, start,
    run: async (args, input = '', env = {}) => {
      const child = start(args, env);
      child.stdin.end(input);
      return ended(child);
    },
    type: (args, keys, env = {}) => typed(args, keys, environment(url, folder, env)),
    send: (timesMs, body = 'hello') => send(url, timesMs, body),
    stop: async () => {
      await backend.stop(AbortSignal.timeout(STOP_MS));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const environment = (url: string, folder: string, env: Record<string, string>) =>
  ({ ...process.env, BINNACLE_URL: url, XDG_STATE_HOME: join(folder, 'state'), ...env });

export async function ended(child: ChildProcess): Promise<Ended> {
  const exit = child.exitCode === null ? once(child, 'exit') : Promise.resolve([child.exitCode]);
  const [out, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: (await exit as [number | null])[0], out, errors };
}

async function typed(
  args: readonly string[],
  keys: readonly Key[],
  env: NodeJS.ProcessEnv,
): Promise<Ended> {
  const quoted = [process.execPath, LAUNCHER, ...args].map((word) =>
    `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const command = `stty rows 40 cols 100; exec ${quoted}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'],
    { env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' } });
  const exit = once(child, 'exit');
  let out = '';
  let from = 0;
  const left = [...keys];
  const answer = () => {
    const found = left[0]?.seen.exec(out.slice(from));
    if (found === null || found === undefined) return;
    from += found.index + found[0].length;
    child.stdin.write(left.shift()!.keys);
    answer();
  };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
    answer();
  });
  const timer = createClock().after(60_000, () => child.kill('SIGKILL'));
  const [code] = await exit as [number | null];
  timer.cancel();
  child.stdin.destroy();
  return { code, out, errors: left.length === 0 ? '' : `never seen: ${left[0]!.seen}` };
}

async function send(url: string, timesMs: readonly number[], body: string): Promise<void> {
  const logRecords = timesMs.map((ms, index) => ({
    timeUnixNano: `${ms}000000`,
    body: { stringValue: `${body} ${index}` },
  }));
  const answer = await fetch(`${url}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceLogs: [{
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
      scopeLogs: [{ logRecords }],
    }] }),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  await answer.text();
}
