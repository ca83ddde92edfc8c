// The command as a person uses it, as real processes: `up` starts everything and says where,
// `query` prints tables and other formats, Ctrl-C stops all, a second start finds the data again;
// what must be mended first is one sentence, a hint and exit code 2, without a stack trace.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { freePort } from './free_port.ts';

const LAUNCHER = new URL('../binnacle.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'binnacle-command-'));
const children = new Set<ChildProcess>();
after(async () => {
  await Promise.all([...children].map(interrupt));
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

const environment = (env: Record<string, string>) =>
  ({ ...process.env, BINNACLE_DATA_DIR: join(folder, 'data'), ...env });

async function run(args: string[], input = '', env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [LAUNCHER, ...args], { env: environment(env) });
  child.stdin.end(input);
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const code = child.exitCode ?? (await once(child, 'exit') as [number])[0];
  return { code, out, errors };
}

function file(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const backendFile = (port = 0): string => file(`backend-${port}.json`, {
  otlp: { grpc: { endpoint: '127.0.0.1:0' } },
  http: { endpoint: `127.0.0.1:${port}` },
  sql: { endpoint: '127.0.0.1:0' },
});

test('command: help and version are printed, a mistake is exit code 2', async () => {
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  for (const command of ['up', 'agent', 'backend', 'query', 'validate']) {
    assert.match(help.out, new RegExp(`^  ${command}\\b`, 'm'));
  }
  assert.match((await run(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
  const unknown = await run(['agnet']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.errors, /binnacle: unknown command 'agnet'\n\(Did you mean agent\?\)/);
});

test('command: validate says what is wrong and where', async () => {
  assert.deepEqual(await run(['validate']),
    { code: 0, out: 'the configuration is valid\n', errors: '' });
  const bad = file('bad.yaml', 'receivers:\n  otlp:\n    protocls:\n');
  const { code, errors } = await run(['validate', '--config', bad]);
  assert.equal(code, 2);
  assert.match(errors, /bad\.yaml:3:5: receivers\.otlp\.protocls: unknown key; did you mean "p/);
  assert.doesNotMatch(errors, /\n\s+at /);
});

test('command: json-schema prints a schema for each role', async () => {
  for (const role of ['agent', 'backend']) {
    const { code, out } = await run(['json-schema', role]);
    assert.equal(code, 0);
    assert.equal(typeof JSON.parse(out).properties, 'object');
  }
});

/** Starts `up` on free ports and waits for its last line; `url` is where the backend answers. */
async function up(): Promise<{ child: ChildProcess; url: string; out: string }> {
  const agent = file('agent.json', {
    receivers: { host_metrics: { collection_interval: '1s', initial_delay: '10ms',
      scrapers: { load: {}, memory: {} } } },
    exporters: { otlp: { endpoint: '${env:AGENT_TARGET}', tls: { insecure: true } } },
    service: {
      pipelines: { metrics: { receivers: ['host_metrics'], exporters: ['otlp'] } },
      telemetry: { metrics: { address: '' } },
    },
  });
  const port = await freePort();
  const child = spawn(process.execPath, [LAUNCHER, 'up', '--agent-config', agent,
    '--backend-config', backendFile()], {
    env: environment({
      AGENT_TARGET: `127.0.0.1:${port}`,
      BINNACLE_OTLP_GRPC_ENDPOINT: `127.0.0.1:${port}`,
    }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let out = '';
  for await (const chunk of child.stdout!) {
    out += String(chunk);
    if (out.includes('Ask:')) break;
  }
  assert.match(out, /Ask:/, 'it ended before it was running');
  const url = /SQL and API\s+(http:\S+)/.exec(out)![1]!;
  return { child, url, out };
}

async function interrupt(child: ChildProcess): Promise<number | null> {
  children.delete(child);
  const exit = once(child, 'exit');
  child.kill('SIGINT');
  return (await exit as [number])[0];
}

test('command: up collects and answers; Ctrl-C stops all; the data is there again', async () => {
  const first = await up();
  assert.match(first.out, /^binnacle \d+\.\d+\.\d+ is running; Ctrl-C stops it\n/);
  const ask = (sql: string, ...flags: string[]) =>
    run(['query', '--url', first.url, ...flags, ...(sql === '' ? [] : [sql])]);

  const metrics = "SELECT count() FROM otel_metrics_gauge WHERE MetricName LIKE 'system.cpu.load%'";
  let rows = 0;
  const lastMs = performance.now() + 30_000;
  while (rows < 3 && performance.now() < lastMs) {
    rows = Number((await ask(metrics, '--format', 'TSV')).out);
  }
  assert.ok(rows >= 3);

  const table = await ask("SELECT 1 AS one, 'x' AS text", '-f', 'table');
  assert.equal(table.out, [
    '┌─one─┬─text─┐', '│   1 │ x    │', '└─────┴──────┘', '',
  ].join('\n'));
  const csv = await ask('SELECT {a:String} AS a, {b:UInt8} AS b', '-f', 'CSVWithNames',
    '-p', "a=it's", '-p', 'b=7');
  assert.equal(csv.out, '"a","b"\n"it\'s",7\n');
  const piped = await run(['query', '--url', first.url, '-f', 'TSV'], 'SELECT 42');
  assert.equal(piped.out, '42\n');
  const wrong = await ask('SELECT nothing FROM nowhere');
  assert.equal(wrong.code, 1);
  assert.match(wrong.errors, /^binnacle: TABLE_DENIED: /);
  assert.equal((await ask('DROP TABLE otel_logs')).code, 1);

  assert.equal(await interrupt(first.child), 0);
  assert.deepEqual(processesOf(join(folder, 'data')), []);

  const second = await up();
  const again = await run(['query', '--url', second.url, '-f', 'TSV', metrics]);
  assert.ok(Number(again.out) >= rows, `${again.out} of ${rows} rows are there`);
  assert.equal(await interrupt(second.child), 0);
});

test('command: a second backend on the same folder is told so', async () => {
  const first = spawn(process.execPath, [LAUNCHER, 'backend', '--config', backendFile()],
    { env: environment({ BINNACLE_LOG_LEVEL: 'info' }), stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(first);
  for await (const chunk of first.stderr!) if (String(chunk).includes('engine is ready')) break;
  first.stderr!.resume();
  const second = await run(['backend', '--config', backendFile()]);
  assert.equal(second.code, 2);
  assert.match(second.errors, /^binnacle: cannot open data folder .*: another process uses it/m);
  assert.doesNotMatch(second.errors, /\n\s+at /);
  assert.equal(await interrupt(first), 0);
});

test('command: what must be mended first is one sentence and exit code 2', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const check = async (args: string[], wanted: RegExp, env: Record<string, string> = {}) => {
    const { code, errors } = await run(args, '', { BINNACLE_LOG_LEVEL: 'error', ...env });
    assert.equal(code, 2, errors);
    assert.match(errors, wanted);
    assert.doesNotMatch(errors, /\n\s+at /);
  };
  await check(['backend', '--config', backendFile(port)],
    new RegExp(`^binnacle: cannot listen on 127.0.0.1:${port}: the port is in use\n  .*http\\.e`));
  await check(['backend', '--config', backendFile()], /^binnacle: cannot .* folder/,
    { BINNACLE_DATA_DIR: join(file('in-the-way', ''), 'data') });
  await check(['agent', '--config', join(folder, 'absent.yaml')], /absent\.yaml: .*not exist/);
  await check(['agent', '--config', file('broken.yaml', 'receivers: [')], /broken\.yaml:1:\d+/);
  const away = await run(['query', '--url', `http://127.0.0.1:${await freePort()}`, 'SELECT 1']);
  assert.equal(away.code, 2);
  assert.match(away.errors, /cannot reach the backend .*: connection refused\n {2}start it/);
  taken.close();
});

function processesOf(mark: string): string[] {
  try {
    return readdirSync('/proc').filter((id) => /^\d+$/.test(id) && id !== String(process.pid))
      .map(commandOf).filter((command) => command.includes(mark));
  } catch {
    return [];
  }
}

function commandOf(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
