// Proves, with processes of their own on a real disk: what tail_sampling accepted is there after
// SIGKILL; a million spans that wait take no more memory than they may.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { createFiles } from '../../../../runtime/files.ts';
import { NEVER, temporaryFolder } from '../../../contract/fakes.ts';
import { startSampler } from './sampler.ts';

const SCRIPT = new URL('./waiting.ts', import.meta.url).pathname;
const MIB = 1024 * 1024;

function run(args: readonly string[], killMs?: number): Promise<string> {
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', SCRIPT, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    if (killMs !== undefined) timer ??= setTimeout(() => child.kill('SIGKILL'), killMs);
  });
  return new Promise((resolve) => child.once('close', () => resolve(output)));
}

test('tail_sampling: a process that is killed has kept every span that it accepted', async () => {
  for (const killMs of [50, 200]) {
    const folder = temporaryFolder();
    const names = (await run(['accept', folder], killMs)).split('\n').slice(0, -1);
    assert.ok(names.length > 0);
    const after = await startSampler({ decision_wait: '1s' }, { files: createFiles(), folder });
    await after.clock.advance(1000);
    await after.processor.stop(NEVER);
    const kept = new Set(after.kept().map(({ name }) => name));
    assert.deepEqual(names.filter((name) => !kept.has(name)), []);
  }
});

interface Filled {
  readonly grownBytes: number;
  readonly countedBytes: number;
  readonly waiting: number;
  readonly journalItems: number;
  readonly early: number;
}

const fill = async (traces: number, spans: number): Promise<Filled> =>
  JSON.parse(await run(['fill', temporaryFolder(), String(traces), String(spans)])) as Filled;

test('tail_sampling: a million spans that wait take no more memory than they may', async (t) => {
  const filled = await fill(20_000, 50);
  t.diagnostic(JSON.stringify(filled));
  assert.equal(filled.waiting, 20_000);
  assert.ok(filled.journalItems >= 1_000_000);
  assert.equal(filled.early, 0);
  assert.ok(filled.countedBytes <= 32 * MIB, String(filled.countedBytes));
  // What is counted is what it takes, within a quarter and what the process needs besides.
  assert.ok(filled.grownBytes <= filled.countedBytes * 1.25 + 16 * MIB, String(filled.grownBytes));
});

test('tail_sampling: more traces than fit into memory: the oldest are decided early', async (t) => {
  const filled = await fill(100_000, 1);
  t.diagnostic(JSON.stringify(filled));
  assert.ok(filled.early > 0);
  assert.ok(filled.countedBytes <= 32 * MIB, String(filled.countedBytes));
  assert.ok(filled.grownBytes <= 80 * MIB, String(filled.grownBytes));
});
