// Records become batches of OTLP log records. What every record says of its file (attributes and
// resource) is the same for all of a file, so it is encoded once.
//
// Without operators the bytes of the request are written straight from those of the file:
//
//   ResourceLogs 1 { Resource 1, ScopeLogs 2 { LogRecord 2 {
//     body 5 { string_value 1 | bytes_value 7 }  attributes 6 …  observed_time_unix_nano 11 } … } }
//
// Empty records are left out, as in the Collector, but counted by log.file.record_number.

import { isAscii, isUtf8 } from 'node:buffer';
import { Batch } from '../../../proto/contract/batch.ts';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import { encodeAttributes } from '../../../proto/otlp/value.ts';
import { varintSize, Writer } from '../../../proto/protobuf/writer.ts';
import { joinGroups } from '../../operators/groups.ts';
import { createDecoder, type Decode, type Encoding } from '../../lines/encoding.ts';
import type { Spans } from '../../lines/split.ts';

/** What all records of a file have in common. */
export interface FileFacts {
  readonly attributes: readonly KeyValue[];
  readonly resource: readonly KeyValue[];
}

/** Records of one file, one after the other. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly spans: Spans;
  readonly facts: FileFacts;
  /** Number of the first record, from 1. */
  readonly firstNumber: number;
  /** Where in the file `bytes` begins. */
  readonly offset: number;
  readonly observedNs: bigint;
  /** Whether what is held back from this record on has waited long enough for others to come. */
  readonly isDue: (index: number) => boolean;
}

export interface Built {
  /** Null when there is nothing to send. */
  readonly batch: Batch<'logs'> | null;
  /** Records with bytes that are not of the encoding, and that therefore lost some. */
  readonly mended: number;
  /** Records before it are dealt with; those from it on are held back, to be given again. */
  readonly taken: number;
  /** Where that begins which is held back, in order; the first is `taken`. */
  readonly held: readonly number[];
}

export type Build = (chunk: Chunk) => Built;

export interface BuildOptions {
  readonly encoding: Encoding;
  readonly withNumber: boolean;
  readonly withOffset: boolean;
}

export const NUMBER_KEY = 'log.file.record_number';
export const OFFSET_KEY = 'log.file.record_offset';

export function createPlainBuild({ encoding, withNumber, withOffset }: BuildOptions): Build {
  const convert = createConversion(encoding);
  return (chunk) => {
    const { spans, firstNumber, offset, facts, observedNs } = chunk;
    const texts = convert(chunk.bytes, spans);
    const suffix = new Writer(256);
    // The same for all records, and behind it what is not.
    encodeAttributes(suffix, ATTRIBUTES_TAG, facts.attributes);
    const fixedBytes = suffix.position;
    const writeSuffix = (index: number): Writer => {
      suffix.position = fixedBytes;
      if (withNumber) encodeInteger(suffix, NUMBER_KEY, firstNumber + index);
      if (withOffset) encodeInteger(suffix, OFFSET_KEY, offset + spans.starts[index]!);
      suffix.fixed64Field((11 << 3) | 1, observedNs);
      return suffix;
    };
    const varies = withNumber || withOffset;
    writeSuffix(0);
    const bytes = writeRequest(chunk, texts, varies ? writeSuffix : () => suffix);
    const batch = bytes === null ? null : Batch.fromBytes('logs', bytes);
    return { batch, mended: texts.mended, taken: spans.starts.length, held: [] };
  };
}

/** An attribute whose value is a whole number that is not negative. */
function encodeInteger(writer: Writer, key: string, value: number): void {
  const mark = writer.open(ATTRIBUTES_TAG, 1);
  writer.stringField((1 << 3) | 2, key);
  const inner = writer.open((2 << 3) | 2, 1);
  writer.varint32((3 << 3) | 0);
  if (value < 2 ** 31) writer.varint32(value);
  else writer.varint64(BigInt(value));
  writer.close(inner);
  writer.close(mark);
}

/** Texts that are not simply bytes of the file, by index of the record. */
export interface Texts {
  /** UTF-8; undefined where the bytes of the file are it. Null when that is so for all. */
  readonly converted: readonly (Buffer | undefined)[] | null;
  /** True for a record that is no text: its bytes are kept as bytes. */
  readonly isBlob: (index: number) => boolean;
  readonly mended: number;
}

const DIRECT: Texts = { converted: null, isBlob: () => false, mended: 0 };
const BLOBS: Texts = { converted: null, isBlob: () => true, mended: 0 };

/** Makes valid UTF-8 of records. Whole pieces are checked by one call wherever that decides. */
export function createConversion(encoding: Encoding): (bytes: Buffer, spans: Spans) => Texts {
  const decode = createDecoder(encoding);
  switch (encoding.kind) {
    case 'nop': return () => BLOBS;
    case 'utf16': return (bytes, spans) => convertAll(decode, bytes, spans);
    case 'table': return (bytes, spans) =>
      isAscii(covered(bytes, spans)) ? DIRECT : convertAll(decode, bytes, spans);
    case 'utf8': return (bytes, spans) =>
      isUtf8(covered(bytes, spans)) ? DIRECT : mendInvalid(decode, bytes, spans);
    case 'raw': return (bytes, spans) => isUtf8(covered(bytes, spans)) ? DIRECT : {
      ...DIRECT,
      isBlob: (index) => !isUtf8(bytes.subarray(spans.starts[index], spans.ends[index])),
    };
  }
}

const covered = (bytes: Buffer, { starts, ends }: Spans): Buffer =>
  bytes.subarray(starts[0] ?? 0, ends.at(-1) ?? 0);

function convertAll(decode: Decode, bytes: Buffer, { starts, ends }: Spans): Texts {
  const converted = starts.map((start, index) =>
    Buffer.from(decode(bytes, start, ends[index]!), 'utf8'));
  return { ...DIRECT, converted };
}

function mendInvalid(decode: Decode, bytes: Buffer, { starts, ends }: Spans): Texts {
  let mended = 0;
  const converted = starts.map((start, index) => {
    const end = ends[index]!;
    if (isUtf8(bytes.subarray(start, end))) return undefined;
    mended++;
    return Buffer.from(decode(bytes, start, end), 'utf8');
  });
  return { ...DIRECT, converted, mended };
}

const NO_SCOPE = new Uint8Array(0);
const RECORD_TAG = (2 << 3) | 2;
const BODY_TAG = (5 << 3) | 2;
const ATTRIBUTES_TAG = (6 << 3) | 2;
const TEXT_TAG = (1 << 3) | 2;
const BLOB_TAG = (7 << 3) | 2;

function encodeResourceField(attributes: readonly KeyValue[]): Uint8Array {
  const writer = new Writer(256);
  const mark = writer.open((1 << 3) | 2, 1);
  encodeAttributes(writer, (1 << 3) | 2, attributes);
  writer.close(mark);
  return writer.finish();
}

function writeRequest(
  { bytes, spans, facts }: Chunk,
  { converted, isBlob }: Texts,
  suffixOf: (index: number) => Writer,
): Uint8Array | null {
  const { starts, ends } = spans;
  const resource = encodeResourceField(facts.resource);
  const scope = new Writer(estimate(spans, suffixOf(0).position));
  for (let index = 0; index < starts.length; index++) {
    const start = starts[index]!;
    const end = ends[index]!;
    if (end === start) continue;
    const text = converted?.[index];
    const length = text === undefined ? end - start : text.length;
    const suffix = suffixOf(index);
    const valueBytes = 1 + varintSize(length) + length;
    scope.varint32(RECORD_TAG);
    scope.varint32(1 + varintSize(valueBytes) + valueBytes + suffix.position);
    scope.varint32(BODY_TAG);
    scope.varint32(valueBytes);
    scope.varint32(isBlob(index) ? BLOB_TAG : TEXT_TAG);
    scope.varint32(length);
    if (text === undefined) scope.raw(bytes, start, end);
    else scope.raw(text, 0, length);
    scope.raw(suffix.bytes, 0, suffix.position);
  }
  return scope.position === 0 ? null : joinGroups([{ resource, scope: NO_SCOPE, records: scope }]);
}

/** Enough for all records but those that conversion makes longer. */
function estimate({ starts, ends }: Spans, suffixBytes: number): number {
  const PER_RECORD_BYTES = 24;
  const contentBytes = (ends.at(-1) ?? 0) - (starts[0] ?? 0);
  return contentBytes + starts.length * (suffixBytes + PER_RECORD_BYTES) + 64;
}
