// The bytes of a segment. All numbers are little-endian.
//
//     segment  = header record*               file name: <first sequence, 16 hex digits>.seg
//
//     header   0  "BINNQSEG"                  8 bytes
//              8  version, 1                  u32
//             12  epoch                       16 bytes, the UUID that names the ids of its records
//             28  first sequence              u64
//             36  CRC-32C of bytes 0–35       u32
//
//     record   0  magic, F5 'B' 'Q' 'R'       4 bytes
//              4  length of what follows 12   u32, 24 + payload
//              8  CRC-32C of all from 12 on   u32
//             12  sequence                    u64, 1 … 2^53 − 1
//             20  signal                      u8: 1 traces, 2 metrics, 3 logs
//             21  flags, 0                    u8
//             22  reserved, 0                 u16
//             24  item count                  u32
//             28  time of enqueueing          u64, ms since the Unix epoch
//             36  payload                     an OTLP export request
//
// Invariants: sequences grow by one from record to record, also from segment to segment; a record
// never spans segments; a record that decodes has its magic, a length that fits, and its CRC. No
// bytes whatsoever make a function of this file throw.

import { parseUuid, uuidText } from './uuid.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { crc32c } from './crc32c.ts';

export const HEADER_BYTES = 40;
export const RECORD_HEAD_BYTES = 36;

export const limits = {
  /** Payload of a record. More is refused when it is put, and is damage when it is read. */
  payloadBytesMax: 128 * 1024 * 1024,
  /** Resynchronising checks at most so many times the bytes it looks through, then gives up. */
  resyncEffort: 8,
} as const;

export interface SegmentHeader {
  /** A UUID. */
  readonly epoch: string;
  readonly first: number;
}

/** A record without its payload. */
export interface RecordHead {
  readonly sequence: number;
  readonly signal: Signal;
  readonly itemCount: number;
  readonly enqueuedMs: number;
}

export interface FoundRecord extends RecordHead {
  /** Where it begins and where the next one does. */
  readonly start: number;
  readonly end: number;
}

const MAGIC = Buffer.from('BINNQSEG');
const VERSION = 1;
const RECORD_MAGIC = Buffer.from([0xf5, 0x42, 0x51, 0x52]);
const SIGNAL_CODES: readonly (Signal | undefined)[] = [undefined, 'traces', 'metrics', 'logs'];
const SUFFIX = '.seg';

export function segmentName(first: number): string {
  return `${first.toString(16).padStart(16, '0')}${SUFFIX}`;
}

/** The first sequence that a file name gives, or null for a file that is no segment. */
export function parseSegmentName(name: string): number | null {
  if (!/^[0-9a-f]{16}\.seg$/.test(name)) return null;
  const first = Number.parseInt(name.slice(0, 16), 16);
  return first >= 1 && Number.isSafeInteger(first) ? first : null;
}

export function encodeHeader({ epoch, first }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.set(parseUuid(epoch)!, 12);
  bytes.writeBigUInt64LE(BigInt(first), 28);
  bytes.writeUInt32LE(crc32c(bytes, 0, 36), 36);
  return bytes;
}

/** Null for bytes that are no header. */
export function decodeHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return null;
  if (bytes.readUInt32LE(8) !== VERSION) return null;
  if (bytes.readUInt32LE(36) !== crc32c(bytes, 0, 36)) return null;
  return { epoch: uuidText(bytes.subarray(12, 28)), first: Number(bytes.readBigUInt64LE(28)) };
}

export const recordBytes = (payloadBytes: number): number => RECORD_HEAD_BYTES + payloadBytes;

/** Writes a record to `target` at `start` and returns where it ends. */
export function encodeRecord(
  target: Buffer,
  start: number,
  { sequence, signal, itemCount, enqueuedMs }: RecordHead,
  payload: Uint8Array,
): number {
  const end = start + recordBytes(payload.length);
  target.set(RECORD_MAGIC, start);
  target.writeUInt32LE(end - start - 12, start + 4);
  target.writeBigUInt64LE(BigInt(sequence), start + 12);
  target.writeUInt32LE(SIGNAL_CODES.indexOf(signal), start + 20);
  target.writeUInt32LE(itemCount, start + 24);
  target.writeBigUInt64LE(BigInt(Math.max(0, Math.trunc(enqueuedMs))), start + 28);
  target.set(payload, start + RECORD_HEAD_BYTES);
  target.writeUInt32LE(crc32c(target, start + 12, end), start + 8);
  return end;
}

export const payloadOf = (bytes: Buffer, { start, end }: FoundRecord): Buffer =>
  bytes.subarray(start + RECORD_HEAD_BYTES, end);

/** The bytes that the record at `start` says it has; null when no record begins there. */
export function claimedBytes(bytes: Buffer, start: number): number | null {
  if (start < 0 || bytes.length - start < RECORD_HEAD_BYTES) return null;
  if (bytes.readUInt32LE(start) !== RECORD_MAGIC.readUInt32LE(0)) return null;
  const payload = bytes.readUInt32LE(start + 4) + 12 - RECORD_HEAD_BYTES;
  return payload < 0 || payload > limits.payloadBytesMax ? null : recordBytes(payload);
}

/** The record at `start`, or null when there is none, not all of it, or a damaged one. */
export function decodeRecord(bytes: Buffer, start: number): FoundRecord | null {
  const length = claimedBytes(bytes, start);
  if (length === null || length > bytes.length - start) return null;
  const head = decodeHead(bytes, start);
  if (head === null) return null;
  const end = start + length;
  return crc32c(bytes, start + 12, end) === bytes.readUInt32LE(start + 8)
    ? { ...head, start, end }
    : null;
}

/**
 * The first record at `from` or later whose sequence is above `after`; null when there is none, or
 * when finding it would cost more than the bytes are worth.
 */
export function findRecord(bytes: Buffer, from: number, after: number): FoundRecord | null {
  let effort = (bytes.length - from) * limits.resyncEffort;
  for (let at = from; ; at++) {
    at = bytes.indexOf(RECORD_MAGIC, at);
    if (at === -1) return null;
    const length = claimedBytes(bytes, at);
    if (length === null || length > bytes.length - at) continue;
    const head = decodeHead(bytes, at);
    if (head === null || head.sequence <= after) continue;
    effort -= length;
    if (effort < 0) return null;
    const record = decodeRecord(bytes, at);
    if (record !== null) return record;
  }
}

/** What stands before the payload, if it can be; the CRC has not been looked at. */
function decodeHead(bytes: Buffer, start: number): RecordHead | null {
  const sequence = Number(bytes.readBigUInt64LE(start + 12));
  const signal = SIGNAL_CODES[bytes.readUInt32LE(start + 20)];
  if (signal === undefined || sequence < 1 || !Number.isSafeInteger(sequence)) return null;
  return {
    sequence,
    signal,
    itemCount: bytes.readUInt32LE(start + 24),
    enqueuedMs: Number(bytes.readBigUInt64LE(start + 28)),
  };
}
