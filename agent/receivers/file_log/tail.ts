// What is known of one file that is followed.

import type { OpenFile } from '../../../runtime/files.ts';
import { beginsAlike } from './content.ts';
import type { Position } from './position.ts';
import type { FileFacts } from './records.ts';

export interface Look {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface Tail {
  readonly device: number;
  readonly inode: number;
  createdMs: number;
  /** The name it was seen under last. */
  path: string;
  /** The last look at it, and the one that its content was read for completely. */
  seen: Look;
  done: Look | null;
  /** Null until its content was recognised, or found to be new. */
  position: Position | null;
  file: OpenFile | null;
  /** The record at the end that is not complete: where, how long, since when. */
  leftover: { readonly offset: number; readonly bytes: number; readonly sinceMs: number } | null;
  /** Since when operators hold back what begins at these offsets. */
  joining: ReadonlyMap<number, number>;
  /** Since when no glob names it. */
  lostSinceMs: number | null;
  /** Since when it has not grown while it has to wait: it may be a copy, or is an archive. */
  held: { readonly sizeBytes: number; readonly sinceMs: number } | null;
  /** The followed file that this archive was packed from, with its position when that was seen. */
  twin: Twin | null;
  /** After a failure it is not tried before. */
  notBeforeMs: number;
  /** It is packed by gzip. */
  archive: boolean;
  /** Its content is not lines of text; it is left alone. */
  ignored: boolean;
  /** The look that found it. */
  readonly foundAt: number;
  /** Its content was that of its position at a time after this look had ended. */
  knownAt: number;
  /** It was there when the agent started. */
  readonly early: boolean;
  /** Its first bytes, while its content is not recognised. */
  peek: Buffer | null;
  /** It waits for a turn or has one. */
  busy: boolean;
  /** It has a turn. */
  reading: boolean;
  facts: FileFacts | null;
}

interface Twin {
  readonly key: string;
  readonly position: Position | null;
  readonly offset: number;
  readonly untilMs: number;
}

/** Seen to be shorter than what was read of it; its turn has not come since. */
export const isTruncated = ({ position, seen, ignored, archive }: Tail): boolean =>
  !ignored && !archive && position !== null && seen.sizeBytes < position.read.offset;

/** As long, and as old, as when it was read to its end. */
export const isUnchanged = ({ done, seen }: Tail): boolean =>
  done !== null && done.sizeBytes === seen.sizeBytes && done.modifiedMs === seen.modifiedMs;

/** Whether it may have had other content at the look `at` than what is known of it since. */
export function mayHaveChanged(tail: Tail, at: number, nowMs: number): boolean {
  const { position, archive, ignored, lostSinceMs, notBeforeMs, knownAt } = tail;
  if (position === null || archive || ignored || lostSinceMs !== null) return false;
  return knownAt < at && nowMs >= notBeforeMs;
}

export function keyOf({ device, inode }: { device: number; inode: number }): string {
  return `${device}:${inode}`;
}

/** Whether `tail`, new and beginning with `head`, may be a copy of `other`. */
export function mayBeCopyOf(other: Tail, tail: Tail, head: Buffer): boolean {
  const { position } = other;
  if (other === tail) return false;
  if (position !== null && position.read.offset > 0) return beginsAlike(position.head, head);
  // Both are new: the copy is the younger one, or, where that cannot be told, the one that waits.
  const areBorn = other.createdMs > 0 && tail.createdMs > 0;
  const isOlder = areBorn && other.createdMs !== tail.createdMs
    ? other.createdMs < tail.createdMs : position !== null;
  if (!isOlder || other.archive || other.ignored) return false;
  const known = position?.head ?? other.peek;
  return known === null ? other.busy : beginsAlike(known, head);
}
