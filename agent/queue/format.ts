// The bytes of a segment. All numbers are little-endian.
//
//     segment  = header zeros header record*  file name: <first sequence, 16 hex digits>.seg
//                ^0           ^4096 ^4180     The header stands there twice, on two pages.
//
//     header   0  "BINNQSEG"                  8 bytes
//              8  version, 2                  u32
//             12  flags: 1 encrypted          u32
//             16  epoch                       16 bytes, the UUID that names the ids of its records
//             32  agent                       16 bytes, the UUID that begins them
//             48  first sequence              u64
//             56  key id                      8 bytes, zeros when not encrypted
//             64  salt                        16 bytes, zeros when not encrypted
//             80  CRC-32C of bytes 0–79       u32
//
//     record   0  magic, F5 'B' 'Q' 'S'       4 bytes
//              4  length of what follows 12   u32, 24 + payload
//              8  CRC-32 of all from 12 on    u32
//             12  sequence                    u64, 1 … 2^52
//             20  signal                      u8: 1 traces, 2 metrics, 3 logs
//             21  flags: 1 encrypted,         u8
//                 2 begins with origins
//             22  reserved, 0                 u16
//             24  item count                  u32
//             28  time of enqueueing          u64, ms since the Unix epoch
//             36  payload                     an OTLP export request, or that sealed (cipher.ts);
//                                             with origins before it, both are sealed as one
//
//     origins  0  length of what follows      u32
//              4  where its records are from  origins.ts
//
// A record with the magic F5 'B' 'Q' 'R' has a CRC-32C in place of the CRC-32. Such are read, and
// not written any more (D-031).
//
// Invariants: sequences grow by one from record to record, also from segment to segment; a record
// never spans segments; a record that decodes has its magic, a length that fits, and its CRC, which
// is over sealed bytes where these are: a torn write fails its CRC, a change by somebody who can
// make a CRC fails its tag. No bytes whatsoever make a function of this file throw.

import { crc32 } from 'node:zlib';
import { parseUuid, uuidText } from './uuid.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import {
  KEY_ID_BYTES, SALT_BYTES, TAG_BYTES, type QueueKey, type SegmentCipher,
} from './cipher.ts';
import { crc32c } from './crc32c.ts';

/** One of the two. */
export const HEADER_COPY_BYTES = 84;
export const HEADER_COPIES_AT: readonly number[] = [0, 4096];
/** Where the first record begins. */
export const HEADER_BYTES = 4096 + HEADER_COPY_BYTES;
export const RECORD_HEAD_BYTES = 36;

export const limits = {
  /** Payload of a record. More is refused when it is put, and is damage when it is read. */
  payloadBytesMax: 128 * 1024 * 1024,
  /** A higher sequence would take longer to reach than anything lasts; it is damage. */
  sequenceMax: 2 ** 52,
} as const;

export interface SegmentHeader {
  /** UUIDs. */
  readonly epoch: string;
  readonly agentId: string;
  readonly first: number;
  /** Null: its records are not encrypted. */
  readonly seal: { readonly keyId: string; readonly salt: Uint8Array } | null;
}

/** A record without its payload. */
export interface RecordHead {
  readonly sequence: number;
  readonly signal: Signal;
  readonly itemCount: number;
  readonly enqueuedMs: number;
}

export interface FoundRecord extends RecordHead {
  readonly sealed: boolean;
  /** Its payload begins with origins. */
  readonly origins: boolean;
  /** Where it begins and where the next one does. */
  readonly start: number;
  readonly end: number;
}

const MAGIC = Buffer.from('BINNQSEG');
const VERSION = 2;
const RECORD_MAGIC = Buffer.from([0xf5, 0x42, 0x51, 0x53]);
const RECORD_MAGIC_CRC32C = Buffer.from([0xf5, 0x42, 0x51, 0x52]);
/** What all records begin with, whatever their check is. */
export const RECORD_MAGIC_START = RECORD_MAGIC.subarray(0, 3);
const SIGNAL_CODES: readonly (Signal | undefined)[] = [undefined, 'traces', 'metrics', 'logs'];
const SEALED = 1;
const ORIGINS = 2;
const SUFFIX = '.seg';

export function segmentName(first: number): string {
  return `${first.toString(16).padStart(16, '0')}${SUFFIX}`;
}

/** The first sequence that a file name gives, or null for a file that is no segment. */
export function parseSegmentName(name: string): number | null {
  if (!/^[0-9a-f]{16}\.seg$/.test(name)) return null;
  const first = Number.parseInt(name.slice(0, 16), 16);
  return first >= 1 && first <= limits.sequenceMax ? first : null;
}

/** All that stands before the first record. */
export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  const copy = encodeHeaderCopy(header);
  for (const at of HEADER_COPIES_AT) copy.copy(bytes, at);
  return bytes;
}

function encodeHeaderCopy({ epoch, agentId, first, seal }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_COPY_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(seal === null ? 0 : SEALED, 12);
  bytes.set(parseUuid(epoch)!, 16);
  bytes.set(parseUuid(agentId)!, 32);
  bytes.writeBigUInt64LE(BigInt(first), 48);
  if (seal !== null) {
    bytes.write(seal.keyId, 56, KEY_ID_BYTES, 'hex');
    bytes.set(seal.salt, 64);
  }
  bytes.writeUInt32LE(crc32c(bytes, 0, 80), 80);
  return bytes;
}

/** One of its two copies; null for bytes that are none. */
export function decodeHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < HEADER_COPY_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return null;
  if (bytes.readUInt32LE(8) !== VERSION || bytes.readUInt32LE(12) > SEALED) return null;
  if (bytes.readUInt32LE(80) !== crc32c(bytes, 0, 80)) return null;
  const seal = bytes.readUInt32LE(12) === 0 ? null : {
    keyId: bytes.toString('hex', 56, 56 + KEY_ID_BYTES),
    salt: Buffer.from(bytes.subarray(64, 64 + SALT_BYTES)),
  };
  return {
    epoch: uuidText(bytes.subarray(16, 32)),
    agentId: uuidText(bytes.subarray(32, 48)),
    first: Number(bytes.readBigUInt64LE(48)),
    seal,
  };
}

/** What seals the records of a segment that is sealed with this key. */
export function sealOf(header: SegmentHeader, key: QueueKey): RecordSeal {
  const cipher = key.cipher(header.seal!.salt, encodeHeaderCopy(header).subarray(0, 80));
  return { cipher, first: header.first };
}

export const recordBytes = (
  payloadBytes: number, sealed = false, origins: Uint8Array | null = null,
): number => RECORD_HEAD_BYTES + (origins === null ? 0 : 4 + origins.length) + payloadBytes
  + (sealed ? TAG_BYTES : 0);

/** Who seals a record, and under which number of its segment. */
export interface RecordSeal {
  readonly cipher: SegmentCipher;
  /** The first sequence of the segment. */
  readonly first: number;
}

/** Writes a record to `target` at `start` and returns where it ends. */
export function encodeRecord(
  target: Buffer,
  start: number,
  head: RecordHead,
  payload: Uint8Array,
  seal: RecordSeal | null = null,
  origins: Uint8Array | null = null,
): number {
  return recordParts(head, payload, seal, origins).reduce((at, part) => {
    target.set(part, at);
    return at + part.length;
  }, start);
}

/** The bytes of a record, one part after the other. A payload that is not sealed is not copied. */
export function recordParts(
  { sequence, signal, itemCount, enqueuedMs }: RecordHead,
  payload: Uint8Array,
  seal: RecordSeal | null,
  origins: Uint8Array | null,
): Uint8Array[] {
  const head = Buffer.allocUnsafe(RECORD_HEAD_BYTES);
  const length = recordBytes(payload.length, seal !== null, origins) - 12;
  head.set(RECORD_MAGIC, 0);
  head.writeUInt32LE(length, 4);
  head.writeBigUInt64LE(BigInt(sequence), 12);
  head.writeUInt8(SIGNAL_CODES.indexOf(signal), 20);
  head.writeUInt8((seal === null ? 0 : SEALED) | (origins === null ? 0 : ORIGINS), 21);
  head.writeUInt16LE(0, 22);
  head.writeUInt32LE(itemCount, 24);
  head.writeBigUInt64LE(BigInt(Math.max(0, Math.trunc(enqueuedMs))), 28);
  const plain = origins === null ? [payload] : [lengthOf(origins), origins, payload];
  const parts = seal === null ? plain : [sealedPayload(plain, head, sequence, seal)];
  const crc = parts.reduce((before, part) => crc32(part, before), crc32(head.subarray(12)));
  head.writeUInt32LE(crc, 8);
  return [head, ...parts];
}

function sealedPayload(
  plain: readonly Uint8Array[], head: Buffer, sequence: number, { cipher, first }: RecordSeal,
): Buffer {
  const whole = plain.length === 1 ? plain[0]! : Buffer.concat(plain);
  const target = Buffer.allocUnsafe(whole.length + TAG_BYTES);
  cipher.seal(target, sequence - first, aboutOf(head, 0), whole);
  return target;
}

function lengthOf({ length }: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
}

/** The request in a record, in plain; null when that does not belong where it stands. */
export function openRecord(
  bytes: Buffer,
  record: FoundRecord,
  seal: RecordSeal | null,
): Buffer | null {
  return openParts(bytes, record, seal)?.request ?? null;
}

/** The origins in a record, in plain; null when it has none, or they do not belong there. */
export function openOrigins(
  bytes: Buffer,
  record: FoundRecord,
  seal: RecordSeal | null,
): Buffer | null {
  return record.origins ? openParts(bytes, record, seal)?.origins ?? null : null;
}

function openParts(bytes: Buffer, record: FoundRecord, seal: RecordSeal | null) {
  const payload = openPayload(bytes, record, seal);
  if (payload === null || !record.origins) return payload && { origins: null, request: payload };
  const requestAt = payload.length < 4 ? Infinity : 4 + payload.readUInt32LE(0);
  if (requestAt > payload.length) return null;
  return { origins: payload.subarray(4, requestAt), request: payload.subarray(requestAt) };
}

function openPayload(
  bytes: Buffer,
  { start, end, sequence, sealed }: FoundRecord,
  seal: RecordSeal | null,
): Buffer | null {
  // Nothing plain is taken from a sealed segment: anybody could have written it.
  if (sealed !== (seal !== null)) return null;
  const payload = bytes.subarray(start + RECORD_HEAD_BYTES, end);
  if (seal === null) return payload;
  return seal.cipher.open(payload, sequence - seal.first, aboutOf(bytes, start));
}

/** What is said about a payload and authenticated with it. */
const aboutOf = (bytes: Buffer, start: number): Buffer => Buffer.concat([
  bytes.subarray(start + 4, start + 8), bytes.subarray(start + 12, start + RECORD_HEAD_BYTES),
]);

/** The bytes that the record at `start` says it has; null when no record begins there. */
export function claimedBytes(bytes: Buffer, start: number): number | null {
  if (start < 0 || bytes.length - start < RECORD_HEAD_BYTES) return null;
  if (checkOf(bytes, start) === null) return null;
  const payload = bytes.readUInt32LE(start + 4) + 12 - RECORD_HEAD_BYTES;
  const most = limits.payloadBytesMax + TAG_BYTES;
  return payload < 0 || payload > most ? null : RECORD_HEAD_BYTES + payload;
}

type Check = (bytes: Uint8Array, before?: number) => number;

/** What checks the record that claims to begin at `start`; null when none does. */
export function checkOf(bytes: Buffer, start: number): Check | null {
  const magic = bytes.readUInt32LE(start);
  if (magic === RECORD_MAGIC.readUInt32LE(0)) return crc32;
  return magic === RECORD_MAGIC_CRC32C.readUInt32LE(0) ? checkCrc32c : null;
}

const checkCrc32c: Check = (bytes, before) => crc32c(bytes, 0, bytes.length, before);

/** The record at `start`, or null when there is none, not all of it, or a damaged one. */
export function decodeRecord(bytes: Buffer, start: number): FoundRecord | null {
  const length = claimedBytes(bytes, start);
  if (length === null || length > bytes.length - start) return null;
  const head = decodeHead(bytes, start);
  if (head === null) return null;
  const end = start + length;
  const crc = checkOf(bytes, start)!(bytes.subarray(start + 12, end));
  return crc === bytes.readUInt32LE(start + 8) ? { ...head, start, end } : null;
}

/** What stands before the payload, if it can be; the CRC has not been looked at. */
export function decodeHead(
  bytes: Buffer,
  start: number,
): Omit<FoundRecord, 'start' | 'end'> | null {
  const sequence = Number(bytes.readBigUInt64LE(start + 12));
  const signal = SIGNAL_CODES[bytes.readUInt8(start + 20)];
  // With what is reserved: it must be 0.
  const flags = bytes.readUInt32LE(start + 20) >>> 8;
  if (signal === undefined || flags > (SEALED | ORIGINS)) return null;
  if (sequence < 1 || sequence > limits.sequenceMax) return null;
  return {
    sequence,
    signal,
    sealed: (flags & SEALED) !== 0,
    origins: (flags & ORIGINS) !== 0,
    itemCount: bytes.readUInt32LE(start + 24),
    enqueuedMs: Number(bytes.readBigUInt64LE(start + 28)),
  };
}
