// Which known position lies in the content of an archive: that of the file it was packed from. All
// positions are looked at, of files that are followed, are gone, or were truncated; of those whose
// first bytes and whose bytes before the position are in this content, the furthest is it. What it
// passes over is, byte for byte as far as that was compared, what was read before.
//
// A file that is followed is compared itself: where the content of the archive ends, the file must
// have the same bytes.

import type { OpenFile } from '../../../runtime/files.ts';
import {
  beginsAlike, isBeginning, isContent, reaches, toPosition, type ArchiveProbe,
} from './content.ts';
import { fits, Position, type Point } from './position.ts';
import { isTruncated, keyOf, type Tail } from './tail.ts';
import { limits as tailLimits, type Orphan, type Saved } from './tails.ts';

export const limits = {
  /** The content is compared with so many positions at most, the furthest ones. */
  comparedMax: 100,
} as const;

export interface Known {
  readonly orphans: readonly Orphan[];
  readonly followed: ReadonlyMap<string, Tail>;
  readonly saved: Map<string, Saved>;
  readonly fingerprintBytes: number;
  readonly takeOrphan: (orphan: Orphan) => boolean;
}

/** Where to read on; or the followed file that will read what the archive holds, until then. */
export type Origin =
  /** It has no verdict yet, or was moved while it was compared: ask again. */
  | { readonly kind: 'later' }
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'followed'; readonly key: string; readonly untilMs: number };

/** Null when there is none. A position of a file that is not followed is taken away from there. */
export async function findOrigin(
  known: Known, tail: Tail, probe: ArchiveProbe,
): Promise<Origin | null> {
  const others = [...known.followed.values()];
  // A copy that was packed in the meantime, and is still read by its handle.
  if (known.orphans.length > 0 && others.some(isUndecided)) return { kind: 'later' };
  if (others.some((other) => isTruncated(other) && fits(other.position!.fingerprint, probe.head))) {
    return { kind: 'later' };
  }
  if (others.some((other) => isUnread(other, tail, probe))) return { kind: 'later' };
  const left = await takeLeft(known, tail, probe);
  if (left !== null) return left;
  const all = candidates(known, tail, probe);
  all.sort((a, b) => b.point.offset - a.point.offset);
  for (const candidate of all.slice(0, limits.comparedMax)) {
    const origin = await candidate.compare();
    if (origin !== null) return origin;
  }
  return null;
}

/** It may take over the position of a file that was truncated, which an empty one cannot. */
const isUndecided = ({ archive, position, held, file, ignored, seen }: Tail): boolean =>
  !archive && !ignored && position === null && seen.sizeBytes > 0
    && (held !== null || file !== null);

/** It begins like the archive and nothing of it was read yet: nobody knows what will be. */
function isUnread(other: Tail, tail: Tail, { head, nowMs }: ArchiveProbe): boolean {
  const { position, archive, ignored, peek, lostSinceMs } = other;
  if (other === tail || archive || ignored || (position?.read.offset ?? 0) > 0) return false;
  // What is read to its end before it has a name no more is known at last.
  const waits = lostSinceMs !== null || nowMs < waitUntil(tail, nowMs);
  return waits && beginsAlike(position === null ? peek : position.head, head);
}

/**
 * What is left of the followed file that the archive was equal to as far as it goes: that may have
 * been written, and read, beyond where the archive ends.
 */
async function takeLeft(
  known: Known, { twin }: Tail, probe: ArchiveProbe,
): Promise<Origin | null> {
  if (twin === null || known.followed.get(twin.key)?.position === twin.position) return null;
  const orphan = known.orphans.find(({ position }) => isSame(position, twin.position));
  const saved = known.saved.get(twin.key);
  const offset = orphan?.position.read.offset ?? saved?.point.offset ?? 0;
  const end = await probe.end();
  const holder = orphan?.position ?? saved;
  if (holder === undefined || offset < end.offset) return null;
  if (!fits(holder.fingerprint, probe.head)) return null;
  if ((orphan?.position.open ?? 0) > 0) return { kind: 'later' };
  const taken = orphan === undefined ? known.saved.delete(twin.key) : known.takeOrphan(orphan);
  return taken ? { kind: 'position', position: new Position(end) } : { kind: 'later' };
}

/** A position of a file that is gone is another object, of the same content. */
const isSame = (one: Position, other: Position | null): boolean =>
  one === other || (one.content !== 0 && one.content === other?.content);

interface Candidate {
  readonly point: Point;
  /** Null when it is not the origin. */
  readonly compare: () => Promise<Origin | null>;
}

function candidates(known: Known, tail: Tail, probe: ArchiveProbe): Candidate[] {
  const found: Candidate[] = [];
  const { head, nowMs } = probe;
  const begins = ({ fingerprint }: Position) => fingerprint.bytes > 0 && fits(fingerprint, head);
  const addFree = (position: Position, point: Point, take: () => boolean): void => {
    if (!begins(position)) return;
    const compare = async (): Promise<Origin | null> => {
      if (!await isInside(position, point, probe)) return null;
      return take() ? { kind: 'position', position } : { kind: 'later' };
    };
    found.push({ point, compare });
  };
  for (const orphan of known.orphans) {
    const { position } = orphan;
    const take = () => known.takeOrphan(orphan);
    addFree(position, position.read, take);
    const compare = () => compareBeginning(position, probe, take);
    found.push({ point: position.read, compare });
  }
  for (const [key, other] of known.followed) {
    const { position } = other;
    if (other === tail || position === null || !begins(position)) continue;
    const small = position.fingerprint.bytes < known.fingerprintBytes;
    const untilMs = small && other.lostSinceMs === null ? waitUntil(tail, nowMs) : Infinity;
    if (position.read.offset === 0 || nowMs >= untilMs) continue;
    const followed: Origin = { kind: 'followed', key, untilMs };
    found.push({ point: position.read, compare: () => compareFollowed(other, probe, followed) });
  }
  for (const [key, saved] of known.saved) {
    if (key === keyOf(tail)) continue;
    const position = toPosition(saved);
    if (!known.followed.has(key)) addFree(position, saved.point, () => known.saved.delete(key));
    // It will be recognised soon.
    else if (begins(position)) found.push({ point: saved.point, compare: async () =>
      await isInside(position, saved.point, probe)
        ? { kind: 'followed', key, untilMs: Infinity } : null });
  }
  return found;
}

/** So long a small file that stays beside the archive counts as its origin; it may be by chance. */
const waitUntil = ({ held }: Tail, nowMs: number): number =>
  (held?.sinceMs ?? nowMs) + 2 * tailLimits.heldMs;

async function isInside(position: Position, point: Point, probe: ArchiveProbe): Promise<boolean> {
  return await isContent(point, position, probe) && await reaches(point, probe.readAt);
}

/** What was copied before the file was truncated, and that was read beyond the copy's end. */
async function compareBeginning(
  position: Position, probe: ArchiveProbe, take: () => boolean,
): Promise<Origin | null> {
  if (!beginsAlike(position.head, probe.head)) return null;
  const end = await probe.end();
  if (!await isBeginning(position, probe, end.offset)) return null;
  if (position.open > 0) return { kind: 'later' };
  return take() ? { kind: 'position', position: new Position(end) } : { kind: 'later' };
}

/** When the file has been read as far as the archive goes, that is where the archive is, too. */
async function compareFollowed(
  other: Tail, probe: ArchiveProbe, followed: Extract<Origin, { kind: 'followed' }>,
): Promise<Origin | null> {
  const end = await probe.end();
  const position = other.position!;
  if (end.offset > other.seen.sizeBytes) return null;
  const same = other.file === null
    ? await isInside(position, position.read, probe)
    : await hasAt(other.file, end);
  if (!same) return null;
  // A file that is gone gives its position away when it is read to its end.
  const stays = other.lostSinceMs === null && followed.untilMs === Infinity;
  return stays && end.offset <= position.read.offset
    ? { kind: 'position', position: new Position(end) } : followed;
}

async function hasAt(file: OpenFile, { offset, mark }: Point): Promise<boolean> {
  const bytes = Buffer.alloc(mark.length);
  const size = await file.read(bytes, offset - mark.length).catch(() => 0);
  return mark.equals(bytes.subarray(0, size));
}
