// Ids and times of records: what is stored, and what makes a record one that cannot be stored.
//
// A time must lie before 2106-02-07T06:28:07Z. ClickHouse computes partitions, sort keys and
// lookup ranges in 32-bit seconds, and a later time would wrap around to 1970 there.

import { DecodeError } from '../../../../proto/protobuf/error.ts';
import type { Bytes, Source, Words } from './columns.ts';

export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;

/** The upper 32 bits of the first time in nanoseconds that is too late. */
const TIME_HIGH_END = 999_999_999;

/** Ends the reading of a record that is well-formed but breaks a rule of OTLP or of the store. */
export function refuse(record: string, cause: string): never {
  throw new DecodeError(record, cause, {});
}

/** A time in nanoseconds, from the words of a fixed64. */
export function appendTime(column: Words, low: number, high: number, record: string): void {
  if (high >>> 0 >= TIME_HIGH_END) refuse(record, 'a time is later than the year 2105');
  column.pair(low, high);
}

/** An id that may be missing. What OTLP calls invalid (all zeros, another length) becomes ''. */
export function appendId(
  column: Bytes,
  source: Source,
  start: number,
  end: number,
  size: number,
): void {
  if (end - start !== size || isZero(source, start, end)) column.byte(0);
  else column.hex(source, start, end);
}

export function isZero(source: Source, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (source.bytes[at] !== 0) return false;
  return true;
}
