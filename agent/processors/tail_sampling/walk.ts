// Looks over the spans of an export request without decoding them: which traces are in it and what
// policies want to know of each, and the bytes of those that are wanted.
//
//   request 1: resource spans   2: scope spans   2: span   (proto/otlp/envelope.ts)
//   span    1: trace id   3: tracestate   4: parent   7: start   8: end   15: status   16: flags

import { fieldBits, LENGTH, Reader } from '../../../proto/protobuf/reader.ts';
import { Writer } from '../../../proto/protobuf/writer.ts';
import { ALWAYS, type Randomness, type Threshold } from '../sampling/threshold.ts';
import { parseTraceState } from '../sampling/trace_state.ts';

/** Spans of one trace, of a batch or of all that came. */
export interface TraceSummary {
  spans: number;
  /** Of the spans, encoded; what surrounds them is not counted. */
  bytes: number;
  /** Unix time; Infinity and −Infinity while nothing is known. */
  startMs: number;
  endMs: number;
  /** Bit n: a span has status code n (0 unset, 1 ok, 2 error). */
  statuses: number;
  /** A span without parent is among them. */
  hasRoot: boolean;
  /** A span has the W3C flag `sampled`. */
  hasSampledFlag: boolean;
  /** The least threshold with which a span was sampled before; ALWAYS when one was not. */
  threshold: Threshold | null;
  /** The `rv` of a tracestate. */
  randomness: Randomness | null;
}

export const emptySummary = (): TraceSummary => ({
  spans: 0, bytes: 0, startMs: Infinity, endMs: -Infinity, statuses: 0, hasRoot: false,
  hasSampledFlag: false, threshold: null, randomness: null,
});

export function addSummary(sum: TraceSummary, one: TraceSummary): void {
  sum.spans += one.spans;
  sum.bytes += one.bytes;
  sum.startMs = Math.min(sum.startMs, one.startMs);
  sum.endMs = Math.max(sum.endMs, one.endMs);
  sum.statuses |= one.statuses;
  sum.hasRoot ||= one.hasRoot;
  sum.hasSampledFlag ||= one.hasSampledFlag;
  sum.threshold = leastThreshold(sum.threshold, one.threshold);
  sum.randomness ??= one.randomness;
}

const leastThreshold = (a: Threshold | null, b: Threshold | null): Threshold | null =>
  (a === null || (b !== null && b < a) ? b : a);

/** By trace id, in hexadecimal; '' for spans without. Throws DecodeError. */
export function summarize(bytes: Uint8Array): Map<string, TraceSummary> {
  const traces = new Map<string, TraceSummary>();
  const reader = new Reader(bytes);
  eachChild(reader, 1, () => inside(reader, 2, () => inside(reader, 2, () => {
    const start = reader.position;
    readSpan(reader);
    let sum = traces.get(span.traceId);
    if (sum === undefined) {
      sum = emptySummary();
      traces.set(span.traceId, sum);
    }
    addSpan(sum, reader.position - start);
  })));
  return traces;
}

/** What was read of a span; used again for each. */
const span = {
  traceId: '', traceState: '', isRoot: true, startMs: 0, endMs: 0, status: 0, flags: 0,
};

function addSpan(sum: TraceSummary, bytes: number): void {
  sum.spans += 1;
  sum.bytes += bytes;
  if (span.startMs > 0 && span.startMs < sum.startMs) sum.startMs = span.startMs;
  if (span.endMs > sum.endMs) sum.endMs = span.endMs;
  sum.statuses |= 1 << (span.status & 3);
  sum.hasRoot ||= span.isRoot;
  sum.hasSampledFlag ||= (span.flags & 1) === 1;
  const state = span.traceState === '' ? null : parseTraceState(span.traceState);
  sum.threshold = leastThreshold(sum.threshold, state?.threshold ?? ALWAYS);
  sum.randomness ??= state?.randomness ?? null;
}

const SPAN_FIELDS = fieldBits(1, 3, 4, 7, 8, 15, 16);
const STATUS_FIELDS = fieldBits(3);

/** Reads the span that the reader is at into `span`, without its text. */
function readSpan(reader: Reader): void {
  const outer = reader.enter();
  span.traceId = '';
  span.traceState = '';
  span.isRoot = true;
  span.startMs = 0;
  span.endMs = 0;
  span.status = 0;
  span.flags = 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2: span.traceId = reader.hex(); break;
      case (3 << 3) | 2: span.traceState = reader.string(); break;
      case (4 << 3) | 2: span.isRoot = isZero(reader); break;
      case (7 << 3) | 1: span.startMs = readMs(reader); break;
      case (8 << 3) | 1: span.endMs = readMs(reader); break;
      case (15 << 3) | 2: span.status = readStatus(reader); break;
      case (16 << 3) | 5: span.flags = reader.fixed32(); break;
      default: reader.skipUnknown(tag, SPAN_FIELDS);
    }
  }
  reader.leave(outer);
}

/** True for an id that is empty or zeros: none. */
function isZero(reader: Reader): boolean {
  for (let at = reader.range(); at < reader.position; at++) {
    if (reader.bytes[at] !== 0) return false;
  }
  return true;
}

function readMs(reader: Reader): number {
  reader.words64();
  return ((reader.high >>> 0) * 2 ** 32 + (reader.low >>> 0)) / 1e6;
}

function readStatus(reader: Reader): number {
  const outer = reader.enter();
  let code = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((3 << 3) | 0)) code = reader.int32();
    else reader.skipUnknown(tag, STATUS_FIELDS);
  }
  reader.leave(outer);
  return code;
}

function inside(reader: Reader, field: number, each: () => void): void {
  const outer = reader.enter();
  eachChild(reader, field, each);
  reader.leave(outer);
}

function eachChild(reader: Reader, field: number, each: () => void): void {
  const tag = (field << 3) | LENGTH;
  while (reader.more()) {
    const found = reader.tag();
    if (found === tag) each();
    else reader.skip(found & 7);
  }
}

/**
 * An export request with those spans whose trace is wanted, and all that stands around them; empty
 * when there are none. Throws DecodeError.
 */
export function selectSpans(bytes: Uint8Array, wants: (traceId: string) => boolean): Uint8Array {
  const reader = new Reader(bytes);
  const writer = new Writer(Math.min(bytes.length, 64 * 1024));
  const copyMessage = (depth: number) => (): void => {
    const start = reader.position;
    if (depth === 3) {
      readSpan(reader);
      if (!wants(span.traceId)) return;
      writer.varint32(CHILD_TAGS[depth - 1]!);
      writer.raw(bytes, start, reader.position);
      return;
    }
    const before = writer.position;
    const mark = writer.open(CHILD_TAGS[depth - 1]!, 3);
    const outer = reader.enter();
    const hasSpans = copyFields(depth);
    reader.leave(outer);
    writer.close(mark);
    // What surrounds no span is taken back.
    if (!hasSpans) writer.position = before;
  };
  /** The fields of a message at this depth; true when a span is among them. */
  const copyFields = (depth: number): boolean => {
    const copy = copyMessage(depth + 1);
    let hasSpans = false;
    while (reader.more()) {
      const start = reader.position;
      const tag = reader.tag();
      if (tag === CHILD_TAGS[depth]) {
        const before = writer.position;
        copy();
        hasSpans ||= writer.position > before;
      } else {
        reader.skip(tag & 7);
        writer.raw(bytes, start, reader.position);
      }
    }
    return hasSpans;
  };
  return copyFields(0) ? writer.finish() : new Uint8Array(0);
}

/** Of the children on the way down to a span. */
const CHILD_TAGS = [(1 << 3) | LENGTH, (2 << 3) | LENGTH, (2 << 3) | LENGTH];
