// Where to read on after a crash: the checkpoints are about a second old, but the queues behind the
// receiver know which stretches of which contents they hold (Origin in proto/contract/batch.ts).
//
//   0 ───────── checkpoint ───────── raised ───────── end of the file
//                          in all queues     read again
//
// Promises:
// - A position is raised only over what each of the queues holds without a gap.
// - Only what was sent after the checkpoints were begun counts: their `run` is that of the origins.
//   A content that they do not name counts when it is newer than all that they could have named;
//   else it was given up on purpose.
// - What is raised is checked against the file like any checkpoint, before it is used.

import type { Batch, Origin } from '../../../proto/contract/batch.ts';
import {
  decodeFile, encodeFile, type Checkpoints, type SavedFile,
} from './checkpoints.ts';
import type { Point, Position } from './position.ts';
import { keyOf, type Tail } from './tail.ts';

/** The batch of the records of `position` up to `point`, with where they are from. */
export type Mark = (batch: Batch, tail: Tail, position: Position, point: Point) => Batch;

/** `contentOf` numbers the contents of this run. */
export function createMark(
  { receiver, run }: Pick<Origin, 'receiver' | 'run'>,
  contentOf: (position: Position) => number,
): Mark {
  return (batch, { device, inode, createdMs }, position, point) => {
    const { fingerprint, sent: from } = position;
    const content = contentOf(position);
    const state = encodeFile({ device, inode, createdMs, path: '', fingerprint, point, content: 0,
      packedBytes: 0, left: false });
    // What is skipped before it had no records.
    position.sent = point.offset;
    return batch.from([{ receiver, run, content, from, to: point.offset, state }]);
  };
}

/** The files with raised positions, and those that the queues know and the checkpoints do not. */
export function raise(
  { run, contents, files }: Checkpoints, queues: readonly (readonly Origin[])[],
): SavedFile[] {
  const ofRun = queues.map((origins) => origins.filter((origin) => origin.run === run));
  const known = new Set(files.map(({ content }) => content));
  const raised = files.map((file) => {
    const further = reach(ofRun, file.content, file.point.offset);
    return further === null ? file
      : { ...further, path: file.path, content: file.content, left: file.left };
  });
  const newer = new Set((ofRun[0] ?? []).map(({ content }) => content)
    .filter((content) => content > contents && !known.has(content)));
  for (const content of newer) {
    const file = reach(ofRun, content, 0);
    if (file !== null) raised.push({ ...file, content });
  }
  return withoutClashes(raised);
}

/** Where all of the queues say that they have come to, from `offset` on. */
function reach(
  queues: readonly (readonly Origin[])[], content: number, offset: number,
): SavedFile | null {
  let least: Origin | undefined;
  for (const origins of queues) {
    const own = origins.find((one) =>
      one.content === content && one.from <= offset && one.to > offset);
    if (own === undefined) return null;
    if (least === undefined || own.to < least.to) least = own;
  }
  const file = least === undefined ? null : decodeFile(least.state);
  return file?.point.offset === least?.to ? file : null;
}

/**
 * Of several contents of a file the newest is in it now. The others may be in copies, unless the
 * file is another one with the same numbers.
 */
function withoutClashes(files: readonly SavedFile[]): SavedFile[] {
  const newest = new Map<string, SavedFile>();
  const inOrder = [...files].sort((a, b) => a.content - b.content);
  for (const file of inOrder) if (!file.left) newest.set(keyOf(file), file);
  return inOrder.flatMap((file) => {
    const now = newest.get(keyOf(file));
    if (file.left || now === file || now === undefined) return [file];
    return now.createdMs === file.createdMs ? [{ ...file, left: true }] : [];
  });
}
