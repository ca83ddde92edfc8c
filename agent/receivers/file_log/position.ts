// How far one content of a file has been taken, and how to recognise that content again.
//
//   0 ────────── accepted ──────────── read ──────── end of the file
//     answered by       handed on, not      not looked at yet
//     the next part     answered yet
//
// Invariants:
// - accepted <= read. `accepted` moves only over batches that got a final verdict, in the order of
//   the file: a batch that is answered early waits for those before it. Checkpoints hold
//   `accepted`.
// - A position belongs to content, not to a name: a file that is truncated gets a new one, and the
//   old one may be taken over by the copy that was made before (copy-truncate).
// - Content is recognised by its first bytes (a CRC of up to `fingerprint_size`, which grows with
//   the file) and by the bytes right before the position (`mark`). What was read is part of what
//   is known of them: else other content could not be told from it.
// - A beginning of it, shorter than what was read, is recognised by its `trail`: bytes at some
//   places of what was read, close to each other at its end. It is not in checkpoints.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';

export interface Fingerprint {
  readonly bytes: number;
  readonly crc: number;
}

/** What a checkpoint says of a position. */
export interface Point {
  readonly offset: number;
  /** Records before it, empty ones included. */
  readonly records: number;
  /** True when the record before it was taken without its line end: one that follows is skipped. */
  readonly flushed: boolean;
  /** Up to `MARK_BYTES` of the content right before it. */
  readonly mark: Buffer;
}

/** A stretch behind the position that need not be read: every queue has it. */
export interface Held {
  readonly from: number;
  /** Its end. */
  readonly point: Point;
}

export const limits = {
  /** Places that are remembered of what was read; beyond it each second of the older half goes. */
  trailMax: 128,
  /** Places of one batch. */
  trailOfBatch: 8,
} as const;

export const MARK_BYTES = 64;
export const BEGINNING: Point = {
  offset: 0, records: 0, flushed: false, mark: Buffer.alloc(0),
};
const NO_FINGERPRINT: Fingerprint = { bytes: 0, crc: 0 };

/** Up to `MARK_BYTES` before `offset`, which is a place in what was read. */
export interface Trace extends Fingerprint {
  readonly offset: number;
}

/** One batch that was handed on and has no final verdict yet. */
export interface Ticket {
  readonly point: Point;
  settled: boolean;
}

export class Position {
  fingerprint: Fingerprint;
  /** The first bytes of the content, once they were read in this process. */
  head: Buffer | null = null;
  read: Point;
  accepted: Point;
  /** The size of the archive whose content was read to its end; 0: it was not, or is no archive. */
  packedBytes = 0;
  /** The number of the content in this run; 0: it has none yet. */
  content: number;
  /** Where the last batch that was handed on ends; what follows had no records. */
  sent: number;
  /** In the order of the content; those before the position mean nothing. */
  readonly held: readonly Held[];
  private trail: Trace[] = [];
  private readonly pending: Ticket[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(
    start: Point = BEGINNING,
    fingerprint: Fingerprint = NO_FINGERPRINT,
    { content, held }: { content: number; held: readonly Held[] } = { content: 0, held: [] },
  ) {
    this.held = held;
    this.read = start;
    this.sent = start.offset;
    this.content = content;
    this.accepted = start;
    this.fingerprint = fingerprint;
  }

  /** Learns the first bytes of the content; they are those of before, or more. */
  learn(head: Buffer): void {
    assert(head.length >= this.fingerprint.bytes);
    if (this.head !== null && head.length === this.fingerprint.bytes) return;
    this.head = Buffer.from(head);
    this.fingerprint = { bytes: head.length, crc: crc32(head) };
  }

  /** Learns up to `bytesMax` of the first bytes from what was read: `bytes` at `fileOffset`. */
  learnRead(bytes: Buffer, fileOffset: number, bytesMax: number): void {
    const known = this.head?.length ?? bytesMax;
    if (known >= bytesMax || fileOffset > known || fileOffset + bytes.length <= known) return;
    const more = bytes.subarray(0, bytesMax - fileOffset);
    this.learn(Buffer.concat([this.head!.subarray(0, fileOffset), more]));
  }

  /** Forgets first bytes that were looked at and not read: a copy may end before them. */
  forgetUnread(): void {
    if (this.head === null || this.head.length <= this.read.offset) return;
    this.head = this.head.subarray(0, this.read.offset);
    this.fingerprint = { bytes: this.head.length, crc: crc32(this.head) };
  }

  /** Moves `read` on; the ticket is settled when what was before `point` got its verdict. */
  advance(point: Point): Ticket {
    assert(point.offset >= this.read.offset);
    const ticket: Ticket = { point, settled: false };
    this.pending.push(ticket);
    this.read = point;
    return ticket;
  }

  /** What comes next of what need not be read. */
  nextHeld(): Held | null {
    return this.held.find(({ from }) => from >= this.read.offset) ?? null;
  }

  /** Passes over what need not be read, which begins where was read to. */
  skip({ from, point }: Held): void {
    assert(from === this.read.offset);
    this.settle(this.advance(point));
    this.sent = point.offset;
  }

  /**
   * Remembers places in what was read: `bytes` stand at `fileOffset`, records end at `ends`.
   */
  remember(bytes: Buffer, fileOffset: number, ends: readonly number[]): void {
    const step = Math.max(1, Math.floor(ends.length / limits.trailOfBatch));
    for (let index = step - 1; index < ends.length; index += step) {
      const end = ends[index]!;
      const before = bytes.subarray(Math.max(0, end - MARK_BYTES), end);
      this.trail.push({ offset: fileOffset + end, bytes: before.length, crc: crc32(before) });
    }
    if (this.trail.length <= limits.trailMax) return;
    const older = this.trail.length - limits.trailMax / 2;
    this.trail = this.trail.filter((_, index) => index >= older || index % 2 === 0);
  }

  /** The last place that is remembered at `offset` or before it. */
  traceBefore(offset: number): Trace | null {
    return this.trail.findLast((trace) => trace.offset <= offset) ?? null;
  }

  settle(ticket: Ticket): void {
    ticket.settled = true;
    while (this.pending[0]?.settled === true) this.accepted = this.pending.shift()!.point;
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** Batches that have no verdict yet. */
  get open(): number {
    return this.pending.length;
  }

  /** Resolves at the next verdict. */
  nextVerdict(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Wakes who waits for a verdict, because none will come. */
  release(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
}

/** Whether content that begins with `head` can be what the fingerprint was taken of. */
export function fits({ bytes, crc }: Fingerprint, head: Buffer): boolean {
  return head.length >= bytes && (bytes === 0 || crc32(head.subarray(0, bytes)) === crc);
}
