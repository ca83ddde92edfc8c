// Export…ServiceResponse: what a server answers to an export request that it took.
//
//   response         1: partial_success, only when there is something to say
//   partial success  1: rejected_spans, rejected_log_records or rejected_data_points, int64
//                    2: error_message
//
// In code it is the `accepted` outcome: how many records were refused for good, and why. Nothing
// refused and no reason is full success, for which partial_success must be absent (OTLP 1.11,
// "Full Success"); a reason without refused records is a warning.

import { fieldBits, Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { field, message } from './json/fields.ts';
import type { Kind } from './json/fields.ts';
import { INT64, STRING } from './json/scalars.ts';
import { readJson } from './json.ts';
import type { Signal } from './model.ts';

export interface Acceptance {
  /** How many records of the request will never be stored. */
  readonly rejected: number;
  readonly reason?: string;
}

const RESPONSE_FIELDS = fieldBits(1);
const PARTIAL_FIELDS = fieldBits(1, 2);

/** All signals have the same bytes; `signal` is there for the symmetry with JSON. */
export function encodeResponse(_signal: Signal, { rejected, reason = '' }: Acceptance): Uint8Array {
  const writer = new Writer(64);
  if (rejected > 0 || reason !== '') {
    const mark = writer.open((1 << 3) | 2, 1);
    writer.int64Field((1 << 3) | 0, BigInt(rejected));
    writer.stringField((2 << 3) | 2, reason);
    writer.close(mark);
  }
  return writer.finish();
}

/** Throws DecodeError. A number of rejected records below 0 is read as 0. */
export function decodeResponse(_signal: Signal, bytes: Uint8Array): Acceptance {
  const reader = new Reader(bytes);
  let acceptance: Acceptance = { rejected: 0 };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) acceptance = decodePartialSuccess(reader, acceptance);
    else reader.skipUnknown(tag, RESPONSE_FIELDS);
  }
  return acceptance;
}

function decodePartialSuccess(reader: Reader, before: Acceptance): Acceptance {
  const outer = reader.enter();
  let { rejected, reason = '' } = before;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 0)) rejected = Math.max(0, Number(reader.int64()));
    else if (tag === ((2 << 3) | 2)) reason = reader.string();
    else reader.skipUnknown(tag, PARTIAL_FIELDS);
  }
  reader.leave(outer);
  return acceptanceOf(rejected, reason);
}

const acceptanceOf = (rejected: number, reason: string): Acceptance =>
  reason === '' ? { rejected } : { rejected, reason };

/** `{}` for full success. */
export function responseToJson(signal: Signal, { rejected, reason = '' }: Acceptance): string {
  if (rejected <= 0 && reason === '') return '{}';
  const partialSuccess = {
    ...(rejected > 0 ? { [REJECTED_KEYS[signal]]: String(rejected) } : {}),
    ...(reason === '' ? {} : { errorMessage: reason }),
  };
  return JSON.stringify({ partialSuccess });
}

/** Throws DecodeError. */
export function responseFromJson(signal: Signal, input: string | Uint8Array): Acceptance {
  const { partialSuccess } = readJson(RESPONSES[signal], input);
  const { rejected, errorMessage } = partialSuccess;
  return acceptanceOf(Math.max(0, Number(rejected)), errorMessage);
}

const REJECTED_KEYS: Readonly<Record<Signal, string>> = {
  traces: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
};

interface PartialSuccess {
  readonly rejected: bigint;
  readonly errorMessage: string;
}

const RESPONSES: Readonly<Record<Signal, Kind<{ readonly partialSuccess: PartialSuccess }>>> = {
  traces: responseKind(REJECTED_KEYS.traces),
  logs: responseKind(REJECTED_KEYS.logs),
  metrics: responseKind(REJECTED_KEYS.metrics),
};

function responseKind(
  rejectedKey: string,
): Kind<{ readonly partialSuccess: PartialSuccess }> {
  const partial = message<PartialSuccess>({
    rejected: { ...field(INT64, 0n), members: { [rejectedKey]: INT64 } },
    errorMessage: field(STRING, ''),
  });
  return message({ partialSuccess: field(partial, { rejected: 0n, errorMessage: '' }) });
}
