// Looks through a segment piece by piece: in memory is never more than a few of them, and the event
// loop gets its turn between two, however large the segment is and whatever its bytes are.

import type { OpenFile } from '../../runtime/files.ts';
import {
  checkOf, claimedBytes, decodeHead, decodeHeader, HEADER_COPIES_AT, HEADER_COPY_BYTES,
  RECORD_HEAD_BYTES, RECORD_MAGIC_START, type FoundRecord, type SegmentHeader,
} from './format.ts';

export const limits = {
  /** Read at a time. */
  pieceBytes: 1024 * 1024,
  /** Looked through at a time for the beginning of a record. */
  searchBytes: 64 * 1024,
  /** Resynchronising checks at most so many times the bytes it looks through, then gives up. */
  resyncEffort: 8,
} as const;

export interface Pieces {
  /** How far the file is looked at. */
  readonly sizeBytes: number;
  /** The bytes from `at` on; fewer than `length` only at the end. Valid until the next call. */
  view(at: number, length: number): Promise<Buffer>;
}

/** `file` stays the caller's. */
export function createPieces(file: Pick<OpenFile, 'read'>, sizeBytes: number): Pieces {
  let piece = Buffer.alloc(0);
  let pieceAt = 0;
  return {
    sizeBytes,
    view: async (at, length) => {
      const end = Math.min(at + length, sizeBytes);
      if (at < pieceAt || end > pieceAt + piece.length) {
        const wanted = Math.min(Math.max(end - at, limits.pieceBytes), sizeBytes - at);
        const target = Buffer.allocUnsafe(Math.max(0, wanted));
        piece = target.subarray(0, await file.read(target, at));
        pieceAt = at;
      }
      return piece.subarray(at - pieceAt, Math.max(at, end) - pieceAt);
    },
  };
}

/** The header of a segment, from the copy that can be read; null when none can. */
export async function readHeader(pieces: Pieces): Promise<SegmentHeader | null> {
  for (const at of HEADER_COPIES_AT) {
    if (at >= pieces.sizeBytes) return null;
    const header = decodeHeader(await pieces.view(at, HEADER_COPY_BYTES));
    if (header !== null) return header;
  }
  return null;
}

/** Which sequences a record can have. */
export interface Expected {
  /** It must be above this one. */
  readonly after: number;
  /** And at most this. */
  readonly last: number;
}

/** The record at `at`, or else the first valid one behind it. */
export async function nextRecord(
  pieces: Pieces,
  at: number,
  expected: Expected,
): Promise<FoundRecord | null> {
  return await recordAt(pieces, at, expected) ?? findRecord(pieces, at + 1, expected);
}

/** Null when there is none, not all of it, a damaged one, or one that cannot be here. */
async function recordAt(
  pieces: Pieces,
  at: number,
  expected: Expected,
): Promise<FoundRecord | null> {
  const found = await headAt(pieces, at, expected);
  if (found === null) return null;
  const { record, crc, check } = found;
  let actual = 0;
  for (let from = at + 12; from < record.end;) {
    const bytes = await pieces.view(from, Math.min(limits.pieceBytes, record.end - from));
    if (bytes.length === 0) return null;
    actual = check(bytes, actual);
    from += bytes.length;
  }
  return actual === crc ? record : null;
}

/** What claims to be a record at `at`, if it fits and can be here. */
async function headAt(pieces: Pieces, at: number, { after, last }: Expected) {
  const bytes = await pieces.view(at, RECORD_HEAD_BYTES);
  const length = claimedBytes(bytes, 0);
  if (length === null || length > pieces.sizeBytes - at) return null;
  const head = decodeHead(bytes, 0);
  if (head === null || head.sequence <= after || head.sequence > last) return null;
  const record = { ...head, start: at, end: at + length };
  return { record, crc: bytes.readUInt32LE(8), check: checkOf(bytes, 0)! };
}

/** Null also when finding one would cost more than the bytes are worth. */
async function findRecord(
  pieces: Pieces,
  from: number,
  expected: Expected,
): Promise<FoundRecord | null> {
  let effort = (pieces.sizeBytes - from) * limits.resyncEffort;
  for (let at = from; at + RECORD_HEAD_BYTES <= pieces.sizeBytes; at++) {
    const bytes = await pieces.view(at, limits.searchBytes);
    const found = bytes.indexOf(RECORD_MAGIC_START);
    if (found === -1) {
      // The magic may begin in this stretch and end in the next one.
      at += Math.max(0, bytes.length - RECORD_MAGIC_START.length);
      continue;
    }
    at += found;
    const claim = await headAt(pieces, at, expected);
    if (claim === null) continue;
    effort -= claim.record.end - at;
    if (effort < 0) return null;
    const record = await recordAt(pieces, at, expected);
    if (record !== null) return record;
  }
  return null;
}
