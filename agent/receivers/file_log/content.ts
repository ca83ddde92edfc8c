// Recognises content: by its first bytes, and by those right before a position.

import { crc32 } from 'node:zlib';
import type { SavedFile } from './checkpoints.ts';
import { fits, Position, type Point, type Trace } from './position.ts';

/** What is known of a file whose content is to be recognised. */
export interface Probe {
  readonly head: Buffer;
  readonly sizeBytes: number;
  readonly nowMs: number;
  readonly readAt: (offset: number, bytes: number) => Promise<Buffer>;
}

/** The same of an archive; what is counted in bytes is its content, the size not known. */
export interface ArchiveProbe extends Probe {
  readonly packedBytes: number;
  /** Where the content ends. */
  readonly end: () => Promise<Point>;
}

/** Whether the position lies in this content. */
export async function isContent(
  { offset, mark }: Point,
  { fingerprint }: Position,
  { head, sizeBytes, readAt }: Probe,
): Promise<boolean> {
  if (sizeBytes < offset || !fits(fingerprint, head)) return false;
  return mark.equals(await readAt(offset - mark.length, mark.length));
}

/**
 * Whether content that ends at `end`, before the position, is a beginning of what was read. Known
 * only of what this process has read, and as far back as it remembers.
 */
export async function isBeginning(
  position: Position, { head, readAt }: Probe, end: number,
): Promise<boolean> {
  if (end === 0 || end >= position.read.offset || !beginsAlike(position.head, head)) return false;
  const trace = position.traceBefore(end);
  if (trace === null) return end <= Math.min(head.length, position.head!.length);
  return hasTrace(trace, { readAt });
}

async function hasTrace(
  { offset, bytes, crc }: Trace, { readAt }: Pick<Probe, 'readAt'>,
): Promise<boolean> {
  const found = await readAt(offset - bytes, bytes);
  return found.length === bytes && crc32(found) === crc;
}

/** Of content that begins like what was read: whether it is the same further on, too. */
export async function goesOnAlike(position: Position, probe: Probe): Promise<boolean> {
  const { read } = position;
  if (probe.sizeBytes >= read.offset) {
    return read.mark.equals(await probe.readAt(read.offset - read.mark.length, read.mark.length));
  }
  const trace = position.traceBefore(probe.sizeBytes);
  return trace === null || await hasTrace(trace, probe);
}

/** Whether content is as long as where a point is. */
export async function reaches({ offset }: Point, readAt: Probe['readAt']): Promise<boolean> {
  return offset === 0 || (await readAt(offset - 1, 1)).length === 1;
}

export function toPosition(saved: SavedFile): Position {
  const position = new Position(saved.point, saved.fingerprint, saved);
  position.packedBytes = saved.packedBytes;
  return position;
}

/** Whether one of the two begins the other. */
export function beginsAlike(one: Buffer | null, other: Buffer): boolean {
  if (one === null) return false;
  const bytes = Math.min(one.length, other.length);
  return bytes > 0 && one.compare(other, 0, bytes, 0, bytes) === 0;
}
