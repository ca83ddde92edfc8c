// Proves what kill -9 does to lines: a process follows files that are written and rotated all the
// time, is killed at random moments and started again. In the end every line was accepted at least
// once; with a disk queue behind exactly once, but for copies: see docs/agent.md.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  appendFileSync, copyFileSync, existsSync, readFileSync, renameSync, truncateSync,
} from 'node:fs';
import { once } from 'node:events';
import { test } from 'node:test';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { temporaryFolder, until } from '../../../contract/fakes.ts';
import { asLines, numbered } from './following.ts';

interface Run {
  readonly script: string;
  readonly seed: number;
  readonly kills: number;
  /** Lines between two kills at most. */
  readonly linesMax: number;
  /** Part of the rotations that copy and truncate. */
  readonly copying: number;
  /** The lines that came out, of what stands in the file; each as often as it did. */
  readonly parse: (text: string) => string[];
}

test('file_log: kill -9 loses no line', { timeout: 60_000 }, async () => {
  const { lines, written } = await killOften({
    script: 'follower.ts', seed: 11, kills: 4, linesMax: 2000, copying: 0,
    // What the child was writing when it was killed has no end; each write begins with a NUL.
    parse: (text) => text.split('\0').flatMap((part) => part.split('\n').slice(0, -1)),
  });
  assert.deepEqual([...new Set(lines)].sort(), written.sort());
});

for (const [how, copying, seed] of [
  ['renaming', 0, 21], ['copying and truncating', 1, 23],
] as const) {
  test(`file_log: kill -9 brings each line once out of a queue, rotated by ${how}`,
    { timeout: 120_000 }, async (context) => {
      const { lines, written } = await killOften({
        script: 'queue_follower.ts', seed, kills: 6, linesMax: 2000, copying, parse: linesOfBatches,
      });
      const different = [...new Set(lines)].sort();
      assert.deepEqual(different, written.sort());
      context.diagnostic(`${lines.length - different.length} lines twice`);
      if (copying === 0) assert.equal(lines.length, different.length);
    });
}

/** A batch that was sent again keeps its id, by which it is recognised. */
function linesOfBatches(text: string): string[] {
  const batches = new Map<string, string[]>();
  for (const row of text.split('\n')) {
    const batch = parseBatch(row);
    if (batch !== null) batches.set(batch.id, batch.lines);
  }
  return [...batches.values()].flat();
}

/** Null for one that was not written as a whole. */
function parseBatch(row: string): { id: string; lines: string[] } | null {
  try {
    return JSON.parse(row) as { id: string; lines: string[] };
  } catch {
    return null;
  }
}

async function killOften({ script, seed, kills, linesMax, copying, parse }: Run) {
  const folder = temporaryFolder();
  const stateFolder = temporaryFolder();
  const output = `${temporaryFolder()}/accepted`;
  const accepted = () => existsSync(output) ? parse(readFileSync(output, 'utf8')) : [];
  const random = createSeededRandom(seed);
  const path = `${folder}/app.log`;
  let written = 0;
  let rotations = 0;
  const rotate = () => {
    const target = `${path}.${rotations++}`;
    if (random.float() >= copying) return renameSync(path, target);
    copyFileSync(path, target);
    truncateSync(path);
  };
  const write = () => {
    const count = 1 + Math.floor(random.float() * 50);
    appendFileSync(path, asLines(numbered(count, written)));
    written += count;
    if (random.float() < 0.02) rotate();
  };
  for (let kill = 0; kill <= kills; kill++) {
    const child = start(script, folder, stateFolder, output);
    const before = accepted().length;
    const goal = before + linesMax * (0.2 + 0.8 * random.float());
    await until(() => {
      if (kill < kills || written < goal) write();
      return accepted().length >= Math.min(goal, written);
    }, 'lines are accepted', 20_000);
    if (kill === kills) {
      const wanted = new Set(numbered(written));
      await until(() => new Set(accepted()).size >= wanted.size, 'every line is accepted', 20_000);
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  assert.ok(rotations > 0);
  return { lines: accepted(), written: numbered(written) };
}

function start(script: string, ...args: string[]): ChildProcess {
  const path = new URL(script, import.meta.url).pathname;
  return spawn(process.execPath, ['--import', 'tsx', path, ...args],
    { stdio: ['pipe', 'inherit', 'inherit'] });
}
