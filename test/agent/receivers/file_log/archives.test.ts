// Proves what becomes of files that are packed by gzip: what was read before it was packed is not
// read again (contrib #40523, vector #7990), what was not read is read on (contrib #46105), an
// archive that nobody has seen is read only with `compression`, and one that is broken costs
// nothing but what is broken. Real files, packed by zlib; time is moved by hand.

import assert from 'node:assert/strict';
import {
  appendFileSync, copyFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { createUnpacked } from '../../../../agent/receivers/file_log/gzip.ts';
import { temporaryFolder } from '../../../contract/fakes.ts';
import { asLines, follow, numbered, type Config, type Following } from './following.ts';

/** Less and more than a whole fingerprint. */
const SIZES = [
  ['small', numbered(10)], ['large', numbered(500, 0, 'a line that is long')],
] as const;
const BROKEN = 'binnacle_file_log_broken_archives_total';

async function followAll(config: Config = {}, folders = {
  folder: temporaryFolder(), stateFolder: temporaryFolder(),
}): Promise<Following> {
  return follow({ include: [`${folders.folder}/*`], ...config }, folders);
}

/** As gzip and logrotate do: the archive is written, then the file is removed. */
function pack(path: string, target = `${path}.gz`): void {
  writeFileSync(target, gzipSync(readFileSync(path)));
  rmSync(path);
}

/** Looks until nothing waits any more: archives to be whole, files to be gone. */
async function settleAll(following: Following): Promise<void> {
  // Longer than a small archive waits for its file, and its next turn after that.
  for (let second = 0; second < 25; second++) {
    await following.poll();
    await following.clock.advance(1000);
  }
  await following.poll();
}

for (const [size, lines] of SIZES) {
  for (const compression of ['', 'auto']) {
    const name = `${size}, compression: ${compression === '' ? 'none' : compression}`;

    test(`file_log: packed after it was read: not again (contrib #40523): ${name}`, async () => {
      const following = await followAll({ compression });
      following.write('app.log', asLines(lines));
      await following.poll();
      renameSync(following.path('app.log'), following.path('app.log.1'));
      following.write('app.log', 'fresh\n');
      await following.poll();
      pack(following.path('app.log.1'));
      await settleAll(following);
      renameSync(following.path('app.log.1.gz'), following.path('app.log.2.gz'));
      await settleAll(following);
      assert.deepEqual(following.bodies(), [...lines, 'fresh']);
      const second = await following.restart();
      await settleAll(second);
      assert.deepEqual(second.bodies(), []);
      assert.equal(second.counters.total(BROKEN), 0);
      await second.stop();
    });

    test(`file_log: packed before all was read: read on (contrib #46105): ${name}`, async () => {
      const first = await followAll({ compression });
      first.write('app.log', asLines(lines));
      await first.poll();
      await first.stop();
      first.append('app.log', 'between\n');
      pack(first.path('app.log'), first.path('app.log.1.gz'));
      first.write('app.log', 'fresh\n');
      const second = await followAll({ compression }, first);
      await settleAll(second);
      assert.deepEqual(second.bodies().sort(), ['between', 'fresh']);
      await second.stop();
    });

    test(`file_log: copied, truncated and packed at once: read on: ${name}`, async () => {
      const following = await followAll({ compression });
      following.write('app.log', asLines(lines));
      await following.poll();
      following.append('app.log', 'between\n');
      copyFileSync(following.path('app.log'), following.path('app.log.1'));
      truncateSync(following.path('app.log'));
      pack(following.path('app.log.1'));
      following.append('app.log', 'fresh\n');
      await settleAll(following);
      assert.deepEqual(following.bodies().sort(), [...lines, 'between', 'fresh'].sort());
      await following.stop();
    });
  }

  test(`file_log: an archive beside its file is not read: ${size}`, async () => {
    const following = await followAll({ compression: 'auto' });
    following.write('app.log', asLines(lines));
    await following.poll();
    following.write('app.log.gz', gzipSync(asLines(lines)));
    await settleAll(following);
    // So small a file may be equal by chance: when in doubt, twice.
    assert.equal(following.bodies().length, lines.length * (size === 'small' ? 2 : 1));
    following.append('app.log', 'more\n');
    await settleAll(following);
    assert.equal(following.bodies().at(-1), 'more');
    await following.stop();
  });
}

test('file_log: packed by another name while it is read by its handle', async () => {
  const following = await followAll();
  following.write('app.log', asLines(numbered(300, 0, 'a line that is long')));
  await following.poll();
  following.append('app.log', 'between\n');
  pack(following.path('app.log'), following.path('app-20260101.gz'));
  await settleAll(following);
  const wanted = [...numbered(300, 0, 'a line that is long'), 'between'];
  assert.deepEqual(following.bodies(), wanted);
  await following.stop();
});

test('file_log: generations that begin alike are told apart by what follows', async () => {
  const banner = asLines(numbered(100, 0, 'a banner that is longer than a fingerprint'));
  const content = (generation: number) => banner + asLines(numbered(50, generation * 100));
  const first = await followAll({ compression: 'auto' });
  first.write('app.log', content(0));
  await first.poll();
  await first.stop();
  // While away: one generation that was read to here, one never seen, and the live one.
  first.append('app.log', asLines(numbered(10, 50)));
  pack(first.path('app.log'), first.path('app.log.2.gz'));
  first.write('app.log.1.gz', gzipSync(content(1)));
  first.write('app.log', banner);
  const second = await followAll({ compression: 'auto' }, first);
  await settleAll(second);
  const own = second.bodies().filter((line) => line.startsWith('line'));
  assert.deepEqual(own.sort(), [...numbered(10, 50), ...numbered(50, 100)].sort());
  assert.equal(second.bodies().length, own.length + 2 * 100);
  await second.stop();
});

test('file_log: an archive that nobody has read: left alone, or read once', async () => {
  const lines = numbered(3000, 0, 'a line that is long');
  const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  writeFileSync(`${folders.folder}/old.gz`, gzipSync(asLines(lines)));
  const without = await followAll({}, folders);
  await settleAll(without);
  assert.deepEqual(without.bodies(), []);
  assert.match(without.log.lines.map(({ message }) => message).join(), /old\.gz.*compression/);
  await without.stop();
  const config = { compression: 'gzip', include_file_record_offset: true };
  const reading = await followAll(config, folders);
  await settleAll(reading);
  assert.deepEqual(reading.bodies(), lines);
  const again = await reading.restart();
  await settleAll(again);
  assert.deepEqual(again.bodies(), []);
  // gzip can append: more content in a member of its own.
  appendFileSync(`${folders.folder}/old.gz`, gzipSync('more, without line end'));
  await settleAll(again);
  assert.deepEqual(again.bodies(), ['more, without line end']);
  await again.stop();
});

test('file_log: start_at end leaves out what is in archives', async () => {
  const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  writeFileSync(`${folders.folder}/old.gz`, gzipSync(asLines(numbered(1000))));
  const config = { compression: 'auto', start_at: 'end' };
  const first = await followAll(config, folders);
  await settleAll(first);
  const second = await first.restart();
  writeFileSync(`${folders.folder}/new.gz`, gzipSync('new\n'));
  await settleAll(second);
  assert.deepEqual([...first.bodies(), ...second.bodies()], ['new']);
  await second.stop();
});

test('file_log: many large archives, unpacked in turns, while a file is followed', async () => {
  const following = await followAll({ compression: 'auto' });
  const long = (file: number) => numbered(60_000, 0, `archive ${file}, a line that is long`);
  for (let file = 0; file < 5; file++) {
    following.write(`${file}.gz`, gzipSync(asLines(long(file)), { level: 1 }));
  }
  following.write('app.log', 'live\n');
  await settleAll(following);
  for (let file = 0; file < 5; file++) {
    const own = following.bodies().filter((line) => line.startsWith(`archive ${file},`));
    assert.deepEqual(own, long(file), `archive ${file}`);
  }
  assert.equal(following.bodies().length, 5 * 60_000 + 1);
  await following.stop();
});

test('file_log: an archive that is being written is read when it is whole', async () => {
  const following = await followAll({ compression: 'auto' });
  const lines = Array.from({ length: 2000 }, (_, line) => `line ${line} ${(line * 7919) % 10_007}`);
  const packed = gzipSync(asLines(lines));
  for (let at = 0; at < packed.length; at += 1000) {
    appendFileSync(following.path('app.gz'), packed.subarray(at, at + 1000));
    await following.poll();
    await following.clock.advance(500);
  }
  assert.deepEqual(following.bodies(), []);
  await settleAll(following);
  assert.deepEqual(following.bodies(), lines);
  assert.equal(following.counters.total(BROKEN), 0);
  await following.stop();
});

test('file_log: a broken archive: what is good arrives, counted, never tried again', async () => {
  const lines = Array.from({ length: 5000 }, (_, line) => `line ${line} ${(line * 7919) % 10_007}`);
  const packed = gzipSync(asLines(lines));
  const middle = packed.length >> 1;
  const damaged = Buffer.from(packed);
  damaged.fill(0, middle, middle + 100);
  const wrong = Buffer.from(packed);
  wrong[packed.length - 6]! ^= 1;
  const following = await followAll({ compression: 'auto' });
  const check = async (name: string, bytes: Buffer, least: number) => {
    const before = following.bodies().length;
    const broken = following.counters.total(BROKEN);
    following.write(`${name}.gz`, bytes);
    await settleAll(following);
    await settleAll(following);
    const own = following.bodies().slice(before);
    assert.ok(own.length >= least, `${name}: ${own.length} of ${least} lines`);
    assert.deepEqual(own.slice(0, least), lines.slice(0, least), name);
    assert.equal(following.counters.total(BROKEN), broken + 1, name);
    return own;
  };
  // Whatever zlib itself makes of the same bytes.
  const whole = (bytes: Buffer) =>
    gunzipSync(bytes, { finishFlush: 2 }).toString().split('\n').length;
  const half = packed.subarray(0, middle);
  const own = await check('cut', half, whole(half) - 1);
  assert.equal(own.length, whole(half), 'the last one as far as it is there');
  await check('damaged', damaged, whole(half) * 0.8 | 0);
  await check('wrong checksum', wrong, 5000);
  await check('only a beginning', packed.subarray(0, 12), 0);
  const again = await following.restart();
  await settleAll(again);
  assert.deepEqual(again.bodies(), []);
  assert.equal(again.counters.total(BROKEN), 0);
  await again.stop();
});

test('gzip: any position, whatever was read before, as from the content itself', async () => {
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) % 251));
  const packed = gzipSync(content);
  const unpacked = open(packed, 20_000);
  const target = Buffer.alloc(20_000);
  for (const [position, bytes] of [[0, 100], [150_000, 20_000], [149_000, 100], [199_990, 100],
    [0, 1000], [900, 200], [5, 20_000], [300_000, 10], [199_999, 1], [60_000, 0]] as const) {
    const size = await unpacked.read(target.subarray(0, bytes), position);
    const wanted = content.subarray(position, position + bytes);
    assert.ok(target.subarray(0, size).equals(wanted), `${bytes} bytes at ${position}`);
  }
  assert.equal(unpacked.broken(), null);
  unpacked.close();
});

test('gzip: no bytes make it throw or hang; what comes out begins the content', async () => {
  const content = Buffer.from(asLines(numbered(3000)));
  const packed = gzipSync(content);
  const damage = fc.record({
    at: fc.nat(packed.length - 1), with: fc.uint8Array({ maxLength: 40 }),
    cut: fc.option(fc.nat(packed.length)),
  });
  await fc.assert(fc.asyncProperty(damage, async ({ at, with: bytes, cut }) => {
    const input = Buffer.from(packed);
    input.set(bytes.subarray(0, packed.length - at), at);
    const unpacked = open(input.subarray(0, cut ?? input.length), 50_000);
    const target = Buffer.alloc(50_000);
    const size = await unpacked.read(target, 0);
    const same = input.equals(packed);
    if (same) assert.ok(target.subarray(0, size).equals(content.subarray(0, size)));
    if (same && cut === null) assert.equal(size, content.length);
    unpacked.close();
  }), { interruptAfterTimeLimit: 1000, numRuns: 2000 });
});

const open = (bytes: Buffer, windowBytes: number) => createUnpacked(async () => ({
  read: async (target, position) => bytes.copy(target, 0, position, position + target.length),
}), { headBytes: 1000, windowBytes });
