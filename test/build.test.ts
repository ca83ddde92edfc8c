// Proves that what `npm run build` makes runs: the agent from its one file, where nothing else is,
// and that the launcher can tell a bundle that is older than its sources.

import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';

const ROOT = new URL('..', import.meta.url).pathname;
const CONFIG = `
receivers: {otlp: {protocols: {grpc: {endpoint: localhost:0}}}}
exporters: {debug: {}}
service:
  telemetry: {metrics: {address: localhost:0}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
`;

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-build-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('build: the agent runs from one file, where nothing else is', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'agent.mjs');
  copyFileSync(join(ROOT, 'dist/agent.mjs'), file);
  writeFileSync(join(folder, 'agent.yaml'), CONFIG);
  const agent = fork(file, ['agent', '--config', 'agent.yaml'], { cwd: folder, execArgv: [],
    env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const ended = once(agent, 'exit');
  const [message] = await Promise.race([once(agent, 'message'), ended]) as [unknown];
  assert.ok(JSON.stringify(message).includes('gRPC'), JSON.stringify(message));
  agent.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

test('build: the agent alone takes plugins, and hands them what they cannot import', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'agent.mjs');
  copyFileSync(join(ROOT, 'dist/agent.mjs'), file);
  const page = readFileSync(join(ROOT, 'docs/plugins.md'), 'utf8');
  const block = (language: string) => page.split(`\`\`\`${language}\n`)[1]!.split('```')[0]!;
  writeFileSync(join(folder, 'team.mjs'), block('js'));
  writeFileSync(join(folder, 'agent.yaml'), block('yaml'));
  const env = { ...process.env, NODE_OPTIONS: '' };
  const options = { cwd: folder, encoding: 'utf8', env } as const;
  const run = (...args: string[]) => execFileSync(process.execPath, [file, ...args], options);
  assert.equal(run('validate', '--config', 'agent.yaml'), 'the configuration is valid\n');
  assert.ok(run('json-schema', 'agent', '--config', 'agent.yaml').includes('Teams by service.'));
});

test('build: what the bundle was made of is files, or no start would find it fresh', () => {
  const inputs = JSON.parse(readFileSync(join(ROOT, 'dist/inputs.json'), 'utf8')) as string[];
  assert.deepEqual(inputs.filter((path) => !existsSync(join(ROOT, path))), []);
});

test('build: no character would make V8 hold a source in two bytes each', () => {
  const files = readdirSync(join(ROOT, 'dist')).filter((name) => name.endsWith('.mjs'));
  assert.ok(files.length > 1);
  assert.deepEqual(files.filter((name) =>
    /[^\0-\xff]/.test(readFileSync(join(ROOT, 'dist', name), 'utf8'))), []);
});

test('build: a bundle is stale when a source is newer, gone, or was never bundled', async (t) => {
  const folder = temporaryFolder(t);
  copyFileSync(join(ROOT, 'build.mjs'), join(folder, 'build.mjs'));
  const { isFresh } = await import(pathToFileURL(join(folder, 'build.mjs')).href) as
    { isFresh: () => boolean };
  assert.equal(isFresh(), false);
  for (const name of ['a.ts', 'package-lock.json']) writeFileSync(join(folder, name), '');
  mkdirSync(join(folder, 'dist'));
  const inputs = join(folder, 'dist/inputs.json');
  writeFileSync(inputs, '["a.ts"]');
  utimesSync(inputs, 2e9, 2e9);
  assert.equal(isFresh(), true);
  utimesSync(join(folder, 'a.ts'), 2e9 + 1, 2e9 + 1);
  assert.equal(isFresh(), false);
  rmSync(join(folder, 'a.ts'));
  assert.equal(isFresh(), false);
});
