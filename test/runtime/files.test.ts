// Files on a real file system: what is not there is null, a replacement is all or nothing, reads
// and writes are whole, space is what the system says.

import assert from 'node:assert/strict';
import {
  mkdirSync, readdirSync, readFileSync, statfsSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFiles } from '../../runtime/files.ts';
import { temporaryFolder } from '../contract/fakes.ts';

const files = createFiles();

test('files: what is not there is null, also below a file', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'file'), 'x');
  for (const path of [join(folder, 'none'), join(folder, 'file', 'below')]) {
    assert.equal(await files.read(path), null);
    assert.equal(await files.readText(path), null);
    assert.equal(await files.stat(path), null);
    assert.equal(await files.list(path), null);
    assert.equal(await files.realPath(path), null);
    assert.equal(await files.readLink(path), null);
    assert.equal(files.readKernelText(path), null);
    assert.equal(await files.open(path, 'read'), null);
  }
  await files.remove(join(folder, 'none'));
});

test('files: other failures throw the error of the system', async () => {
  await assert.rejects(files.read(temporaryFolder()), { code: 'EISDIR' });
});

test('files: replace leaves the new content and nothing else', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'state.json');
  await files.replace(path, 'first');
  // Left by a crash in the middle of an earlier replacement, and longer than the new content.
  writeFileSync(join(folder, '.state.json.new'), 'a longer left-over');
  await files.replace(path, Buffer.from('second'));
  assert.equal(readFileSync(path, 'utf8'), 'second');
  assert.deepEqual(readdirSync(folder), ['state.json']);
});

test('files: a replacement that fails keeps the old content', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'target', 'full'), { recursive: true });
  await assert.rejects(files.replace(join(folder, 'target'), 'text'));
  assert.deepEqual(readdirSync(join(folder, 'target')), ['full']);
});

test('files: an open file reads and writes at positions, and keeps what was in it', async () => {
  const path = join(temporaryFolder(), 'data');
  writeFileSync(path, '0123456789');
  const file = (await files.open(path, 'write'))!;
  await file.write(Buffer.from('ab'), 4);
  await file.sync();
  const target = Buffer.alloc(8);
  assert.equal(await file.read(target, 3), 7, 'fewer only at the end');
  assert.equal(target.toString('latin1', 0, 7), '3ab6789');
  assert.equal(await file.read(target, 100), 0);
  await file.truncate(3);
  assert.equal((await file.stat()).sizeBytes, 3);
  await file.close();
  await file.close();
  assert.equal(readFileSync(path, 'utf8'), '012');
});

test('files: kinds, links, and identity that survives a rename', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a'), 'text');
  await files.makeFolder(join(folder, 'sub', 'deep'));
  symlinkSync('a', join(folder, 'link'));
  const entries = (await files.list(folder))!;
  const kinds = Object.fromEntries(entries.map(({ name, kind }) => [name, kind]));
  assert.deepEqual(kinds, { a: 'file', sub: 'folder', link: 'link' });
  assert.equal(await files.readLink(join(folder, 'link')), 'a');
  assert.equal(await files.realPath(join(folder, 'link')), await files.realPath(join(folder, 'a')));
  const before = (await files.stat(join(folder, 'link')))!;
  assert.deepEqual([before.kind, before.sizeBytes], ['file', 4]);
  await files.rename(join(folder, 'a'), join(folder, 'b'));
  await files.syncFolder(folder);
  const after = (await files.stat(join(folder, 'b')))!;
  assert.deepEqual([after.device, after.inode], [before.device, before.inode]);
  await files.remove(join(folder, 'sub'));
  assert.equal(await files.stat(join(folder, 'sub')), null);
});

test('files: space is what the system says', async () => {
  const folder = temporaryFolder();
  const space = await files.space(folder);
  const { blocks, bsize } = statfsSync(folder);
  assert.equal(space.totalBytes, blocks * bsize);
  assert.ok(space.availableBytes <= space.freeBytes);
  assert.ok(space.freeBytes <= space.totalBytes);
});
