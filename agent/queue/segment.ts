// A segment as the queue knows it, and what is found in the bytes of one.
//
// Records are only ever appended, in order of their sequences, to the newest segment of this
// process; a segment that another process began, or whose write or sync failed, is never written
// again.

import type { Origin } from '../../proto/contract/batch.ts';
import {
  HEADER_BYTES, limits as formatLimits, openOrigins, RECORD_HEAD_BYTES, type RecordSeal,
  type SegmentHeader,
} from './format.ts';
import { nextRecord, readHeader, type Pieces } from './pieces.ts';
import { decodeOrigins } from './origins.ts';

export const limits = {
  /** A segment that would grow beyond it is followed by another one. */
  segmentBytesMax: 64 * 1024 * 1024,
  /** A file that is larger was not written by a queue; it is put into quarantine unread. */
  fileBytesMax: 64 * 1024 * 1024 + formatLimits.payloadBytesMax + 8 * 1024 * 1024,
  /** So often the reading of a segment is tried again when the queue is opened. */
  readFailuresMax: 3,
  /** Wait before that. */
  readRetryMs: 100,
} as const;

export interface Segment {
  readonly path: string;
  readonly name: string;
  /** What the ids of its records begin with: `<agent>/<epoch>`. */
  readonly ids: string;
  readonly first: number;
  /** Where its first record begins. */
  readonly startAt: number;
  /** Null: its records are plain. */
  readonly seal: RecordSeal | null;
  /** The last sequence in it; `first` − 1 while there is none. */
  last: number;
  /** How far it is durable and may be read. */
  bytes: number;
  /** Records and items in it that the reading side has not handed out yet. */
  waitingRecords: number;
  waitingItems: number;
  /** Where damaged stretches begin that were reported already. */
  readonly damages: Set<number>;
}

/** Sequences, both ends included. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
}

/** Bytes between two records that are none. */
export interface Damage {
  readonly start: number;
  readonly end: number;
}

export interface SegmentScan {
  /** Null when both of its copies are damaged. */
  readonly header: SegmentHeader | null;
  readonly startAt: number;
  readonly damages: readonly Damage[];
  /** Sequences that must have been between records of this segment, and are not. */
  readonly missing: readonly SequenceRange[];
  /** Where the last valid record ends; behind it is nothing, or a torn tail. */
  readonly end: number;
  /** The last sequence, `range.first` − 1 when there is none. */
  readonly last: number;
  /** Where the first record above `range.done` begins; `end` when there is none. */
  readonly resumeAt: number;
  /** Records and items above `range.done`. */
  readonly records: number;
  readonly items: number;
}

export interface ScanRange {
  /** The first sequence of the segment. */
  readonly first: number;
  /** From this sequence on records are void: the next segment has them. */
  readonly before: number;
  /** Up to this sequence everything was delivered. */
  readonly done: number;
}

/** Who wants to know where the records are from, in their order. */
export interface OriginsWanted {
  /** Null also when that is not to be had. */
  sealFor(header: SegmentHeader | null): RecordSeal | null;
  found(origins: readonly Origin[]): void;
}

/** Reads a whole segment. Any bytes give a result, in time that grows with their number. */
export async function scanSegment(
  pieces: Pieces,
  { first, before, done }: ScanRange,
  wanted?: OriginsWanted,
): Promise<SegmentScan> {
  const header = await readHeader(pieces);
  const seal = wanted?.sealFor(header) ?? null;
  const damages: Damage[] = [];
  const missing: SequenceRange[] = [];
  const startAt = header === null ? 0 : HEADER_BYTES;
  // No segment has more records than heads fit into it.
  const most = first + Math.ceil(pieces.sizeBytes / RECORD_HEAD_BYTES);
  let at = startAt;
  let last = first - 1;
  let resumeAt = -1;
  let records = 0;
  let items = 0;
  for (;;) {
    const record = await nextRecord(pieces, at, { after: last, last: most });
    if (record === null || record.sequence >= before) break;
    if (record.start > at) damages.push({ start: at, end: record.start });
    if (record.sequence > last + 1) missing.push({ from: last + 1, to: record.sequence - 1 });
    if (record.sequence > done) {
      if (resumeAt === -1) resumeAt = record.start;
      records += 1;
      items += record.itemCount;
    }
    if (record.origins && wanted !== undefined) {
      const bytes = await pieces.view(record.start, record.end - record.start);
      const origins = openOrigins(bytes, { ...record, start: 0, end: bytes.length }, seal);
      if (origins !== null) wanted.found(decodeOrigins(origins));
    }
    last = record.sequence;
    at = record.end;
  }
  return {
    header, startAt, damages, missing, end: at, last, records, items,
    resumeAt: resumeAt === -1 ? at : resumeAt,
  };
}

/** The parts of `ranges` that lie above `done`. */
export function above(ranges: readonly SequenceRange[], done: number): SequenceRange[] {
  return ranges.filter(({ to }) => to > done)
    .map(({ from, to }) => ({ from: Math.max(from, done + 1), to }));
}

export const countOf = (ranges: readonly SequenceRange[]): number =>
  ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
