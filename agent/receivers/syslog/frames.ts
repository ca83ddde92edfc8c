// Where messages begin and end in the bytes of a connection.
//
//   lines            message LF message CR LF …                    (or multiline)
//   NUL              message NUL message NUL …                     RFC 6587, 3.4.2
//   octet counting   5 SP hello11 SP hello world…                  RFC 6587, 3.4.1
//   packet           what one read brings is a message
//
// A message that is longer than allowed is cut into several, but for octet counting, where the rest
// of the connection cannot be told from it: that is broken.

import { createSplit, trimSpans, type Multiline, type Spans } from '../../lines/split.ts';
import type { Encoding } from '../../lines/encoding.ts';

export interface Framing {
  readonly kind: 'lines' | 'nul' | 'octets' | 'packet';
  readonly encoding: Encoding;
  /** Bytes of a message at most. */
  readonly bytesMax: number;
  readonly multiline?: Multiline | undefined;
  readonly trimLeading: boolean;
  readonly trimTrailing: boolean;
}

export interface Framer {
  /** The messages that are whole now. */
  push(chunk: Buffer): Buffer[];
  /** Where the next message begins cannot be told any more: close the connection. */
  isBroken(): boolean;
  /** What is left, as messages: nothing follows, or has not for a while. */
  flush(): Buffer[];
  /** Bytes that wait for what follows. */
  waiting(): number;
}

const RECORDS_MAX = 8192;
const NOTHING: Buffer = Buffer.alloc(0);
const NEVER_BROKEN = { isBroken: () => false };

export function createFramer(framing: Framing): Framer {
  switch (framing.kind) {
    case 'octets': return createCounting(framing.bytesMax);
    case 'packet': return {
      push: (chunk) => (chunk.length === 0 ? [] : [chunk]), ...NEVER_BROKEN,
      flush: () => [], waiting: () => 0,
    };
    case 'nul': return createEnded(framing.bytesMax);
    case 'lines': return createSplitting(framing);
  }
}

function createSplitting(framing: Framing): Framer {
  const { encoding, bytesMax, multiline, trimLeading, trimTrailing } = framing;
  const options = { encoding, maxBytes: bytesMax, recordsMax: RECORDS_MAX };
  const split = createSplit(multiline === undefined ? options : { ...options, multiline });
  let rest: Buffer = NOTHING;
  const take = (flush: boolean): Buffer[] => {
    const messages: Buffer[] = [];
    let start = 0;
    for (;;) {
      const spans: Spans = { starts: [], ends: [] };
      const end = split(rest, start, flush, spans);
      trimSpans(encoding, rest, spans, trimLeading, trimTrailing);
      spans.starts.forEach((first, index) => {
        if (spans.ends[index]! > first) messages.push(rest.subarray(first, spans.ends[index]));
      });
      if (end === start) break;
      start = end;
    }
    rest = start === rest.length ? NOTHING : rest.subarray(start);
    return messages;
  };
  return {
    push: (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      return take(false);
    },
    ...NEVER_BROKEN,
    flush: () => take(true),
    waiting: () => rest.length,
  };
}

/** Messages that end with NUL, and may hold line feeds. */
function createEnded(bytesMax: number): Framer {
  let rest: Buffer = NOTHING;
  const cut = (message: Buffer): Buffer[] => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < message.length; at += bytesMax) {
      pieces.push(message.subarray(at, at + bytesMax));
    }
    return pieces;
  };
  return {
    push: (chunk) => {
      const messages: Buffer[] = [];
      let start = 0;
      for (let end = chunk.indexOf(0); end !== -1; end = chunk.indexOf(0, start)) {
        const piece = chunk.subarray(start, end);
        messages.push(...cut(rest.length === 0 ? piece : Buffer.concat([rest, piece])));
        rest = NOTHING;
        start = end + 1;
      }
      rest = Buffer.concat([rest, chunk.subarray(start)]);
      while (rest.length > bytesMax) {
        messages.push(rest.subarray(0, bytesMax));
        rest = rest.subarray(bytesMax);
      }
      return messages;
    },
    ...NEVER_BROKEN,
    flush: () => {
      const messages = cut(rest);
      rest = NOTHING;
      return messages;
    },
    waiting: () => rest.length,
  };
}

function createCounting(bytesMax: number): Framer {
  let rest: Buffer = NOTHING;
  let broken = false;
  return {
    isBroken: () => broken,
    push: (chunk) => {
      if (broken) return [];
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const messages: Buffer[] = [];
      for (let at = 0; ;) {
        const length = readLength(rest, at);
        broken = length === null || (length !== 'more' && length.bytes > bytesMax);
        if (broken || length === null) {
          rest = NOTHING;
          return messages;
        }
        const isWhole = length !== 'more' && at + length.head + length.bytes <= rest.length;
        if (!isWhole) {
          rest = rest.subarray(at);
          return messages;
        }
        at += length.head + length.bytes;
        messages.push(rest.subarray(at - length.bytes, at));
      }
    },
    flush: () => {
      // The beginning of a message whose end never came.
      const head = readLength(rest, 0);
      const begun = head === null || head === 'more' ? NOTHING : rest.subarray(head.head);
      rest = NOTHING;
      return begun.length === 0 ? [] : [begun];
    },
    waiting: () => rest.length,
  };
}

/** Digits of the longest length. */
const DIGITS_MAX = 9;

/** `more`: it is not there yet. Null: there is none. Line feeds between messages are skipped. */
function readLength(
  bytes: Buffer, start: number,
): { head: number; bytes: number } | 'more' | null {
  let at = start;
  while (bytes[at] === 0x0a || bytes[at] === 0x0d) at++;
  const first = at;
  let length = 0;
  for (; at < bytes.length && at - first <= DIGITS_MAX; at++) {
    const code = bytes[at]!;
    if (code === 0x20) return at === first ? null : { head: at + 1 - start, bytes: length };
    if (code < 0x30 || code > 0x39 || (at === first && code === 0x30)) return null;
    length = length * 10 + code - 0x30;
  }
  return at === bytes.length ? 'more' : null;
}
