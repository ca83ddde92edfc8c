// How fast the queue takes batches, with a sync before every answer, and how fast it hands them
// out. Beside it a yardstick on the same disk in the same run: the same bytes appended to a file,
// in groups as large as the queue's, with a sync after each. Variants take turns in one process;
// the figure is the median of the rounds. Wall time counts, since the disk is what is waited for.
//
//   npx tsx test/bench/queue.ts [--rounds N] [--mib N]

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32c } from '../../agent/queue/crc32c.ts';
import { createQueue } from '../../agent/queue/queue.ts';
import { limits } from '../../agent/queue/writer.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { createWorld } from '../../runtime/world.ts';
import { batchOfKeys, NEVER } from '../contract/fakes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '64' },
  },
});
const totalBytes = Number(values.mib) * 1024 * 1024;

for (const [name, batchBytes, senders] of [
  ['8 KiB, 1 sender', 8192, 1], ['8 KiB, 64 senders', 8192, 64],
  ['256 KiB, 1 sender', 262_144, 1], ['256 KiB, 16 senders', 262_144, 16],
] as const) {
  const batch = Batch.fromBytes('logs', batchOfKeys('logs', ['x'.repeat(batchBytes)]).bytes);
  // A single sender waits for each sync: fewer bytes tell as much.
  const count = Math.floor(totalBytes / batchBytes / (senders === 1 ? 8 : 1));
  const groupBytes = Math.min(limits.groupBytesMax, senders * batchBytes);
  const rounds: { put: number; take: number; plain: number }[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const plain = plainAppend(batch.bytes, count, groupBytes);
    rounds.push({ plain, ...await throughQueue(batch, count, senders) });
  }
  const rate = (of: (one: (typeof rounds)[number]) => number) => median(rounds.map(of));
  const mb = (seconds: number) => (count * batch.bytes.length / 1e6 / seconds).toFixed(0);
  const put = rate((one) => one.put);
  console.log(`${name.padEnd(20)} put ${mb(put).padStart(4)} MB/s `
    + `${(count / put).toFixed(0).padStart(6)} batches/s  `
    + `${(rate((one) => one.plain) / put).toFixed(2)}x of plain append  `
    + `take ${mb(rate((one) => one.take))} MB/s`);
}
const sample = Buffer.alloc(64 * 1024 * 1024, 7);
const startMs = performance.now();
crc32c(sample);
console.log(`crc32c ${(sample.length / 1000 / (performance.now() - startMs)).toFixed(0)} MB/s`);

async function throughQueue(batch: Batch, count: number, senders: number) {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const queue = await createQueue({
    folder, agentId: '11111111-2222-4333-8444-555555555555', id: 'bench', world: createWorld(), log: SILENT_LOG,
    counters: createCounters(), whenFull: 'refuse',
    size: { bytesMax: 1e12, itemsMax: Infinity, batchesMax: Infinity, diskShareMax: 1 },
  });
  const started = performance.now();
  await Promise.all(Array.from({ length: senders }, async (_, sender) => {
    for (let index = sender; index < count; index += senders) {
      const { status } = await queue.put(batch, NEVER);
      if (status !== 'accepted') throw new Error(status);
    }
  }));
  const filled = performance.now();
  for (let index = 0; index < count; index++) (await queue.take(NEVER))!.done();
  const emptied = performance.now();
  await queue.stop();
  rmSync(folder, { recursive: true });
  return { put: (filled - started) / 1000, take: (emptied - filled) / 1000 };
}

/** Seconds that the same bytes take without a queue. */
function plainAppend(bytes: Uint8Array, count: number, groupBytes: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const file = openSync(join(folder, 'plain'), 'w');
  const group = Buffer.alloc(groupBytes, bytes);
  const started = performance.now();
  for (let left = bytes.length * count; left > 0; left -= group.length) {
    writeSync(file, group, 0, Math.min(left, group.length));
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(file);
  rmSync(folder, { recursive: true });
  return seconds;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}
