// The files that are followed, told apart by what they are, not by what they are called.
//
// A file is a device and an inode (and its time of birth, where known): whatever its name becomes,
// it is the same file, and a name may come to stand for another file. What is in it is recognised
// by its first bytes and those before the position. From that follows:
//
// - renamed             same file, same position; it is read on whether or not a glob names it
// - new under that name another file: read from its beginning
// - no longer named     read to its end and, after `limits.lostMs` without growth, forgotten
// - truncated, rewritten  smaller than its position, or other first bytes: read from its beginning;
//                       the old position becomes an orphan
// - copied              a new file that begins like one that is followed waits up to
//                       `limits.heldMs`: when the other one is truncated (copy-truncate), the copy
//                       takes over the orphan; when it is not, it is a file of its own. A copy
//                       that is shorter than what was read of the original was read, all of it.
//                       Any new file waits until the others were looked at after it was found
// - inode used again    another birth or other first bytes: read from its beginning
// - moved to another device (or the device is numbered anew) while the agent was away: it takes
//                       over the position of a file that is gone when at least a whole fingerprint
//                       is the same, and the bytes before the position
// - packed by gzip      its content takes over the position of the file that it was packed from, as
//                       soon as that one is gone or truncated: whichever of all positions lies
//                       furthest in this content, its bytes being there (origins.ts)
//
// Positions of files that are gone are kept for `limits.savedMs`, since a folder may come back.

import type { Checkpoints, SavedFile } from './checkpoints.ts';
import {
  beginsAlike, goesOnAlike, isBeginning, isContent, toPosition, type ArchiveProbe, type Probe,
} from './content.ts';
import type { FoundFile } from './glob.ts';
import { findOrigin } from './origins.ts';
import { fits, MARK_BYTES, Position } from './position.ts';
import {
  isTruncated, isUnchanged, keyOf, mayBeCopyOf, mayHaveChanged, type Tail,
} from './tail.ts';

export const limits = {
  /** A file without a name that has not grown for so long is closed. */
  lostMs: 10_000,
  /** A file that may be a copy is held back for so long after its last growth. */
  heldMs: 10_000,
  /** A new file waits at most so many looks until files that it may be a copy of had a turn. */
  foundLooksMax: 10,
  /** After so long without an heir an orphan is dropped. */
  orphanMs: 60_000,
  /** So long the position of a file that is gone is kept, counted while the agent runs. */
  savedMs: 24 * 3_600_000,
  /** The oldest saved positions are dropped beyond this number. */
  savedMax: 100_000,
} as const;

export interface TailsOptions {
  /** Null at the very first start. */
  readonly saved: readonly SavedFile[] | null;
  /** A UUID, new at each start. */
  readonly run: string;
  readonly startAtEnd: boolean;
  readonly fingerprintBytes: number;
}

export interface Orphan {
  readonly position: Position;
  readonly untilMs: number;
  /** The file was not rewritten: it is gone, and its inode used again. */
  readonly gone: boolean;
}

export type Saved = SavedFile & { readonly untilMs: number };

type Identity = Pick<Tail, 'device' | 'inode' | 'createdMs' | 'path'>;
const NOWHERE: Identity = { device: 0, inode: 0, createdMs: 0, path: '' };

export class Tails {
  readonly all = new Map<string, Tail>();
  /** How many there were, with the one that is under way. */
  looks = 0;
  private readonly saved = new Map<string, Saved>();
  private orphans: Orphan[] = [];
  /** Saved by an earlier process: a file that is there at the start may continue one of them. */
  private readonly inherited = new Set<string>();
  private readonly options: TailsOptions;
  private birthsKnown = true;
  /** The number of the newest content. */
  private contents = 0;

  constructor(options: TailsOptions, nowMs: number) {
    this.options = options;
    const untilMs = nowMs + limits.savedMs;
    for (const one of options.saved ?? []) {
      const file = { ...one, content: ++this.contents };
      if (file.left) {
        this.orphan(toPosition(file), nowMs, false);
        continue;
      }
      this.saved.set(keyOf(file), { ...file, untilMs });
      this.inherited.add(keyOf(file));
    }
  }

  has(file: { device: number; inode: number }): boolean {
    return this.all.has(keyOf(file));
  }

  /** Takes in a walk. Answers the tails that nobody follows any more; their files are closed. */
  update(found: readonly FoundFile[], nowMs: number): Tail[] {
    const named = new Set<string>();
    this.looks++;
    for (const file of found) {
      const key = keyOf(file.stat);
      named.add(key);
      const known = this.all.get(key);
      if (known !== undefined && this.see(known, file)) continue;
      if (known?.position != null) this.orphan(known.position, nowMs, true);
      this.all.set(key, this.create(file));
    }
    const gone: Tail[] = [];
    for (const [key, tail] of this.all) {
      if (named.has(key)) continue;
      tail.lostSinceMs ??= nowMs;
      if (tail.busy || (tail.position?.open ?? 0) > 0) continue;
      if (tail.file !== null && !this.isFinished(tail, nowMs)) continue;
      this.all.delete(key);
      this.keep(key, tail, nowMs);
      gone.push(tail);
    }
    this.expire(nowMs);
    return gone;
  }

  /** Finds the position of a file. False when that must wait: ask again at the next look. */
  async identify(tail: Tail, probe: Probe): Promise<boolean> {
    const key = keyOf(tail);
    const own = this.saved.get(key);
    tail.peek = probe.head;
    if (own !== undefined) {
      const position = toPosition(own);
      const same = this.sameBirth(own, tail);
      const continued = same && await isContent(own.point, position, probe);
      this.saved.delete(key);
      if (continued) {
        tail.position = position;
        return true;
      }
      this.orphan(position, probe.nowMs, !same);
    }
    // Asked first: what changes while the others are compared would be missed.
    const wait = this.isTooNew(tail, probe.nowMs) ? 'later' : null;
    const found = await this.adopt(tail, probe) ?? await this.adoptBeginning(probe) ?? wait;
    if (found === 'later') this.hold(tail, probe);
    else if (found !== null) tail.position = found;
    else if (probe.head.length === 0) tail.held = null;
    else if (!await this.isHeld(tail, probe)) tail.position = new Position();
    return tail.position !== null;
  }

  /**
   * Finds the position of what is in an archive. `wait` while the file that it was packed from is
   * followed itself; `unknown` when nothing of it was read, as far as anybody knows.
   */
  async identifyArchive(tail: Tail, probe: ArchiveProbe): Promise<'found' | 'wait' | 'unknown'> {
    const key = keyOf(tail);
    const own = this.saved.get(key);
    if (own !== undefined) {
      const position = toPosition(own);
      const whole = own.packedBytes === probe.packedBytes && fits(own.fingerprint, probe.head);
      const same = whole || await isContent(own.point, position, probe);
      this.saved.delete(key);
      if (same && this.sameBirth(own, tail)) {
        tail.position = position;
        return 'found';
      }
      this.orphan(position, probe.nowMs, true);
    }
    const origin = await findOrigin({
      orphans: this.orphans,
      followed: this.all,
      saved: this.saved,
      fingerprintBytes: this.options.fingerprintBytes,
      takeOrphan: (orphan) => this.takeOrphan(orphan),
    }, tail, probe);
    if (origin === null) return 'unknown';
    if (origin.kind === 'later') return 'wait';
    if (origin.kind === 'position') {
      tail.position = origin.position;
      return 'found';
    }
    const position = this.all.get(origin.key)?.position ?? null;
    tail.twin = { ...origin, position, offset: position?.read.offset ?? 0 };
    return 'wait';
  }

  /** Whether nothing has changed since `identifyArchive` said that it has to wait. */
  hasTwin({ twin }: Tail, nowMs: number): boolean {
    if (twin === null || nowMs >= twin.untilMs) return false;
    const other = this.all.get(twin.key);
    if (other === undefined || other.position !== twin.position) return false;
    return (other.position?.read.offset ?? 0) === twin.offset;
  }

  /** The content is another one: it is read from the beginning. */
  restart(tail: Tail, nowMs: number): void {
    if (tail.position !== null && tail.position.read.offset > 0) {
      tail.position.forgetUnread();
      this.orphan(tail.position, nowMs, false);
    }
    tail.position = new Position();
    tail.leftover = null;
    tail.joining = new Map();
    tail.done = null;
    tail.peek = null;
    tail.knownAt = 0;
  }

  /** What a checkpoint holds. */
  snapshot(): Checkpoints {
    const files: SavedFile[] = [...this.saved.values()];
    for (const { position, gone } of this.orphans) {
      // Without a mark it would be recognised in other contents, too.
      if (gone || position.accepted.mark.length === 0) continue;
      files.push({ ...this.toSaved(NOWHERE, position), left: true });
    }
    for (const tail of this.all.values()) {
      if (tail.position !== null) files.push(this.toSaved(tail, tail.position));
    }
    return { run: this.options.run, contents: this.contents, files };
  }

  /** The number of its content in this run. */
  contentOf(position: Position): number {
    if (position.content === 0) position.content = ++this.contents;
    return position.content;
  }

  private create({ path, stat }: FoundFile): Tail {
    const { device, inode, createdMs, sizeBytes, modifiedMs } = stat;
    const early = this.looks === 1;
    const veryFirst = early && this.options.saved === null;
    const end = { offset: sizeBytes, records: 0, flushed: false, mark: Buffer.alloc(0) };
    const fresh = veryFirst ? new Position() : null;
    return {
      device, inode, path,
      createdMs: this.birthsKnown ? createdMs : 0,
      seen: { sizeBytes, modifiedMs },
      done: null,
      position: veryFirst && this.options.startAtEnd ? new Position(end) : fresh,
      early, foundAt: this.looks, knownAt: 0,
      file: null, leftover: null, joining: new Map(), lostSinceMs: null, held: null, notBeforeMs: 0,
      twin: null, peek: null, archive: false, ignored: false,
      busy: false, reading: false, facts: null,
    };
  }

  /** False when it is another file with the same numbers. */
  private see(tail: Tail, { path, stat }: FoundFile): boolean {
    if (this.birthsKnown && tail.createdMs !== stat.createdMs) {
      if (tail.file === null) return tail.busy;
      // An open file keeps its inode: the birth that changed is none. From now on they are not
      // looked at.
      this.birthsKnown = false;
      for (const one of this.all.values()) one.createdMs = 0;
    }
    if (tail.path !== path) {
      tail.path = path;
      tail.facts = null;
    }
    tail.seen = { sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
    tail.lostSinceMs = null;
    if (isUnchanged(tail)) tail.knownAt = Math.max(tail.knownAt, this.looks - 1);
    return true;
  }

  private isFinished(tail: Tail, nowMs: number): boolean {
    if (nowMs - (tail.lostSinceMs ?? nowMs) < limits.lostMs || tail.joining.size > 0) return false;
    return tail.done !== null && tail.done.sizeBytes === tail.seen.sizeBytes;
  }

  private keep(key: string, tail: Tail, nowMs: number): void {
    if (tail.position === null) return;
    if (this.saved.size >= limits.savedMax) this.saved.delete(this.saved.keys().next().value!);
    const untilMs = nowMs + limits.savedMs;
    this.saved.set(key, { ...this.toSaved(tail, tail.position), untilMs });
  }

  private toSaved(tail: Identity, position: Position): SavedFile {
    const content = this.contentOf(position);
    const { device, inode, createdMs, path } = tail;
    const { fingerprint, accepted: point } = position;
    // To its end means: all of it accepted.
    const packedBytes = position.open === 0 ? position.packedBytes : 0;
    const held = position.held.filter((one) => one.point.offset > point.offset);
    return {
      device, inode, createdMs, path, fingerprint, point, packedBytes, content, held, left: false,
    };
  }

  private expire(nowMs: number): void {
    this.orphans = this.orphans.filter(({ untilMs }) => untilMs > nowMs);
    for (const [key, { untilMs }] of this.saved) {
      if (untilMs <= nowMs) this.saved.delete(key);
    }
  }

  private orphan(position: Position, nowMs: number, gone: boolean): void {
    this.orphans.push({ position, untilMs: nowMs + limits.orphanMs, gone });
  }

  private sameBirth(one: { createdMs: number }, other: { createdMs: number }): boolean {
    return one.createdMs === other.createdMs || one.createdMs === 0 || other.createdMs === 0;
  }

  /** The position of content that this file continues, taken away from whoever had it. */
  private async adopt(tail: Tail, probe: Probe): Promise<Position | null> {
    for (const orphan of this.orphans) {
      const { position, gone } = orphan;
      // A file that is made anew with equal content is not a copy of the one that is gone.
      if (gone || !fits(position.fingerprint, probe.head)) continue;
      if (!await isContent(position.read, position, probe)) continue;
      if (this.takeOrphan(orphan)) return position;
    }
    for (const key of tail.early ? this.inherited : []) {
      const saved = this.saved.get(key);
      if (saved === undefined || !this.isHeir(tail, saved)) continue;
      if (!fits(saved.fingerprint, probe.head)) continue;
      const position = toPosition(saved);
      if (this.all.has(key) || !await isContent(saved.point, position, probe)) continue;
      if (this.saved.delete(key) && this.inherited.delete(key)) return position;
    }
    return null;
  }

  /** The same for a copy that ends before the position: all of it was read in the original. */
  private async adoptBeginning(probe: Probe): Promise<Position | 'later' | null> {
    const { sizeBytes, readAt } = probe;
    for (const orphan of this.orphans) {
      const { position, gone } = orphan;
      if (gone || !beginsAlike(position.head, probe.head)) continue;
      // What it grew by since its size was looked at may have been read, too.
      if ((await readAt(sizeBytes, 1)).length > 0) return 'later';
      if (!await isBeginning(position, probe, sizeBytes)) continue;
      // Else a checkpoint would pass what has no verdict.
      if (position.open > 0) return 'later';
      const bytes = Math.min(sizeBytes, MARK_BYTES);
      const mark = Buffer.from(await readAt(sizeBytes - bytes, bytes));
      const { records } = position.read;
      const point = { offset: sizeBytes, records, flushed: false, mark };
      if (this.takeOrphan(orphan)) return new Position(point);
    }
    return null;
  }

  private takeOrphan(orphan: Orphan): boolean {
    const before = this.orphans.length;
    this.orphans = this.orphans.filter((one) => one !== orphan);
    return this.orphans.length < before;
  }

  /** Small files may be equal by chance: they count as moved only with the same inode and birth. */
  private isHeir(tail: Tail, saved: SavedFile): boolean {
    if (saved.fingerprint.bytes >= this.options.fingerprintBytes) return true;
    return saved.inode === tail.inode && saved.device !== tail.device
      && saved.createdMs === tail.createdMs && tail.createdMs !== 0;
  }

  /** Whether it may be a copy of what was in another file by then, and nobody knows yet. */
  private isTooNew(tail: Tail, nowMs: number): boolean {
    if (this.looks - tail.foundAt >= limits.foundLooksMax) return false;
    return [...this.all.values()].some((other) => mayHaveChanged(other, tail.foundAt, nowMs));
  }

  /** It gets another turn although it does not grow. */
  private hold(tail: Tail, { sizeBytes, nowMs }: Probe): void {
    if (tail.held?.sizeBytes !== sizeBytes) tail.held = { sizeBytes, sinceMs: nowMs };
  }

  private async isHeld(tail: Tail, probe: Probe): Promise<boolean> {
    const { nowMs } = probe;
    const originals = await this.originalsOf(tail, probe);
    if (originals.length === 0) return false;
    this.hold(tail, probe);
    // That the original was truncated may be known later than seen.
    return originals.some(isTruncated) || nowMs - tail.held!.sinceMs < limits.heldMs;
  }

  /** Followed files that it may be a copy of. */
  private async originalsOf(tail: Tail, probe: Probe): Promise<Tail[]> {
    const { head } = probe;
    const alike = [...this.all].filter(([key, other]) => {
      if (mayBeCopyOf(other, tail, head)) return true;
      const saved = other.position === null ? this.saved.get(key) : undefined;
      return other !== tail && saved !== undefined && fits(saved.fingerprint, head);
    }).map(([, other]) => other);
    const originals: Tail[] = [];
    for (const other of alike) {
      const { position } = other;
      if (position === null || await goesOnAlike(position, probe)) originals.push(other);
    }
    return originals;
  }
}
