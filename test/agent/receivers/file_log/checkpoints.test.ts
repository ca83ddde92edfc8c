// Proves that no bytes in the place of the checkpoints keep the receiver from starting, make it
// fail, or make it lose a line: they are understood, or kept aside and counted, and then everything
// is read from its beginning. Torn and foreign documents by hand, all others by fast-check.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryFolder } from '../../../contract/fakes.ts';
import { asLines, follow, numbered } from './following.ts';

const LINES = numbered(50, 0, 'a line that is long enough');
const UNUSABLE = 'binnacle_file_log_unusable_checkpoints_total';
const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
const path = join(folders.stateFolder, 'checkpoints.json');
const kept = `${path}.unusable`;

/** A document as the receiver writes it, with one file, half of which was read. */
async function writeDocument(): Promise<Buffer> {
  const first = await follow({}, folders, () => {
    rmSync(path, { force: true });
    writeFileSync(join(folders.folder, 'a.log'), asLines(LINES.slice(0, 25)));
  });
  await first.poll();
  await first.stop();
  writeFileSync(join(folders.folder, 'a.log'), asLines(LINES));
  return readFileSync(path);
}

/** Starts with these bytes; answers what was read, and whether they were kept aside. */
async function startWith(bytes: Uint8Array): Promise<{ bodies: string[]; unusable: boolean }> {
  rmSync(kept, { force: true });
  writeFileSync(path, bytes);
  // At a first start it would begin at the end.
  const following = await follow({ start_at: 'end' }, folders);
  await following.poll();
  const errors = following.log.lines.filter(({ level }) => level !== 'info');
  const unusable = following.counters.total(UNUSABLE) === 1;
  assert.equal(existsSync(kept), unusable);
  if (unusable) assert.deepEqual(readFileSync(kept), Buffer.from(bytes));
  assert.equal(errors.length, unusable ? 1 : 0, errors[0]?.message);
  await following.stop();
  return { bodies: following.bodies(), unusable };
}

test('file_log: checkpoints that are torn, of another version, or none: kept aside', async () => {
  const good = await writeDocument();
  assert.deepEqual(await startWith(good), { bodies: LINES.slice(25), unusable: false });
  const document = JSON.parse(good.toString('utf8'));
  const [file] = document.files;
  const check = async (content: unknown) => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    assert.deepEqual(await startWith(bytes), { bodies: LINES, unusable: true });
  };
  await check(Buffer.alloc(0));
  await check(Buffer.alloc(4096));
  await check(good.subarray(0, good.length - 20));
  await check(null);
  await check({ files: [] });
  await check({ ...document, version: 9 });
  await check({ ...document, version: 0 });
  await check({ ...document, files: [{ ...file, offset: -1 }] });
  await check({ ...document, files: [{ ...file, headBytes: 2 ** 40 }] });
  await check({ ...document, files: [{ ...file, offset: 3 }] });
});

test('file_log: any bytes for checkpoints: a start, and no line is lost', async () => {
  const good = await writeDocument();
  const document = JSON.parse(good.toString('utf8'));
  const value = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.boolean(), fc.constant(null),
    fc.bigInt().map(Number), fc.constantFrom(2 ** 53, 2 ** 31, 1e300, -0, 'AAAA'));
  const keys = fc.constantFrom(...Object.keys(document.files[0]));
  const changed = fc.array(fc.tuple(keys, value), { minLength: 1, maxLength: 3 }).map((changes) => {
    const file = { ...document.files[0], ...Object.fromEntries(changes) };
    return Buffer.from(JSON.stringify({ ...document, files: [file] }));
  });
  const flipped = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 })
    .map((flips) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of flips) bytes[at] = byte;
      return bytes;
    });
  const cut = fc.nat(good.length).map((length) => good.subarray(0, length));
  const any = fc.oneof(changed, flipped, cut, fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)));
  await fc.assert(fc.asyncProperty(any, async (bytes) => {
    const { bodies, unusable } = await startWith(bytes);
    if (unusable) return assert.deepEqual(bodies, LINES);
    // Understood: from where it says, unless that is no place in this content.
    assert.deepEqual(bodies.slice(-25), LINES.slice(25));
  }), { interruptAfterTimeLimit: 2000, numRuns: 5000 });
});
