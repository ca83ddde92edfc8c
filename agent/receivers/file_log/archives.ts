// Turns of files that are packed by gzip. Their content is recognised like that of any file, by its
// first bytes and those before a position, which count in unpacked bytes. So an archive of a file
// that was read is not read again, and what was not read of it before it was packed is read on.
//
// - An archive is begun when it has not grown for `limits.settledMs`, since it appears while it is
//   being packed.
// - While the file that it was packed from is followed itself, it waits.
// - One of a content that nobody has read is read from its beginning when `readUnknown` says so.
//   It is left alone otherwise.
// - One that is broken counts, and is read as far as it can be unpacked; it is looked at again only
//   when its size changes.
// - At most `limits.openMax` are unpacked at the same time; all others wait for their turn.

import type { OpenFile } from '../../../runtime/files.ts';
import { reaches } from './content.ts';
import { createUnpacked, type Unpacked } from './gzip.ts';
import { fits, MARK_BYTES, Position, type Point } from './position.ts';
import {
  readPiece, restart, type Place, type ReaderOptions, type ReaderParts,
} from './pieces.ts';
import type { Tail } from './tail.ts';

export const limits = {
  /** Archives that are being unpacked. Each holds a few times what is read at one time. */
  openMax: 2,
  /** An archive that has not grown for so long is taken for whole. */
  settledMs: 2000,
  /** One that waits is looked at again after so long, or after `settledMs` if that costs more. */
  againMs: 500,
  /** Pieces read in one turn. */
  turnReads: 4,
} as const;

export interface ArchiveOptions extends ReaderOptions {
  readonly readUnknown: boolean;
}

export interface Archives {
  /** Reads what is new of the archive; true when there may be more at once. */
  turn(tail: Tail, file: OpenFile, buffer: Buffer): Promise<boolean>;
  /** Lets go of what a turn left open. */
  close(tail: Tail): void;
  closeAll(): void;
}

export function createArchives(options: ArchiveOptions, parts: ReaderParts): Archives {
  const open = new Map<Tail, { unpacked: Unpacked; file: OpenFile }>();
  const close = (tail: Tail): void => {
    open.get(tail)?.unpacked.close();
    open.delete(tail);
  };
  /** Null when as many as allowed are open. */
  const unpack = (tail: Tail, file: OpenFile, windowBytes: number): Unpacked | null => {
    const known = open.get(tail);
    if (known === undefined && open.size >= limits.openMax) return null;
    if (known !== undefined) {
      known.file = file;
      return known.unpacked;
    }
    const unpacked = createUnpacked(async () => open.get(tail)!.file, {
      windowBytes, headBytes: headBytesOf(options, tail),
    });
    open.set(tail, { file, unpacked });
    return unpacked;
  };
  return {
    turn: async (tail, file, buffer) => {
      const { seen: look } = tail;
      tail.archive = true;
      const { sizeBytes } = await file.stat();
      if (tail.position?.packedBytes === sizeBytes) {
        tail.done = look;
        return false;
      }
      const nowMs = parts.clock.monotonicMs();
      const unpacked = isReady(parts, tail, sizeBytes, nowMs)
        ? unpack(tail, file, buffer.length) : null;
      if (unpacked === null) {
        tail.notBeforeMs = nowMs + limits.againMs;
        return false;
      }
      const archive = { tail, unpacked, sizeBytes, buffer };
      const result = await readArchive(options, parts, archive);
      if (result !== 'more') close(tail);
      if (result === 'end') tail.done = look;
      if (result === 'stop') tail.notBeforeMs = nowMs + limits.settledMs;
      return result === 'more';
    },
    close,
    closeAll: () => [...open.keys()].forEach(close),
  };
}

const headBytesOf = ({ fingerprintBytes }: ReaderOptions, { position }: Tail): number =>
  Math.max(fingerprintBytes, position?.fingerprint.bytes ?? 0);

/** Whole, as far as can be seen, and not the copy of a file that is followed itself. */
function isReady(
  { tails }: ReaderParts, tail: Tail, sizeBytes: number, nowMs: number,
): boolean {
  if (tail.held?.sizeBytes !== sizeBytes) tail.held = { sizeBytes, sinceMs: nowMs };
  return nowMs - tail.held.sinceMs >= limits.settledMs && !tails.hasTwin(tail, nowMs);
}

interface Archive {
  readonly tail: Tail;
  readonly unpacked: Unpacked;
  readonly sizeBytes: number;
  readonly buffer: Buffer;
}

async function readArchive(
  options: ArchiveOptions, parts: ReaderParts, archive: Archive,
): Promise<'more' | 'end' | 'stop'> {
  const { tail, unpacked, buffer } = archive;
  const found = await recognise(options, parts, archive);
  if (found !== 'here') return found === 'over' ? endArchive(parts, archive) : 'stop';
  const facts = await parts.factsOf(tail);
  const place: Place = { tail, file: unpacked, buffer, facts, complete: true };
  for (let reads = 0; reads < limits.turnReads; reads++) {
    const result = await readPiece(options, parts, place);
    if (result === 'end') return endArchive(parts, archive);
    if (result === 'stop') return 'stop';
  }
  return 'more';
}

/** Its content was read as far as there is any. */
function endArchive(parts: ReaderParts, { tail, unpacked, sizeBytes }: Archive): 'end' {
  const fault = unpacked.broken();
  const position = tail.position!;
  const known = position.packedBytes === sizeBytes;
  position.packedBytes = sizeBytes;
  tail.held = null;
  parts.moved();
  if (fault !== null && !known) {
    parts.count.broken();
    const unpackedBytes = position.read.offset;
    parts.log.warn(`cannot unpack all of ${tail.path}: ${fault}`, { unpackedBytes });
  }
  return 'end';
}

/** `over`: there is no more content than was read. `wait`: another time, or never. */
async function recognise(
  options: ArchiveOptions, parts: ReaderParts, { tail, unpacked, sizeBytes }: Archive,
): Promise<'here' | 'over' | 'wait'> {
  const nowMs = parts.clock.monotonicMs();
  const readAt = (offset: number, bytes: number) => readRange(unpacked, offset, bytes);
  const head = await readAt(0, headBytesOf(options, tail));
  if (tail.position?.fingerprint.bytes === 0) {
    if (tail.position.read.offset > 0) return await skip(options, parts, tail, readAt);
    // It was there at the very first start, and is not recognised yet.
    tail.position = null;
  }
  if (tail.position === null) {
    const end = () => endOf(parts, readAt);
    const probe = { head, sizeBytes: Infinity, packedBytes: sizeBytes, nowMs, readAt, end };
    const answer = await parts.tails.identifyArchive(tail, probe);
    if (parts.stopping.aborted) return 'wait';
    if (answer === 'unknown' && !options.readUnknown) leave(parts, tail);
    if (answer === 'wait' || tail.ignored) return 'wait';
    if (answer === 'unknown') tail.position = new Position();
    if (head.length === 0) return 'over';
  } else if (head.length >= tail.position.fingerprint.bytes
    && !fits(tail.position.fingerprint, head)) {
    restart(parts, tail, nowMs);
  } else if (!await reaches(tail.position.read, readAt)) {
    return 'over';
  }
  tail.position!.learn(head);
  return tail.position!.packedBytes === sizeBytes ? 'over' : 'here';
}

/** An archive that is to be read from its end on: where that is must be known. */
async function skip(
  options: ArchiveOptions, parts: ReaderParts, tail: Tail,
  readAt: (offset: number, bytes: number) => Promise<Buffer>,
): Promise<'over' | 'wait'> {
  if (!options.readUnknown) {
    leave(parts, tail);
    return 'wait';
  }
  const end = await endOf(parts, readAt);
  if (parts.stopping.aborted) return 'wait';
  tail.position = new Position(end);
  tail.position.learn(await readAt(0, options.fingerprintBytes));
  return 'over';
}

/** Where the content ends; at the stop, where it does not. */
async function endOf(
  { stopping }: ReaderParts, readAt: (offset: number, bytes: number) => Promise<Buffer>,
): Promise<Point> {
  let end = 0;
  for (let size = 1; size > 0 && !stopping.aborted; end += size) {
    size = (await readAt(end, SKIPPED_BYTES)).length;
  }
  const mark = await readAt(Math.max(0, end - MARK_BYTES), Math.min(end, MARK_BYTES));
  return { offset: end, records: 0, flushed: true, mark };
}

/** So much at a time is unpacked to find the end. */
const SKIPPED_BYTES = 64 * 1024;

function leave({ log }: ReaderParts, tail: Tail): void {
  log.warn(`cannot read lines of ${tail.path}: it is packed by gzip; `
    + 'set compression to auto, or add it to exclude');
  tail.ignored = true;
}

async function readRange(
  unpacked: Unpacked, offset: number, bytes: number,
): Promise<Buffer> {
  if (bytes === 0) return Buffer.alloc(0);
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return buffer.subarray(0, await unpacked.read(buffer, offset));
}
