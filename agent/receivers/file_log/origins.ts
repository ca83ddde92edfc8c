// Which known position lies in the content of an archive: that of the file it was packed from. All
// positions are looked at, of files that are followed, are gone, or were truncated; of those whose
// first bytes and whose bytes before the position are in this content, the furthest is it. What it
// passes over is, byte for byte as far as that was compared, what was read before.
//
// A file that is followed is compared itself: where the content of the archive ends, the file must
// have the same bytes.

import type { OpenFile } from '../../../runtime/files.ts';
import { isContent, reaches, toPosition, type ArchiveProbe } from './content.ts';
import { fits, Position, type Point } from './position.ts';
import { keyOf, limits as tailLimits, type Orphan, type Saved, type Tail } from './tails.ts';

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
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'followed'; readonly key: string; readonly untilMs: number };

/** Null when there is none. A position of a file that is not followed is taken away from there. */
export async function findOrigin(
  known: Known, tail: Tail, probe: ArchiveProbe,
): Promise<Origin | null> {
  const all = candidates(known, tail, probe);
  all.sort((a, b) => b.point.offset - a.point.offset);
  for (const candidate of all.slice(0, limits.comparedMax)) {
    const origin = await candidate.compare();
    if (origin !== null) return origin;
  }
  return null;
}

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
    const compare = async (): Promise<Origin | null> =>
      await isInside(position, point, probe) && take() ? { kind: 'position', position } : null;
    found.push({ point, compare });
  };
  for (const orphan of known.orphans) {
    const { position } = orphan;
    addFree(position, position.read, () => known.takeOrphan(orphan));
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
