// Where to read on after a crash: the checkpoints are about a second old, but the queues behind the
// receiver know which stretches of which contents they hold (Origin in proto/contract/batch.ts).
//
//   0 ───────── checkpoint ───────── raised ───────── end of the file
//                          in all queues     read again
//
// Promises:
// - A position is raised only over what each of the queues holds. What they hold behind a gap,
//   since an earlier batch was refused, is kept and passed over when it is reached.
// - Only what was sent after the checkpoints were begun counts: their `run` is that of the origins.
//   A content that they do not name counts when it is newer than all that they could have named;
//   else it was given up on purpose.
// - What is raised is checked against the file like any checkpoint, before it is used.

import type { Batch, Origin } from '../../../proto/contract/batch.ts';
import {
  decodeFile, encodeFile, type Checkpoints, type SavedFile,
} from './checkpoints.ts';
import { BEGINNING, type Held, type Point, type Position } from './position.ts';
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
      packedBytes: 0, left: false, held: [] });
    // What is skipped before it had no records.
    position.sent = point.offset;
    return batch.from([{ receiver, run, content, from, to: point.offset, state }]);
  };
}

/** The files with raised positions, and those that the queues know and the checkpoints do not. */
export function raise(
  { run, contents, files }: Checkpoints, queues: readonly (readonly Origin[])[],
): SavedFile[] {
  const inAll = commonOf(queues.map((origins) => origins.filter((origin) => origin.run === run)));
  const raised = files.map((file) => further(file, inAll.get(file.content) ?? []));
  const known = new Set(files.map(({ content }) => content));
  for (const [content, stretches] of inAll) {
    const file = stretches.at(-1)?.file;
    if (content <= contents || known.has(content) || file === undefined) continue;
    raised.push(further({ ...file, content, point: BEGINNING }, stretches));
  }
  return withoutClashes(raised);
}

/** What is held of a content, and its file when that was. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly file: SavedFile;
}

/** By content, in its order: what all queues hold. */
function commonOf(queues: readonly (readonly Origin[])[]): Map<number, Stretch[]> {
  const [first = [], ...others] = queues.map(stretchesOf);
  const common = new Map(first);
  for (const other of others) {
    for (const [content, stretches] of common) {
      common.set(content, intersect(stretches, other.get(content) ?? []));
    }
  }
  return common;
}

function stretchesOf(origins: readonly Origin[]): Map<number, Stretch[]> {
  const found = new Map<number, Stretch[]>();
  for (const { content, from, to, state } of origins) {
    const file = decodeFile(state);
    if (file?.point.offset !== to) continue;
    found.set(content, [...found.get(content) ?? [], { from, to, file }]);
  }
  for (const stretches of found.values()) stretches.sort((a, b) => a.from - b.from);
  return found;
}

const intersect = (some: readonly Stretch[], others: readonly Stretch[]): Stretch[] =>
  some.flatMap((one) => others.flatMap((other) => {
    const from = Math.max(one.from, other.from);
    const { to, file } = one.to < other.to ? one : other;
    return from < to ? [{ from, to, file }] : [];
  }));

/** The file with its position raised; what lies behind a gap is passed over later. */
function further(file: SavedFile, stretches: readonly Stretch[]): SavedFile {
  // The last that is known of the file: its content may have been copied and be in another one.
  const { device, inode, createdMs, fingerprint } = stretches.at(-1)?.file ?? file;
  const all = [...file.held, ...stretches.map(({ from, file: { point } }) => ({ from, point }))]
    .sort((a, b) => a.from - b.from);
  let { point } = file;
  const held: Held[] = [];
  for (const one of all) {
    if (one.point.offset <= point.offset) continue;
    if (one.from <= point.offset) point = one.point;
    else held.push(one);
  }
  const packedBytes = point === file.point ? file.packedBytes : 0;
  return { ...file, device, inode, createdMs, fingerprint, point, held, packedBytes };
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
