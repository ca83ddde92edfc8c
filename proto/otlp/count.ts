// How many spans, log records or data points an export request has, from its bytes, by jumping
// from length to length: no record is looked into. Equal to counting the decoded request.

import { fieldBits, LENGTH, Reader } from '../protobuf/reader.ts';
import { countDecoded } from './codec.ts';
import type { RequestOf, Signal } from './model.ts';

/** Throws DecodeError when the bytes are broken as far down as they must be read for counting. */
export function countItems(signal: Signal, bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  const countRecord = signal === 'metrics' ? countDataPoints : countOne;
  return countChildren(reader, 1, (group) =>
    countInside(group, 2, (scope) => countInside(scope, 2, countRecord)),
  );
}

/** The number of spans, log records or data points of a decoded request. */
export function countRequestItems<S extends Signal>(signal: S, request: RequestOf<S>): number {
  return countDecoded(signal, request);
}

type Count = (reader: Reader) => number;

function countInside(reader: Reader, field: number, countChild: Count): number {
  const outer = reader.enter();
  const count = countChildren(reader, field, countChild);
  reader.leave(outer);
  return count;
}

/** The sum of `countChild` over all occurrences of a message field up to the reader's end. */
function countChildren(reader: Reader, field: number, countChild: Count): number {
  const childTag = (field << 3) | LENGTH;
  const known = fieldBits(field);
  let count = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === childTag) count += countChild(reader);
    else reader.skipUnknown(tag, known);
  }
  return count;
}

function countOne(reader: Reader): number {
  reader.range();
  return 1;
}

/** Field numbers of the oneof `Metric.data`; in each of them field 1 is the data points. */
export const DATA_FIELDS = fieldBits(5, 7, 9, 10, 11);

/**
 * The data points of the Metric that the reader is at. Of a oneof the last member counts, and
 * occurrences of the same member are joined.
 */
export function countDataPoints(reader: Reader): number {
  const outer = reader.enter();
  let member = 0;
  let count = 0;
  while (reader.more()) {
    const tag = reader.tag();
    const isData = tag >>> 3 < 32 && ((DATA_FIELDS >>> (tag >>> 3)) & 1) === 1;
    if (isData && (tag & 7) === LENGTH) {
      const points = countInside(reader, 1, countOne);
      count = tag === member ? count + points : points;
      member = tag;
    } else reader.skipUnknown(tag, DATA_FIELDS);
  }
  reader.leave(outer);
  return count;
}
