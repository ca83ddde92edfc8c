// Proves that no line is lost or read twice through every kind of rotation: a writer numbers its
// lines, files are renamed, copied, truncated, deleted, replaced, and what arrives must be the
// numbers in order. Real files, looked at by hand.

import assert from 'node:assert/strict';
import {
  copyFileSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync,
  truncateSync, unlinkSync, utimesSync, writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { limits } from '../../../../agent/receivers/file_log/tails.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { temporaryFolder, until } from '../../../contract/fakes.ts';
import { asLines, attribute, follow, numbered, type Following } from './following.ts';

/** More than a whole fingerprint. */
const LONG = numbered(200, 0, 'a line that is long enough to be told apart');

test('file_log: renamed inside the globs: read on, not again', async () => {
  const folder = temporaryFolder();
  await renames(await follow({ include: [`${folder}/app.log*`] }), folder);
});

test('file_log: renamed out of the globs: read to its end', async () => {
  const folder = temporaryFolder();
  await renames(await follow({ include: [`${folder}/app.log`] }), folder);
});

/** Renames `app.log` while lines are written before, between and after. */
async function renames(following: Following, folder: string): Promise<void> {
  const write = (name: string, from: number, count: number) =>
    writeFileSync(`${folder}/${name}`, asLines(numbered(count, from)), { flag: 'a' });
  write('app.log', 0, 10);
  await following.poll();
  write('app.log', 10, 10);
  renameSync(`${folder}/app.log`, `${folder}/app.log.1`);
  write('app.log', 30, 10);
  // A program that has not noticed yet writes on into the old file.
  write('app.log.1', 20, 10);
  await following.poll();
  await following.poll();
  write('app.log', 40, 5);
  await following.poll();
  assert.deepEqual(following.bodies().sort(byNumber), numbered(45));
  assert.equal(following.counters.total('binnacle_file_log_truncated_files_total'), 0);
  await following.stop();
}

const byNumber = (a: string, b: string): number =>
  Number(a.replace(/\D+/g, '')) - Number(b.replace(/\D+/g, ''));

test('file_log: renamed many times in a row under a random writer', async () => {
  const random = createSeededRandom(7);
  const folder = temporaryFolder();
  const following = await follow({ include: [`${folder}/app.log`, `${folder}/app.log.1`] });
  let next = 0;
  for (let step = 0; step < 200; step++) {
    const choice = random.float();
    if (choice < 0.6) {
      const count = Math.floor(random.float() * 20);
      writeFileSync(`${folder}/app.log`, asLines(numbered(count, next)), { flag: 'a' });
      next += count;
    } else if (choice < 0.75 && readdirSync(folder).includes('app.log')) {
      // What is overwritten here was seen before: otherwise nobody could have read it.
      await following.poll();
      renameSync(`${folder}/app.log`, `${folder}/app.log.1`);
    } else {
      await following.poll();
    }
  }
  await following.poll();
  assert.deepEqual(following.bodies().sort(byNumber), numbered(next));
  await following.stop();
});

test('file_log: truncated to a smaller size: read from the beginning, counted', async () => {
  const following = await follow();
  following.write('app.log', asLines(numbered(10)));
  await following.poll();
  truncateSync(following.path('app.log'));
  following.append('app.log', asLines(numbered(3, 10)));
  await following.poll();
  await following.poll();
  assert.deepEqual(following.bodies(), numbered(13));
  assert.equal(following.counters.total('binnacle_file_log_truncated_files_total'), 1);
  await following.stop();
});

test('file_log: truncated and grown past the old position between two looks', async () => {
  const following = await follow();
  following.write('app.log', asLines(numbered(10)));
  await following.poll();
  following.write('app.log', asLines(numbered(20, 10)));
  await following.poll();
  await following.poll();
  assert.deepEqual(following.bodies(), numbered(30));
  await following.stop();
});

test('file_log: rewritten behind equal first bytes is noticed at the position', async () => {
  const banner = asLines(LONG);
  const following = await follow();
  following.write('app.log', `${banner}${asLines(numbered(10, 0, 'old'))}`);
  await following.poll();
  following.write('app.log', `${banner}${asLines(numbered(20, 0, 'new'))}`);
  await following.poll();
  await following.poll();
  const lines = [...LONG, ...numbered(10, 0, 'old'), ...LONG, ...numbered(20, 0, 'new')];
  assert.deepEqual(following.bodies(), lines);
  await following.stop();
});

for (const [size, lines] of [['small', numbered(10)], ['large', LONG]] as const) {
  test(`file_log: copy-truncate of a ${size} file with the copy in the globs`, async () => {
    const folder = temporaryFolder();
    const all = await follow({ include: [`${folder}/app.log*`] });
    const path = (name: string) => `${folder}/${name}`;
    writeFileSync(path('app.log'), asLines(lines));
    await all.poll();
    // Not read before the copy is made: only the copy has it in the end.
    writeFileSync(path('app.log'), 'between\n', { flag: 'a' });
    copyFileSync(path('app.log'), path('app.log.1'));
    await all.poll();
    truncateSync(path('app.log'));
    await all.poll();
    writeFileSync(path('app.log'), 'after\n', { flag: 'a' });
    await all.poll();
    await all.clock.advance(limits.heldMs + 1000);
    await all.poll();
    assert.deepEqual(all.bodies(), [...lines, 'between', 'after']);
    await all.stop();
  });

  test(`file_log: copy-truncate of a ${size} file at once, and while away`, async () => {
    const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
    const config = { include: [`${folders.folder}/app.log*`] };
    const path = (name: string) => `${folders.folder}/${name}`;
    const rotate = (left: string, fresh: string) => {
      writeFileSync(path('app.log'), left, { flag: 'a' });
      renameIfThere(path('app.log.1'), path('app.log.2'));
      copyFileSync(path('app.log'), path('app.log.1'));
      truncateSync(path('app.log'));
      writeFileSync(path('app.log'), fresh, { flag: 'a' });
    };
    const first = await follow(config, folders);
    writeFileSync(path('app.log'), asLines(lines));
    await first.poll();
    rotate('left\n', asLines(numbered(5, 0, 'fresh')));
    await first.poll();
    await first.clock.advance(limits.heldMs + 1000);
    await first.poll();
    const sorted = (bodies: readonly string[]) => [...bodies].sort();
    const wanted = [...lines, 'left', ...numbered(5, 0, 'fresh')];
    assert.deepEqual(sorted(first.bodies()), sorted(wanted));
    await first.stop();
    rotate('left again\n', 'away\n');
    const second = await follow(config, folders);
    await second.poll();
    await second.poll();
    await second.clock.advance(limits.heldMs + 1000);
    await second.poll();
    assert.deepEqual(sorted(second.bodies()), ['away', 'left again']);
    await second.stop();
  });
}

test('file_log: copy-truncate: what was written after the copy was made, and read', async () => {
  const folder = temporaryFolder();
  const following = await follow({ include: [`${folder}/app.log*`] });
  const path = (name: string) => `${folder}/${name}`;
  for (let part = 0; part < 5; part++) {
    writeFileSync(path('app.log'), asLines(numbered(100, part * 100)), { flag: 'a' });
    await following.poll();
  }
  copyFileSync(path('app.log'), path('app.log.1'));
  // Lost by whoever rotates, unless it is read now.
  writeFileSync(path('app.log'), asLines(numbered(100, 500)), { flag: 'a' });
  await following.poll();
  truncateSync(path('app.log'));
  writeFileSync(path('app.log'), 'after\n', { flag: 'a' });
  await following.poll();
  await following.clock.advance(limits.heldMs + 1000);
  await following.poll();
  assert.deepEqual(following.bodies(), [...numbered(600), 'after']);
  await following.stop();
});

test('file_log: copy-truncate of a file that is new itself', async () => {
  const folder = temporaryFolder();
  const following = await follow({ include: [`${folder}/*.log*`] });
  const path = (name: string) => `${folder}/${name}`;
  writeFileSync(path('z.log'), asLines(LONG));
  // The clock of the file system has coarse steps.
  await until(() => {
    rmSync(path('a.log.1'), { force: true });
    copyFileSync(path('z.log'), path('a.log.1'));
    return statSync(path('a.log.1')).birthtimeMs > statSync(path('z.log')).birthtimeMs;
  }, 'the copy is younger');
  await following.poll();
  assert.deepEqual(following.bodies(), LONG);
  truncateSync(path('z.log'));
  await following.poll();
  await following.clock.advance(limits.heldMs + 1000);
  await following.poll();
  assert.deepEqual(following.bodies(), LONG);
  await following.stop();
});

test('file_log: files that begin alike, go on otherwise and never stop growing', async () => {
  const following = await follow();
  const banner = asLines(LONG);
  following.write('a.log', `${banner}a\n`);
  following.write('b.log', `${banner}b\n`);
  for (let step = 0; step < 3; step++) {
    await following.poll();
    await following.clock.advance(500);
    following.append('a.log', `a ${step}\n`);
    following.append('b.log', `b ${step}\n`);
  }
  await following.poll();
  assert.equal(following.bodies().filter((line) => line.startsWith('b ')).length, 3);
  await following.stop();
});

function renameIfThere(source: string, target: string): void {
  if (statSync(source, { throwIfNoEntry: false }) !== undefined) renameSync(source, target);
}

test('file_log: equal files are files of their own', async () => {
  const following = await follow();
  following.write('a.log', asLines(LONG));
  await following.poll();
  following.write('b.log', asLines(LONG));
  await following.poll();
  assert.equal(following.bodies().length, LONG.length, 'it may still become a copy-truncate');
  await following.clock.advance(limits.heldMs + 1);
  await following.poll();
  assert.deepEqual(following.bodies(), [...LONG, ...LONG]);
  await following.stop();
});

test('file_log: deleted while open: read to its end, then closed', async () => {
  const following = await follow();
  following.write('app.log', asLines(numbered(5)));
  await following.poll();
  following.append('app.log', asLines(numbered(5, 5)));
  unlinkSync(following.path('app.log'));
  await following.poll();
  assert.deepEqual(following.bodies(), numbered(10));
  const open = () => /open_files\{[^}]*\} (\d+)/.exec(following.counters.exposition())![1];
  assert.equal(open(), '1');
  await following.clock.advance(10_001);
  await following.poll();
  assert.equal(open(), '0');
  await following.stop();
});

test('file_log: deleted and made anew, with equal content, is read again', async () => {
  const following = await follow();
  for (let round = 0; round < 3; round++) {
    following.write('job.log', 'started\ndone\n');
    await following.poll();
    await following.clock.advance(limits.heldMs + 1);
    await following.poll();
    assert.equal(following.bodies().length, 2 * (round + 1));
    rmSync(following.path('job.log'));
    await following.poll();
    await following.clock.advance(10_001);
    await following.poll();
  }
  await following.stop();
});

test('file_log: another file while away under the old name', async () => {
  const first = await follow();
  first.write('app.log', asLines(LONG));
  await first.poll();
  await first.stop();
  rmSync(first.path('app.log'));
  writeFileSync(first.path('app.log'), asLines([...numbered(300, 0, 'another file entirely')]));
  const second = await follow({}, first);
  await second.poll();
  assert.deepEqual(second.bodies(), numbered(300, 0, 'another file entirely'));
  await second.stop();
});

test('file_log: moved by copying, as to another device, while away: read on', async () => {
  const first = await follow();
  first.write('app.log', asLines(LONG));
  await first.poll();
  await first.stop();
  copyFileSync(first.path('app.log'), first.path('copy'));
  rmSync(first.path('app.log'));
  renameSync(first.path('copy'), first.path('app.log'));
  writeFileSync(first.path('app.log'), 'more\n', { flag: 'a' });
  const second = await follow({}, first);
  await second.poll();
  assert.deepEqual(second.bodies(), ['more']);
  await second.stop();
});

test('file_log: renamed while away is known by what it is', async () => {
  const first = await follow();
  first.write('app.log', 'one\n');
  await first.poll();
  await first.stop();
  renameSync(first.path('app.log'), first.path('app.1.log'));
  writeFileSync(first.path('app.1.log'), 'two\n', { flag: 'a' });
  writeFileSync(first.path('app.log'), 'three\n');
  const second = await follow({}, first);
  await second.poll();
  assert.deepEqual(second.bodies().sort(), ['three', 'two']);
  await second.stop();
});

test('file_log: rotated several times while away, by name and by copy', async () => {
  const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  const config = { include: [`${folders.folder}/*.log*`] };
  const path = (name: string) => `${folders.folder}/${name}`;
  const first = await follow(config, folders);
  const names = ['name.log', 'copy.log'];
  for (const name of names) writeFileSync(path(name), asLines(numbered(50, 0, name)));
  await first.poll();
  await first.stop();
  for (let generation = 1; generation <= 4; generation++) {
    for (const name of names) {
      const more = asLines(numbered(10, 40 + 10 * generation, name));
      writeFileSync(path(name), more, { flag: 'a' });
      for (let old = 3; old > 0; old--) {
        renameIfThere(path(`${name}.${old}`), path(`${name}.${old + 1}`));
      }
      if (name === 'name.log') {
        renameSync(path(name), path(`${name}.1`));
      } else {
        copyFileSync(path(name), path(`${name}.1`));
        truncateSync(path(name));
      }
    }
  }
  for (const name of names) writeFileSync(path(name), `${name} 90\n`, { flag: 'a' });
  const second = await follow(config, folders);
  for (let look = 0; look < 4; look++) {
    await second.poll();
    await second.clock.advance(1000);
  }
  for (const name of names) {
    const own = second.bodies().filter((line) => line.startsWith(name));
    assert.deepEqual(own.sort(), numbered(41, 50, name).sort(), name);
  }
  await second.stop();
});

test('file_log: a partial last line at the rotation and at the stop is one line', async () => {
  const folder = temporaryFolder();
  const first = await follow({ include: [`${folder}/app.log*`] });
  const append = (name: string, text: string) =>
    writeFileSync(`${folder}/${name}`, text, { flag: 'a' });
  append('app.log', 'one\ntw');
  await first.poll();
  renameSync(`${folder}/app.log`, `${folder}/app.log.1`);
  append('app.log', 'thr');
  await first.poll();
  append('app.log.1', 'o\n');
  await first.poll();
  assert.deepEqual(first.bodies(), ['one', 'two']);
  await first.stop();
  append('app.log', 'ee\n');
  const second = await follow({ include: [`${folder}/app.log*`] }, first);
  await second.poll();
  assert.deepEqual(second.bodies(), ['three']);
  await second.stop();
});

test('file_log: links and second names are one file; a link that changes its target', async () => {
  const folder = temporaryFolder();
  mkdirSync(`${folder}/pods/a`, { recursive: true });
  mkdirSync(`${folder}/links`);
  writeFileSync(`${folder}/pods/a/0.log`, 'one\n');
  linkSync(`${folder}/pods/a/0.log`, `${folder}/pods/a/second.log`);
  symlinkSync(`${folder}/pods/a/0.log`, `${folder}/links/a.log`);
  symlinkSync(`${folder}/pods`, `${folder}/pods/a/loop`);
  const following = await follow({
    include: [`${folder}/**/*.log`], include_file_path: true, include_file_path_resolved: true,
  });
  await following.poll();
  await following.poll();
  assert.deepEqual(following.bodies(), ['one']);
  const [record] = following.records();
  assert.equal(attribute(record!, 'log.file.path'), `${folder}/links/a.log`);
  assert.equal(attribute(record!, 'log.file.path_resolved'), `${folder}/pods/a/0.log`);
  // The link comes to stand for another file.
  writeFileSync(`${folder}/pods/a/1.log`, 'two\n');
  rmSync(`${folder}/links/a.log`);
  symlinkSync(`${folder}/pods/a/1.log`, `${folder}/links/a.log`);
  await following.poll();
  assert.deepEqual(following.bodies(), ['one', 'two']);
  await following.stop();
});

test('file_log: thousands of small files at once, more than may be open', async () => {
  const following = await follow({ max_concurrent_files: 100, include_file_record_number: true });
  const files = 2000;
  for (let file = 0; file < files; file++) {
    following.write(`${file}.log`, asLines(numbered(3, 0, `file ${file} line`)));
  }
  await following.poll();
  for (let file = 0; file < files; file++) following.append(`${file}.log`, `file ${file} end\n`);
  await following.poll();
  const wanted = Array.from({ length: files }, (_, file) =>
    [...numbered(3, 0, `file ${file} line`), `file ${file} end`]).flat();
  const open = /open_files\{[^}]*\} (\d+)/.exec(following.counters.exposition())![1];
  assert.equal(open, '100');
  assert.deepEqual(following.bodies().sort(), wanted.sort());
  await following.stop();
});

test('file_log: exclude and exclude_older_than', async () => {
  const folder = temporaryFolder();
  const following = await follow({
    include: [`${folder}/**/*.log`],
    exclude: [`${folder}/private/**`, '**/debug*.log'],
    exclude_older_than: '1h',
  });
  mkdirSync(`${folder}/private`);
  mkdirSync(`${folder}/.hidden`);
  const seconds = following.clock.nowMs() / 1000;
  const write = (name: string, ageSeconds = 0) => {
    writeFileSync(`${folder}/${name}`, `${name}\n`);
    utimesSync(`${folder}/${name}`, seconds - ageSeconds, seconds - ageSeconds);
  };
  write('a.log');
  write('.hidden/b.log');
  write('private/c.log');
  write('debug1.log');
  write('a.txt');
  write('old.log', 7200);
  await following.poll();
  assert.deepEqual(following.bodies().sort(), ['.hidden/b.log', 'a.log']);
  await following.stop();
});

test('file_log: packed files are left alone, with a warning', async () => {
  const following = await follow();
  following.write('a.log', Buffer.from('28b52ffd00000000', 'hex'));
  following.write('b.log', 'one\n');
  await following.poll();
  await following.flush();
  assert.deepEqual(following.bodies(), ['one']);
  assert.match(following.log.lines.map(({ message }) => message).join(), /a\.log.*zstd/);
  await following.stop();
});
