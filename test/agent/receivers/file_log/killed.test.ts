// Proves that kill -9 loses no line: a process follows files that are written and rotated all the
// time, is killed at random moments and started again; in the end every line was accepted at least
// once, and most of them only once.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { once } from 'node:events';
import { test } from 'node:test';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { temporaryFolder, until } from '../../../contract/fakes.ts';
import { asLines, numbered } from './following.ts';

const KILLS = 4;

test('file_log: kill -9 loses no line', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const stateFolder = temporaryFolder();
  const output = `${temporaryFolder()}/accepted`;
  const accepted = () => existsSync(output) ? readFileSync(output, 'utf8').split('\n') : [];
  const random = createSeededRandom(11);
  let written = 0;
  let rotations = 0;
  const write = () => {
    const count = 1 + Math.floor(random.float() * 50);
    appendFileSync(`${folder}/app.log`, asLines(numbered(count, written)));
    written += count;
    if (random.float() < 0.02) renameSync(`${folder}/app.log`, `${folder}/app.log.${rotations++}`);
  };
  for (let kill = 0; kill <= KILLS; kill++) {
    const child = start(folder, stateFolder, output);
    const before = accepted().length;
    const goal = before + 500 + random.float() * 2000;
    await until(() => {
      if (kill < KILLS || written < goal) write();
      return accepted().length >= Math.min(goal, written);
    }, 'lines are accepted', 20_000);
    if (kill === KILLS) {
      const wanted = new Set(numbered(written));
      await until(() => new Set(accepted()).size >= wanted.size, 'every line is accepted');
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const lines = accepted().slice(0, -1);
  assert.deepEqual([...new Set(lines)].sort(), numbered(written).sort());
  assert.ok(rotations > 0);
});

function start(...args: string[]): ChildProcess {
  const script = new URL('follower.ts', import.meta.url).pathname;
  return spawn(process.execPath, ['--import', 'tsx', script, ...args],
    { stdio: ['pipe', 'inherit', 'inherit'] });
}
