// How fast the queue takes batches, with a sync before every answer, and how fast it hands them
// out; beside it, in the same run, the same queue on a disk whose syncs do nothing, the same queue
// encrypted, and a yardstick: the same bytes appended to a file, in groups as large as the queue's,
// with a sync after each. Variants take turns in one process; the figure is the median of the
// rounds. Wall time counts, since the disk is what is waited for. Last, how long a queue of --start
// MiB takes to open, and for how long at most the event loop stood still meanwhile.
//
//   npm run bench -- queue [--rounds N] [--mib N] [--start N]

import { setMaxListeners } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { crc32 } from 'node:zlib';
import { crc32c } from '../../agent/queue/crc32c.ts';
import { createQueue, type Queue } from '../../agent/queue/queue.ts';
import { limits } from '../../agent/queue/writer.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { createCounters } from '../../runtime/counters.ts';
import type { Files } from '../../runtime/files.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { createWorld } from '../../runtime/world.ts';
import { batchOfKeys, NEVER } from '../contract/fakes.ts';
import { median, options, report } from './figures.ts';

const values = options({ rounds: 3, mib: 32, start: 512 });
const totalBytes = values.mib * 1024 * 1024;
const { files } = createWorld();
// Every sender of a queue listens to it.
setMaxListeners(0, NEVER);

interface Variant {
  readonly files: Files;
  readonly keys: readonly Uint8Array[];
}

const VARIANTS = {
  synced: { files, keys: [] },
  unsynced: { files: withoutSync(files), keys: [] },
  encrypted: { files, keys: [Buffer.alloc(32, 7)] },
  'encrypted, unsynced': { files: withoutSync(files), keys: [Buffer.alloc(32, 7)] },
} as const satisfies Record<string, Variant>;
type VariantName = keyof typeof VARIANTS;
const NAMES = Object.keys(VARIANTS) as VariantName[];

for (const [name, batchBytes, senders] of [
  ['8 KiB, 1 sender', 8192, 1], ['8 KiB, 64 senders', 8192, 64],
  ['256 KiB, 1 sender', 262_144, 1], ['256 KiB, 16 senders', 262_144, 16],
] as const) {
  const batch = batchOfBytes(batchBytes);
  // A single sender waits for each sync: fewer bytes tell as much.
  const count = Math.floor(totalBytes / batchBytes / (senders === 1 ? 8 : 1));
  const groupBytes = Math.min(limits.groupBytesMax, senders * batchBytes);
  const rounds: (Record<VariantName, { put: number; take: number }> & { plain: number })[] = [];
  for (let round = 0; round < values.rounds; round++) {
    const plain = plainAppend(batch.bytes, count, groupBytes);
    const times = { plain } as (typeof rounds)[number];
    for (const variant of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
      times[variant] = await throughQueue(batch, count, senders, VARIANTS[variant]);
    }
    rounds.push(times);
  }
  const put = (variant: VariantName) => median(rounds.map((one) => one[variant].put));
  const take = median(rounds.map((one) => one.synced.take));
  const mb = (seconds: number) => count * batch.bytes.length / 1e6 / seconds;
  const say = (what: string, seconds: number, beside: string, other: number) => report({
    name: `queue, ${name}, ${what}`,
    value: mb(seconds),
    unit: 'MB/s',
    yardstick: { name: beside, value: mb(other) },
  });
  say('put', put('synced'), 'plain append and fsync', median(rounds.map((one) => one.plain)));
  say('put with fsync', put('synced'), 'without', put('unsynced'));
  say('put encrypted', put('encrypted'), 'plain', put('synced'));
  say('put encrypted without fsync', put('encrypted, unsynced'), 'plain', put('unsynced'));
  say('take', take, 'put', put('synced'));
}
const sample = Buffer.alloc(64 * 1024 * 1024, 7);
const checkRate = (check: (bytes: Buffer) => number): number => {
  const startMs = performance.now();
  check(sample);
  return sample.length / 1000 / (performance.now() - startMs);
};
report({
  name: 'queue, check of a record, CRC-32', value: checkRate(crc32), unit: 'MB/s',
  yardstick: { name: 'CRC-32C in JavaScript', value: checkRate(crc32c) },
});
for (const bytes of [8192, 262_144, 8 * 1024 * 1024]) await measureStart(bytes);

function withoutSync(real: Files): Files {
  return {
    ...real,
    syncFolder: async () => {},
    open: async (path, mode) => {
      const file = await real.open(path, mode);
      return file === null ? null : { ...file, sync: async () => {} };
    },
  };
}

function batchOfBytes(bytes: number): Batch {
  return Batch.fromBytes('logs', batchOfKeys('logs', ['x'.repeat(bytes)]).bytes);
}

function open(folder: string, variant: Variant): Promise<Queue> {
  return createQueue({
    folder, agentId: '11111111-2222-4333-8444-555555555555', id: 'bench', log: SILENT_LOG,
    world: { ...createWorld(), files: variant.files }, keys: variant.keys,
    counters: createCounters(), whenFull: 'refuse',
    size: { bytesMax: 1e12, itemsMax: Infinity, batchesMax: Infinity, diskShareMax: 1 },
  });
}

async function fill(queue: Queue, batch: Batch, count: number, senders: number): Promise<void> {
  await Promise.all(Array.from({ length: senders }, async (_, sender) => {
    for (let index = sender; index < count; index += senders) {
      const { status } = await queue.put(batch, NEVER);
      if (status !== 'accepted') throw new Error(status);
    }
  }));
}

async function throughQueue(batch: Batch, count: number, senders: number, variant: Variant) {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const queue = await open(folder, variant);
  const started = performance.now();
  await fill(queue, batch, count, senders);
  const filled = performance.now();
  for (let index = 0; index < count; index++) (await queue.take(NEVER))!.done();
  const emptied = performance.now();
  await queue.stop();
  rmSync(folder, { recursive: true });
  return { put: (filled - started) / 1000, take: (emptied - filled) / 1000 };
}

/** Opens a queue that is full of batches of this size. */
async function measureStart(batchBytes: number): Promise<void> {
  const mib = values.start;
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  const first = await open(folder, VARIANTS.unsynced);
  await fill(first, batchOfBytes(batchBytes), Math.floor(mib * 1024 * 1024 / batchBytes), 8);
  await first.stop();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const rss = process.memoryUsage().rss;
  const started = performance.now();
  const queue = await open(folder, VARIANTS.synced);
  const seconds = (performance.now() - started) / 1000;
  delay.disable();
  const moreMib = (process.memoryUsage().rss - rss) / 1024 / 1024;
  const name = `queue, start with ${mib} MiB in batches of ${batchBytes / 1024} KiB`;
  console.log(`${queue.batches()} batches`);
  report({ name, value: seconds, unit: 's' });
  report({ name: `${name}, longest stop of the event loop`, value: delay.max / 1e6, unit: 'ms' });
  report({ name: `${name}, more memory`, value: moreMib, unit: 'MiB' });
  await queue.stop();
  rmSync(folder, { recursive: true });
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
