// Proves that files which change while they are looked at bring each line once: a file is truncated
// and written to between the two reads of a turn, and within one, and again before the next; logs
// are rotated by copying and truncating, with and without gzip, at any moment of any look, as seeds
// say. Real files, whose answers come as late as the seed says; time is moved by hand.

import assert from 'node:assert/strict';
import {
  appendFileSync, closeSync, copyFileSync, existsSync, openSync, readFileSync, readSync,
  readdirSync, renameSync, rmSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createFileLog } from '../../../../agent/receivers/file_log/receiver.ts';
import { fileLogSchema } from '../../../../agent/receivers/file_log/config.ts';
import type { Files, OpenFile } from '../../../../runtime/files.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { createWorld } from '../../../../runtime/world.ts';
import {
  createManualClock, createSink, temporaryFolder, testContext,
} from '../../../contract/fakes.ts';
import { asLines, numbered } from './following.ts';

const SEEDS = 30;
const STEPS = 60;
/** `fingerprint_size`. */
const HEAD_BYTES = 1000;

type Read = OpenFile['read'];

/** Starts a receiver over a new folder; `wrap` stands before each read of a file. */
async function start(wrap: (read: Read) => Read, pause: () => Promise<void> = async () => {}) {
  const folder = temporaryFolder();
  const world = createWorld();
  const open: Files['open'] = async (...args) => {
    await pause();
    const file = await world.files.open(...args);
    return file === null ? null : {
      ...file,
      read: wrap((target, position) => file.read(target, position)),
      stat: async () => {
        await pause();
        return file.stat();
      },
    };
  };
  const clock = createManualClock();
  const sink = createSink();
  const config = fileLogSchema().parse({
    include: [`${folder}/*`], start_at: 'beginning', compression: 'auto',
  });
  const context = testContext({
    world: { ...world, clock, files: { ...world.files, open } }, folder: temporaryFolder(),
  });
  const receiver = createFileLog(config, context, sink);
  await receiver.start();
  return {
    folder, clock,
    poll: () => receiver.poll(),
    bodies: () => sink.keys('accepted'),
    stop: () => receiver.stop(AbortSignal.timeout(5000)),
  };
}

const OLD = numbered(10, 0, 'old');
const NEW = numbered(30, 0, 'new');

test('file_log: truncated and written to between two reads of a turn: once', async () => {
  let between = () => {};
  const following = await start((read) => async (target, position) => {
    const size = await read(target, position);
    between();
    return size;
  });
  const path = `${following.folder}/app.log`;
  writeFileSync(path, asLines(OLD));
  between = () => {
    between = () => {};
    writeFileSync(path, asLines(NEW));
  };
  for (let look = 0; look < 3; look++) await following.poll();
  assert.deepEqual(following.bodies(), NEW);
  await following.stop();
});

test('file_log: truncated and written to within one read: once', async () => {
  let within: (() => void) | null = null;
  const following = await start((read) => async (target, position) => {
    if (within === null || target.length < 100_000) return read(target, position);
    const size = await read(target, position);
    within();
    within = null;
    return size + await read(target.subarray(size), position + size);
  });
  const path = `${following.folder}/app.log`;
  writeFileSync(path, asLines(OLD));
  within = () => writeFileSync(path, asLines(NEW));
  for (let look = 0; look < 3; look++) await following.poll();
  assert.deepEqual(following.bodies(), NEW);
  await following.stop();
});

/**
 * The file is seen empty after a truncation, gets lines before it is read, and is rotated and
 * written to again before it is looked at once more: its first bytes were never looked at.
 */
async function readUnseen(rotate: (path: string) => void) {
  let step: (size: number) => void = () => {};
  const following = await start((read) => async (target, position) => {
    const size = await read(target, position);
    step(size);
    return size;
  });
  const path = `${following.folder}/app.log`;
  writeFileSync(path, asLines(OLD));
  await following.poll();
  truncateSync(path);
  const reads: number[] = [];
  step = (size) => {
    reads.push(size);
    if (reads.length === 1) appendFileSync(path, asLines(UNSEEN));
    if (reads.length < 3) return;
    step = () => {};
    rotate(path);
    writeFileSync(path, asLines(NEW));
  };
  await following.poll();
  const length = asLines(UNSEEN).length;
  // Its first bytes, what is in it, and the beginning of that again.
  assert.deepEqual(reads, [0, length, Math.min(length, 64)]);
  for (let second = 0; second < 25; second++) {
    await following.poll();
    await following.clock.advance(1000);
  }
  await following.stop();
  return following.bodies().sort();
}

const UNSEEN = numbered(10, 0, 'unseen');
const ALL = [...OLD, ...UNSEEN, ...NEW].sort();
const UNSEEN_WAYS = {
  'copied': (path: string) => copyFileSync(path, `${path}.1`),
  'its beginning copied': (path: string) =>
    writeFileSync(`${path}.1`, asLines(UNSEEN.slice(0, 5))),
  'packed': (path: string) => writeFileSync(`${path}.1.gz`, gzipSync(readFileSync(path))),
  'its beginning packed': (path: string) =>
    writeFileSync(`${path}.1.gz`, gzipSync(asLines(UNSEEN.slice(0, 5)))),
};

for (const [way, rotate] of Object.entries(UNSEEN_WAYS)) {
  test(`file_log: read after it was seen empty, ${way}, written to: once`, async () => {
    assert.deepEqual(await readUnseen(rotate), ALL);
  });
}

test('file_log: beside an empty copy an archive is read on: once', async () => {
  const following = await start((read) => read);
  const path = `${following.folder}/app.log`;
  writeFileSync(path, asLines(OLD));
  await following.poll();
  writeFileSync(`${path}.2.gz`, gzipSync(asLines([...OLD, ...NEW])));
  truncateSync(path);
  await following.poll();
  writeFileSync(`${path}.1`, '');
  for (let second = 0; second < 70; second++) {
    await following.poll();
    await following.clock.advance(1000);
  }
  assert.deepEqual(following.bodies(), [...OLD, ...NEW]);
  await following.stop();
});

test('file_log: packed before a byte of it is read: once', async () => {
  let readOn = () => {};
  const waits = new Promise<void>((resolve) => {
    readOn = resolve;
  });
  const following = await start((read) => async (target, position) => {
    // Its lines, not its first bytes, nor what is read of an archive.
    if (target.length > 100_000) await waits;
    return read(target, position);
  });
  const path = `${following.folder}/app.log.1`;
  writeFileSync(path, asLines(OLD));
  writeFileSync(`${path}.gz`, gzipSync(asLines(OLD)));
  for (let look = 0; look < 20; look++) {
    await following.clock.advance(300);
    for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  rmSync(path);
  readOn();
  for (let second = 0; second < 25; second++) {
    await following.poll();
    await following.clock.advance(1000);
  }
  assert.deepEqual(following.bodies(), OLD);
  await following.stop();
});

test('file_log: a copy that was empty when its size was looked at: once', async () => {
  let before = async () => {};
  const following = await start((read) => async (target, position) => {
    if (target.length === HEAD_BYTES) await before();
    return read(target, position);
  });
  const path = `${following.folder}/app.log`;
  writeFileSync(path, asLines(OLD));
  await following.poll();
  writeFileSync(`${path}.1`, '');
  writeFileSync(path, asLines(NEW));
  let heads = 0;
  before = async () => {
    if (++heads !== 2) return;
    // The log itself has its turn first.
    while (following.bodies().length < OLD.length + NEW.length) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    writeFileSync(`${path}.1`, asLines(OLD));
  };
  await following.poll();
  await following.poll();
  assert.deepEqual(following.bodies(), [...OLD, ...NEW]);
  await following.stop();
});

for (const way of ['copytruncate', 'compress', 'delaycompress'] as const) {
  test(`file_log: rotated at any moment, ${way}: each line once`, async () => {
    for (let seed = 1; seed <= SEEDS / 3; seed++) {
      const { missing, twice } = await rotateAtRandom(way, seed);
      assert.deepEqual({ missing, twice }, { missing: [], twice: [] }, `seed ${seed}`);
    }
  });
}

async function rotateAtRandom(way: string, seed: number) {
  const random = createSeededRandom(seed);
  const pause = async () => {
    while (random.float() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  };
  const following = await start((read) => async (target, position) => {
    await pause();
    return read(target, position);
  }, pause);
  const { folder } = following;
  const underWay: Promise<void>[] = [];
  let written = 0;
  const write = () => {
    const count = 1 + Math.floor(random.float() * 40);
    appendFileSync(`${folder}/app.log`, asLines(numbered(count, written, 'a longer line')));
    written += count;
  };
  /** Anything may happen: lines, a look, one that is not waited for, time. */
  const breathe = async () => {
    if (random.float() < 0.35) write();
    const look = random.float();
    if (look < 0.3) await following.poll();
    else if (look < 0.5) underWay.push(following.poll());
    await pause();
    if (random.float() < 0.3) await following.clock.advance(Math.floor(random.float() * 4) * 300);
  };
  write();
  await following.poll();
  for (let step = 0; step < STEPS; step++) {
    await breathe();
    if (random.float() < 0.1) await rotate(folder, way, () => random.float(), breathe);
  }
  await Promise.all(underWay);
  const onDisk = readdirSync(folder).flatMap((name) => linesOf(`${folder}/${name}`));
  for (let second = 0; second < 25; second++) {
    await following.poll();
    await following.clock.advance(1000);
  }
  const arrived = following.bodies();
  await following.stop();
  rmSync(folder, { recursive: true });
  const once = new Set(arrived);
  return {
    missing: onDisk.filter((line) => !once.has(line)),
    twice: arrived.filter((line) => !once.delete(line)),
  };
}

function linesOf(path: string): string[] {
  const bytes = readFileSync(path);
  const content = path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return content.toString().split('\n').slice(0, -1);
}

/** As logrotate does it, step by step. */
async function rotate(
  folder: string, way: string, float: () => number, breathe: () => Promise<void>,
): Promise<void> {
  const path = (name: string) => `${folder}/${name}`;
  const pack = async () => {
    const packed = gzipSync(readFileSync(path('app.log.1')));
    for (const part of [packed.subarray(0, 0), packed.subarray(0, 99), packed.subarray(99)]) {
      appendFileSync(path('app.log.1.gz'), part);
      if (float() < 0.3) await breathe();
    }
    rmSync(path('app.log.1'));
  };
  if (way === 'delaycompress' && existsSync(path('app.log.1'))) await pack();
  const numberOf = (name: string) => Number(/\.log\.(\d+)/.exec(name)?.[1] ?? 0);
  const old = readdirSync(folder).filter(numberOf).sort((a, b) => numberOf(b) - numberOf(a));
  for (const name of old) {
    renameSync(path(name), path(name.replace(/\d+/, String(numberOf(name) + 1))));
  }
  await breathe();
  await copy(path('app.log'), path('app.log.1'), float, breathe);
  while (float() < 0.5) await breathe();
  truncateSync(path('app.log'));
  while (float() < 0.5) await breathe();
  if (way === 'compress') await pack();
}

/** In pieces, the first of which may be none. */
async function copy(
  from: string, to: string, float: () => number, breathe: () => Promise<void>,
): Promise<void> {
  const [source, target] = [openSync(from, 'r'), openSync(to, 'wx')];
  if (float() < 0.3) await breathe();
  for (let at = 0; ;) {
    const buffer = Buffer.alloc(float() < 0.3 ? 1 + Math.floor(float() * 4000) : 1 << 20);
    const size = readSync(source, buffer, 0, buffer.length, at);
    if (size === 0) break;
    at += writeSync(target, buffer, 0, size);
    if (float() < 0.2) await breathe();
  }
  closeSync(source);
  closeSync(target);
}
