// google.rpc.Status: the body of every error answer over HTTP and the details of one over gRPC,
// with the two details that OTLP uses.
//
//   Status       1: code   2: message   3: details, repeated Any { 1: type_url, 2: value }
//   RetryInfo    1: retry_delay, Duration { 1: seconds, 2: nanos }
//   BadRequest   1: field_violations, repeated { 1: field, 2: description }
//
// What a peer sends as an error answer only explains a failure that is already known, and is often
// no Status at all (the page of a proxy). So whoever reads one gets null for a broken one.

import { DecodeError } from '../protobuf/error.ts';
import { fieldBits, Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { field, list, message } from './json/fields.ts';
import { INT32, STRING } from './json/scalars.ts';
import { readJson } from './json.ts';

export interface RpcStatus {
  /** A gRPC status code; 0 when the sender leaves it out, which it may over HTTP. */
  readonly code: number;
  readonly message: string;
  /** RetryInfo: send again, but not before so many milliseconds have passed. */
  readonly retryAfterMs?: number | undefined;
  /** BadRequest: what is wrong with the request. */
  readonly violations?: readonly FieldViolation[] | undefined;
}

export interface FieldViolation {
  /** A path in the request, such as `resourceSpans[0].resource`; '' for the request as a whole. */
  readonly field: string;
  readonly description: string;
}

export const RETRY_INFO_TYPE = 'type.googleapis.com/google.rpc.RetryInfo';
export const BAD_REQUEST_TYPE = 'type.googleapis.com/google.rpc.BadRequest';

const STATUS_FIELDS = fieldBits(1, 2, 3);
const PAIR_FIELDS = fieldBits(1, 2);
const FIRST_FIELD = fieldBits(1);

export function encodeStatus(status: RpcStatus): Uint8Array {
  const { code, message, retryAfterMs, violations } = status;
  const writer = new Writer(256);
  writer.int32Field((1 << 3) | 0, code);
  writer.stringField((2 << 3) | 2, message);
  if (retryAfterMs !== undefined) {
    encodeAny(writer, RETRY_INFO_TYPE, () => encodeRetryDelay(writer, retryAfterMs));
  }
  if (violations !== undefined) {
    encodeAny(writer, BAD_REQUEST_TYPE, () => encodeViolations(writer, violations));
  }
  return writer.finish();
}

function encodeAny(writer: Writer, type: string, encodeContent: () => void): void {
  const any = writer.open((3 << 3) | 2, 1);
  writer.stringField((1 << 3) | 2, type);
  const value = writer.open((2 << 3) | 2, 1);
  encodeContent();
  writer.close(value);
  writer.close(any);
}

function encodeRetryDelay(writer: Writer, retryAfterMs: number): void {
  const wholeMs = Math.max(0, Math.ceil(retryAfterMs));
  const mark = writer.open((1 << 3) | 2, 1);
  writer.int64Field((1 << 3) | 0, BigInt(Math.floor(wholeMs / 1000)));
  writer.int32Field((2 << 3) | 0, (wholeMs % 1000) * 1_000_000);
  writer.close(mark);
}

function encodeViolations(writer: Writer, violations: readonly FieldViolation[]): void {
  for (const { field, description } of violations) {
    const mark = writer.open((1 << 3) | 2, 1);
    writer.stringField((1 << 3) | 2, field);
    writer.stringField((2 << 3) | 2, description);
    writer.close(mark);
  }
}

/** Null when the bytes are no Status. Details of other types are left out. */
export function decodeStatus(bytes: Uint8Array): RpcStatus | null {
  return unlessBroken(() => decodeFields(new Reader(bytes)));
}

function unlessBroken(decode: () => RpcStatus): RpcStatus | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

type Details = Pick<RpcStatus, 'retryAfterMs' | 'violations'>;

function decodeFields(reader: Reader): RpcStatus {
  let code = 0;
  let message = '';
  let details: Details = {};
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 0)) code = reader.int32();
    else if (tag === ((2 << 3) | 2)) message = reader.string();
    else if (tag === ((3 << 3) | 2)) details = { ...details, ...decodeAny(reader) };
    else reader.skipUnknown(tag, STATUS_FIELDS);
  }
  return { code, message, ...details };
}

function decodeAny(reader: Reader): Details {
  const outer = reader.enter();
  let type = '';
  let content = reader;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) type = reader.string();
    else if (tag === ((2 << 3) | 2)) {
      const start = reader.range();
      content = new Reader(reader.bytes, start, reader.position);
    } else reader.skipUnknown(tag, PAIR_FIELDS);
  }
  reader.leave(outer);
  if (content === reader) return {};
  if (type === RETRY_INFO_TYPE) return { retryAfterMs: decodeRetryInfo(content) };
  return type === BAD_REQUEST_TYPE ? { violations: decodeViolations(content) } : {};
}

/** The delay in whole milliseconds, rounded up. Undefined when it is not there. */
function decodeRetryInfo(reader: Reader): number | undefined {
  let delayMs: number | undefined;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) delayMs = decodeDurationMs(reader);
    else reader.skipUnknown(tag, FIRST_FIELD);
  }
  return delayMs;
}

function decodeDurationMs(reader: Reader): number {
  const outer = reader.enter();
  let seconds = 0;
  let nanos = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 0)) seconds = Number(reader.int64());
    else if (tag === ((2 << 3) | 0)) nanos = reader.int32();
    else reader.skipUnknown(tag, PAIR_FIELDS);
  }
  reader.leave(outer);
  return Math.max(0, seconds * 1000 + Math.ceil(nanos / 1_000_000));
}

function decodeViolations(reader: Reader): FieldViolation[] {
  const violations: FieldViolation[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) violations.push(decodeViolation(reader));
    else reader.skipUnknown(tag, FIRST_FIELD);
  }
  return violations;
}

function decodeViolation(reader: Reader): FieldViolation {
  const outer = reader.enter();
  let field = '';
  let description = '';
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) field = reader.string();
    else if (tag === ((2 << 3) | 2)) description = reader.string();
    else reader.skipUnknown(tag, PAIR_FIELDS);
  }
  reader.leave(outer);
  return { field, description };
}

/** The JSON mapping of protobuf: details carry their type as `@type`, durations are `1.500s`. */
export function statusToJson(status: RpcStatus): string {
  const { code, message: text, retryAfterMs, violations } = status;
  const details: object[] = [];
  if (retryAfterMs !== undefined) {
    const seconds = Math.max(0, Math.ceil(retryAfterMs)) / 1000;
    details.push({ '@type': RETRY_INFO_TYPE, retryDelay: `${seconds.toFixed(3)}s` });
  }
  if (violations !== undefined) {
    details.push({ '@type': BAD_REQUEST_TYPE, fieldViolations: violations });
  }
  return JSON.stringify({ code, message: text, ...(details.length > 0 ? { details } : {}) });
}

/** Null when the text is no Status. Details of other types are left out. */
export function statusFromJson(input: string | Uint8Array): RpcStatus | null {
  return unlessBroken(() => {
    const { code, message: text, details } = readJson(STATUS_JSON, input);
    return { code, message: text, ...Object.assign({}, ...details.map(detailsOf)) };
  });
}

interface DetailJson {
  readonly '@type': string;
  readonly retryDelay: string;
  readonly fieldViolations: readonly FieldViolation[];
}

const VIOLATION_JSON = message<FieldViolation>({
  field: field(STRING, ''),
  description: field(STRING, ''),
});

const DETAIL_JSON = message<DetailJson>({
  '@type': field(STRING, ''),
  retryDelay: field(STRING, ''),
  fieldViolations: list(VIOLATION_JSON),
});

interface StatusJson {
  readonly code: number;
  readonly message: string;
  readonly details: readonly DetailJson[];
}

const STATUS_JSON = message<StatusJson>({
  code: field(INT32, 0),
  message: field(STRING, ''),
  details: list(DETAIL_JSON),
});

function detailsOf(detail: DetailJson): Details {
  if (detail['@type'] === BAD_REQUEST_TYPE) return { violations: detail.fieldViolations };
  const seconds = /^([0-9]{1,12}(?:\.[0-9]{1,9})?)s$/.exec(detail.retryDelay)?.[1];
  if (detail['@type'] !== RETRY_INFO_TYPE || seconds === undefined) return {};
  // To six places, since a product such as 1.1 * 1000 may be a hair above a whole number.
  return { retryAfterMs: Math.ceil(Number((Number(seconds) * 1000).toFixed(6))) };
}
