// Proves where a file is read on, given what checkpoints and queues say: never beyond what each of
// the queues holds without a gap, and never by what does not belong to the checkpoints.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeFile, type SavedFile,
} from '../../../../agent/receivers/file_log/checkpoints.ts';
import { raise } from '../../../../agent/receivers/file_log/resume.ts';
import type { Origin } from '../../../../proto/contract/batch.ts';

const file = (content: number, offset: number, more: Partial<SavedFile> = {}): SavedFile => ({
  device: 1, inode: content, createdMs: 5, path: `/logs/${content}`, content, left: false,
  fingerprint: { bytes: 3, crc: 7 }, packedBytes: 0, held: [],
  point: { offset, records: offset, flushed: false, mark: Buffer.alloc(0) }, ...more,
});

const origin = (
  content: number, from: number, to: number, more: Partial<SavedFile> = {}, run = 'one',
): Origin => ({
  receiver: 'files', run, content, from, to, state: encodeFile(file(content, to, more)),
});

const check = (
  files: SavedFile[], queues: Origin[][], expected: [number, number][], contents = 5,
) => {
  const raised = raise({ run: 'one', contents, files }, queues);
  assert.deepEqual(raised.filter(({ left }) => !left)
    .map(({ content, point: { offset } }) => [content, offset]), expected);
};

test('resume: a position is raised over what is held without a gap', () => {
  check([file(1, 100)], [[origin(1, 0, 300)]], [[1, 300]]);
  check([file(1, 100)], [[origin(1, 100, 300), origin(1, 400, 500)]], [[1, 300]]);
  check([file(1, 100)], [[origin(1, 101, 300)]], [[1, 100]]);
  check([file(1, 100)], [[origin(1, 0, 100)]], [[1, 100]]);
  check([file(1, 100), file(2, 0)], [[origin(2, 0, 50)]], [[1, 100], [2, 50]]);
});

test('resume: what is held behind a gap is kept, with what was kept before', () => {
  const heldOf = (files: SavedFile[], queues: Origin[][]) =>
    raise({ run: 'one', contents: 5, files }, queues).map(({ point, held }) =>
      [point.offset, ...held.map((one) => [one.from, one.point.offset])]);
  const behind = origin(1, 150, 300);
  assert.deepEqual(heldOf([file(1, 100)], [[behind]]), [[100, [150, 300]]]);
  const [kept] = raise({ run: 'one', contents: 5, files: [file(1, 100)] }, [[behind]]);
  assert.deepEqual(heldOf([kept!], [[origin(1, 400, 500)]]), [[100, [150, 300], [400, 500]]]);
  assert.deepEqual(heldOf([kept!], [[origin(1, 100, 150)]]), [[300]]);
  assert.deepEqual(heldOf([kept!], [[origin(1, 100, 150), origin(1, 300, 310)]]), [[310]]);
  assert.deepEqual(heldOf([file(1, 100)], [[behind], [origin(1, 0, 120), origin(1, 200, 400)]]),
    [[100, [200, 300]]]);
});

test('resume: all queues must hold it', () => {
  check([file(1, 100)], [[origin(1, 0, 300)], [origin(1, 50, 200)]], [[1, 200]]);
  check([file(1, 100)], [[origin(1, 0, 300)], []], [[1, 100]]);
  check([file(1, 100)], [], [[1, 100]]);
});

test('resume: what belongs to other checkpoints does not count', () => {
  check([file(1, 100)], [[origin(1, 0, 300, {}, 'two')]], [[1, 100]]);
  const known = raise({ run: null, contents: 0, files: [file(1, 100)] }, [[origin(1, 0, 300)]]);
  assert.equal(known[0]!.point.offset, 100);
});

test('resume: a content that is newer than the checkpoints is known by the queues', () => {
  check([file(1, 100)], [[origin(6, 0, 70)]], [[1, 100], [6, 70]]);
  // Its beginning is missing.
  check([file(1, 100)], [[origin(6, 10, 70)]], [[1, 100], [6, 0]]);
  // It was given up before they were written.
  check([file(1, 100)], [[origin(5, 0, 70)]], [[1, 100]]);
  check([file(1, 100)], [[origin(6, 0, 70)], []], [[1, 100]]);
});

test('resume: the newest of several contents of a file is in it, others may be in copies', () => {
  const raised = raise({ run: 'one', contents: 5, files: [file(1, 100, { inode: 6 })] },
    [[origin(6, 0, 70)]]);
  assert.deepEqual(raised.map(({ content, left }) => [content, left]), [[1, true], [6, false]]);
  const reused = raise({ run: 'one', contents: 5, files: [file(1, 100, { inode: 6 })] },
    [[origin(6, 0, 70, { createdMs: 9 })]]);
  assert.deepEqual(reused.map(({ content }) => content), [6]);
});

test('resume: states of any text are no reason to fail', () => {
  for (const state of ['', 'null', '{}', '[1]', encodeFile(file(1, 299))]) {
    check([file(1, 100)], [[{ ...origin(1, 0, 300), state }]], [[1, 100]]);
  }
});
