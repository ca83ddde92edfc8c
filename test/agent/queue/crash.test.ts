// Proves that the queue survives what a machine can do to it: a crash, or a failure, at every
// single operation of a fixed scenario; a real process that is killed with SIGKILL while it
// enqueues. Random commands: model.test.ts.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { createFiles } from '../../../runtime/files.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { itemKeys, NEVER, temporaryFolder } from '../../contract/fakes.ts';
import type { FaultyFiles } from '../../contract/faulty_files.ts';
import {
  batchOf, drain, faultyDisk, large, mortal, namesOf, openOn, SMALL, takeSoon, type Opened,
} from './open.ts';

interface Told {
  /** Put and answered `accepted`. */
  readonly accepted: Set<string>;
  /** Acknowledged by the reader. */
  readonly done: Set<string>;
}

/** Fills, drains partly, opens again, with every kind of file operation in it. */
async function scenario(disk: Pick<FaultyFiles, 'files'>, told: Told): Promise<void> {
  const put = async ({ queue }: Opened, name: string) => {
    const outcome = await queue.put(large(name), NEVER);
    if (outcome.status === 'accepted') told.accepted.add(name);
  };
  const take = async ({ queue }: Opened) => {
    if (queue.batches() === 0) return;
    const taken = await takeSoon(queue, 2000);
    if (taken === null) return;
    told.done.add(itemKeys(taken.batch)[0]!);
    taken.done();
  };
  for (let round = 0; round < 2; round++) {
    const opened = await openOn(disk, SMALL);
    for (let index = 0; index < 6; index++) await put(opened, `r${round}.${index}`);
    for (let index = 0; index < 4; index++) await take(opened);
    await Promise.all(namesOf(3, `g${round}.`).map((name) => put(opened, name)));
    await opened.queue.stop();
  }
}

async function operationsOfScenario(): Promise<number> {
  const disk = faultyDisk();
  await scenario(disk, { accepted: new Set(), done: new Set() });
  return disk.operations();
}

async function checkAfter(disk: FaultyFiles, told: Told, label: string): Promise<void> {
  disk.crash();
  const { queue, counters } = await openOn(disk, SMALL);
  const { keys } = await drain(queue);
  const found = new Set(keys);
  const gone = [...told.accepted].filter((name) => !found.has(name) && !told.done.has(name));
  assert.deepEqual(gone, [], label);
  assert.equal(counters.total('binnacle_queue_missing_batches_total'), 0, label);
  assert.equal(keys.filter((key) => /^[rg]/.test(key)).length,
    new Set(keys.filter((key) => /^[rg]/.test(key))).size, `${label}: twice`);
  assert.equal((await queue.put(batchOf('later'), NEVER)).status, 'accepted', label);
  assert.deepEqual((await drain(queue)).keys, ['later'], label);
  await queue.stop();
}

test('queue: a crash at any operation loses nothing that was acknowledged', async () => {
  const operations = await operationsOfScenario();
  assert.ok(operations > 60, String(operations));
  for (let number = 0; number < operations; number++) {
    for (const seed of [1, 2, 3]) {
      const disk = faultyDisk(seed * 1000 + number);
      const told: Told = { accepted: new Set(), done: new Set() };
      const process = mortal(disk);
      disk.crashAt(number);
      await Promise.race([scenario(process, told), crashed(disk)]);
      process.die();
      await checkAfter(disk, told, `crash at operation ${number}, seed ${seed}`);
    }
  }
});

async function crashed(disk: FaultyFiles): Promise<void> {
  while (!disk.crashed()) await new Promise((resolve) => setImmediate(resolve));
  await settle();
}

for (const code of ['EIO', 'ENOSPC']) {
  test(`queue: ${code} at any operation loses nothing that was acknowledged`, async () => {
    const operations = await operationsOfScenario();
    for (let number = 1; number < operations; number++) {
      const disk = faultyDisk(number);
      const told: Told = { accepted: new Set(), done: new Set() };
      disk.failAt(number, code);
      // A folder that cannot be listed is the one thing that keeps a queue from opening.
      const process = mortal(disk);
      await scenario(process, told).catch((error: unknown) =>
        assert.match(String(error), /injected/));
      process.die();
      await checkAfter(disk, told, `${code} at operation ${number}`);
    }
  });
}

test('queue: a process that is killed has kept every batch that it acknowledged', async () => {
  for (const killMs of [30, 80, 150]) {
    const folder = temporaryFolder();
    const printed = await enqueueUntilKilled(folder, killMs);
    assert.ok(printed.length > 0);
    const { queue, counters } = await openOn({ files: createFiles() }, { folder });
    const { keys } = await drain(queue);
    const found = new Set(keys);
    assert.deepEqual(printed.filter((name) => !found.has(name)), []);
    assert.equal(counters.total('binnacle_queue_missing_batches_total'), 0);
    await queue.stop();
  }
});

/** The names that the process had got an answer for when it died. */
async function enqueueUntilKilled(folder: string, afterMs: number): Promise<string[]> {
  const script = new URL('./enqueue.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
    timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return text.split('\n').slice(0, -1);
}
