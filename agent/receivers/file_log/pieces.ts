// Reads one piece of a file, from its position on: splits it into records and hands them on.
// Nothing is kept but the position: a record that is not complete is read again when there is more,
// and so are those that operators hold back for others to come: the position stays before them.

import type { Clock } from '../../../runtime/clock.ts';
import type { OpenFile } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';
import type { Delivery } from '../sending/delivery.ts';
import type { Encoding } from '../../lines/encoding.ts';
import type { Handles } from './handles.ts';
import { MARK_BYTES, type Position } from './position.ts';
import type { Build, FileFacts } from './records.ts';
import type { Mark } from './resume.ts';
import { afterLineEnd, trimSpans, type Spans, type Split } from '../../lines/split.ts';
import type { Tail } from './tail.ts';
import type { Tails } from './tails.ts';

export const limits = {
  /**
   * What operators hold back is taken, all of it, when the first of it has waited so many times as
   * long as it should: then series that lie across each other may come in two.
   */
  holdsMax: 2,
  /** Batches of one file without a verdict; then it waits for one. */
  openMax: 4,
} as const;

export interface ReaderOptions {
  readonly encoding: Encoding;
  readonly fingerprintBytes: number;
  readonly flushMs: number;
  readonly trimLeading: boolean;
  readonly trimTrailing: boolean;
  /** Records that are split off at one time, about. */
  readonly recordsMax: number;
}

export interface ReaderParts {
  readonly tails: Tails;
  readonly handles: Handles;
  readonly split: Split;
  readonly build: Build;
  /** How long operators hold records back; null when they never do. */
  readonly holdMs: number | null;
  readonly delivery: Delivery;
  readonly clock: Clock;
  /** Rate-limited. */
  readonly log: Log;
  readonly stopping: AbortSignal;
  readonly factsOf: (tail: Tail) => Promise<FileFacts>;
  /** Called when a position may have moved in a way that a checkpoint should know. */
  readonly moved: () => void;
  readonly mark: Mark;
  readonly count: ReaderCounters;
}

/** Called with how many. */
export interface ReaderCounters {
  readonly bytes: (count: number) => void;
  readonly truncated: () => void;
  readonly broken: () => void;
  readonly mended: (records: number) => void;
}

export interface Place {
  readonly tail: Tail;
  /** Its content. */
  readonly file: Pick<OpenFile, 'read'>;
  readonly buffer: Buffer;
  readonly facts: FileFacts;
  /** Nothing will follow: what is at the end is a record. */
  readonly complete: boolean;
}

/** `end`: nothing more is there now. `stop`: the turn must end without having reached it. */
export type PieceResult = 'more' | 'end' | 'stop';

export async function readPiece(
  options: ReaderOptions, parts: ReaderParts, place: Place,
): Promise<PieceResult> {
  const { tail, file, buffer } = place;
  const position = tail.position!;
  const { offset, mark } = position.read;
  const held = position.nextHeld();
  // What need not be read is a boundary like the end of a file to which nothing will be added.
  const wanted = buffer.subarray(0, mark.length + (held?.from ?? Infinity) - offset);
  const size = await file.read(wanted, offset - mark.length);
  const bytes = wanted.subarray(0, size);
  const isOwn = bytes.subarray(0, mark.length).equals(mark)
    && hasHead(position, bytes, wanted.length) && await isWhole(place, bytes, wanted.length);
  if (!isOwn) {
    restart(parts, tail, parts.clock.monotonicMs());
    return 'stop';
  }
  // When they were looked at there may have been fewer of them, or none.
  position.learnRead(bytes, offset - mark.length, options.fingerprintBytes);
  const start = skipBeginning(options.encoding, position, bytes, mark.length);
  const piece = { ...place, position, bytes, fileOffset: offset - mark.length };
  const atHeld = held !== null && size === mark.length + held.from - offset;
  const isFull = size === wanted.length && !atHeld;
  const done = await handOn(options, parts, piece, { start, flush: false, isFull });
  if (done === null) return 'stop';
  if (atHeld) {
    const rest = { start: done.cut, flush: true, isFull: true };
    if (await handOn(options, parts, piece, rest) === null) return 'stop';
    position.skip(held);
    parts.moved();
    return 'more';
  }
  if (isFull) return 'more';
  return await finish(options, parts, piece, done) ? 'end' : 'stop';
}

/**
 * Whether what was read from before the position on, of `wantedBytes`, has the first bytes that are
 * known of the content: the file may have been truncated and written to since they were looked at.
 * It would be taken for what it is not, and what is there be read as another content again.
 */
function hasHead({ head, read }: Position, bytes: Buffer, wantedBytes: number): boolean {
  if (head === null) return true;
  const known = head.subarray(read.offset - read.mark.length).subarray(0, wantedBytes);
  return known.equals(bytes.subarray(0, known.length));
}

/**
 * Whether what was read, up to the end of the file, is of one content: the end is known by reading
 * once more, and what that brings may have been written after a truncation.
 */
async function isWhole({ tail, file, complete }: Place, bytes: Buffer, wantedBytes: number) {
  const { offset, mark } = tail.position!.read;
  if (complete || bytes.length === wantedBytes || bytes.length === mark.length) return true;
  const again = Buffer.allocUnsafe(Math.min(bytes.length, MARK_BYTES));
  const size = await file.read(again, offset - mark.length);
  return again.subarray(0, size).equals(bytes.subarray(0, again.length));
}

/** At the end of the file: takes the incomplete record there when it has waited long enough. */
async function finish(
  options: ReaderOptions, parts: ReaderParts, piece: Piece, { cut, end }: Done,
): Promise<boolean> {
  const { tail, bytes, fileOffset, complete } = piece;
  const left = bytes.length - end;
  const nowMs = parts.clock.monotonicMs();
  const offset = fileOffset + end;
  const before = tail.leftover;
  if (complete) {
    tail.leftover = null;
    const rest = { start: cut, flush: true, isFull: true };
    return await handOn(options, parts, piece, rest) !== null;
  }
  if (left === 0) {
    tail.leftover = null;
  } else if (before?.offset !== offset || before.bytes !== left) {
    tail.leftover = { offset, bytes: left, sinceMs: nowMs };
  } else if (isFlushDue(tail, options.flushMs, nowMs)) {
    const done = await handOn(options, parts, piece, { start: cut, flush: true, isFull: false });
    if (done === null) return false;
    // Otherwise operators hold it back, with what it belongs to.
    if (done.cut === bytes.length) tail.leftover = null;
  }
  return true;
}

export function isFlushDue({ leftover }: Tail, flushMs: number, nowMs: number): boolean {
  return leftover !== null && flushMs > 0 && nowMs - leftover.sinceMs >= flushMs;
}

/** Whether operators have held back records of this file for long enough. */
export function isJoinDue({ joining }: Tail, holdMs: number | null, nowMs: number): boolean {
  if (holdMs === null) return false;
  for (const sinceMs of joining.values()) if (nowMs - sinceMs >= holdMs) return true;
  return false;
}

interface Piece extends Place {
  readonly position: Position;
  /** What was read; it begins at `fileOffset` of the file. */
  readonly bytes: Buffer;
  readonly fileOffset: number;
}

interface Asked {
  readonly start: number;
  /** What is at the end is a record. */
  readonly flush: boolean;
  /** Nothing more can be read together with this: what operators hold back is taken, too. */
  readonly isFull: boolean;
}

interface Done {
  /** Where the position is now. */
  readonly cut: number;
  /** Where whole records end; what is between the two is held back by operators. */
  readonly end: number;
}

/** Hands on all records from `start` on; null at the stop. */
async function handOn(
  options: ReaderOptions, parts: ReaderParts, piece: Piece, { start, flush, isFull }: Asked,
): Promise<Done | null> {
  const { bytes } = piece;
  let at = start;
  let isForced = false;
  for (;;) {
    const spans: Spans = { starts: [], ends: [] };
    const end = parts.split(bytes, at, flush, spans);
    const moved = piece.fileOffset + end > piece.position.read.offset;
    if (!moved) return { cut: end, end };
    trimSpans(options.encoding, bytes, spans, options.trimLeading, options.trimTrailing);
    // Before what is after it is looked at: else a stop could leave a hole.
    const next = await handOnBatch(parts, piece, spans, { end, flush, isForced });
    if (next === null) return null;
    if (next < end) {
      const isLast = spans.starts.length < options.recordsMax;
      if (isLast && (!isFull || next > at)) return { cut: next, end };
      isForced = next === at;
    } else {
      isForced = false;
    }
    at = next;
  }
}

interface Batched {
  readonly end: number;
  readonly flush: boolean;
  readonly isForced: boolean;
}

/** Answers where that begins which is not taken, `end` when all is; null at the stop. */
async function handOnBatch(
  parts: ReaderParts, piece: Piece, spans: Spans, { end, flush, isForced }: Batched,
): Promise<number | null> {
  const { position, bytes, fileOffset } = piece;
  while (position.open >= limits.openMax && !parts.stopping.aborted) await position.nextVerdict();
  const size = end - Math.min(end, spans.starts[0] ?? end);
  // Asked even when nothing will be sent: it is also where a stop is noticed.
  if (!await parts.delivery.admit(size)) return null;
  const { batch, mended, taken, held } = parts.build({
    bytes, spans,
    facts: piece.facts,
    firstNumber: position.read.records + 1,
    offset: fileOffset,
    observedNs: parts.clock.nowNs(),
    isDue: isForced ? () => true : dueOf(parts, piece, spans),
  });
  const next = taken === spans.starts.length ? end : spans.starts[taken]!;
  keepJoining(parts, piece, held.map((index) => fileOffset + spans.starts[index]!));
  parts.count.bytes(size - (end - next));
  parts.count.mended(mended);
  const point = {
    offset: fileOffset + next,
    records: position.read.records + taken,
    flushed: flush && next === end,
    mark: Buffer.from(bytes.subarray(Math.max(0, next - MARK_BYTES), next)),
  };
  const marked = batch === null ? null : parts.mark(batch, piece.tail, position, point);
  const ticket = position.advance(point);
  position.remember(bytes, fileOffset, spans.ends.slice(0, taken));
  void parts.delivery.deliver(marked, size).then((final) => {
    if (final) position.settle(ticket);
    else position.release();
    if (final) parts.moved();
  });
  return next;
}

/** Which records operators need not hold back any longer. */
function dueOf(
  { holdMs, clock }: ReaderParts, { tail, fileOffset }: Piece, { starts }: Spans,
): (index: number) => boolean {
  if (holdMs === null) return () => true;
  const nowMs = clock.monotonicMs();
  const waitedMs = (index: number): number =>
    nowMs - (tail.joining.get(fileOffset + starts[index]!) ?? nowMs);
  // Series of several sources may lie across each other for ever, so that none can be taken.
  if (starts.length > 0 && waitedMs(0) >= limits.holdsMax * holdMs) return () => true;
  return (index) => waitedMs(index) >= holdMs;
}

/**
 * Notes since when operators have held back what begins at these offsets. What was let go, but lies
 * behind the first of them, is remembered, too: it will be given again, and is due then.
 */
function keepJoining({ clock }: ReaderParts, { tail }: Piece, offsets: readonly number[]): void {
  if (offsets.length === 0 && tail.joining.size === 0) return;
  const nowMs = clock.monotonicMs();
  const first = offsets[0] ?? Infinity;
  const kept = new Map([...tail.joining].filter(([offset]) => offset >= first));
  for (const offset of offsets) if (!kept.has(offset)) kept.set(offset, nowMs);
  tail.joining = kept;
}

/**
 * Where records begin in what was read: behind a byte order mark, and behind the line end of a
 * record that was taken before its line end was there.
 */
function skipBeginning(
  encoding: Encoding, { read }: Position, bytes: Buffer, start: number,
): number {
  if (read.offset === 0 && encoding.kind === 'utf16' && bytes.length >= 2) {
    const order = bytes.readUInt16LE(0);
    const own = encoding.label === 'utf-16le' ? 0xfeff : 0xfffe;
    return order === own ? 2 : start;
  }
  const flushed = read.flushed && encoding.kind !== 'nop';
  return flushed ? afterLineEnd(encoding, bytes, start) : start;
}

/** The content is not the one of the position: it is read from its beginning. */
export function restart(
  { tails, count, log, moved }: ReaderParts, tail: Tail, nowMs: number,
): void {
  log.info(`file ${tail.path} was truncated or rewritten: it is read from its beginning`);
  count.truncated();
  tails.restart(tail, nowMs);
  moved();
}
