// Where records begin and end in the bytes of a file. Splitting has no memory: it is given bytes
// that begin where a record begins and answers how far the whole records in them reach; the rest
// is read again when there is more. So the only state of a file is one position.
//
// Rules:
// - A line ends with LF or CR LF, which are no part of the record; a CR elsewhere is.
// - A record longer than `maxBytes` becomes several, cut between characters, none of them longer.
//   That depends only on the bytes, not on how they come in.
// - With `flush` the rest at the end is a record, too.
// - `line_start_pattern`: a record begins where the pattern matches, and what stands before the
//   first match is a record. `line_end_pattern`: it ends behind the match (and a line end that
//   follows). `^` and `$` stand for the ends of lines; a match that touches the end of the bytes
//   waits for more of them. The line end at the end of a record is left out.
// - An expression looks at no more than what is read at one time (`readBytes` in reader.ts).

import { forBytes } from './byte_pattern.ts';
import { cutBytes, type Encoding } from './encoding.ts';

/** Records found: bytes from `starts[i]` to `ends[i]`. Empty ones are found, too. */
export interface Spans {
  readonly starts: number[];
  readonly ends: number[];
}

export interface SplitOptions {
  readonly encoding: Encoding;
  readonly maxBytes: number;
  /** Stops after about so many records. */
  readonly recordsMax: number;
  readonly multiline?: Multiline;
}

export interface Multiline {
  readonly line_start_pattern?: RegExp | undefined;
  readonly line_end_pattern?: RegExp | undefined;
  readonly omit_pattern: boolean;
}

/**
 * Appends the records of `bytes` from `start` on to `spans` and answers the position behind the
 * last of them, where the next one begins.
 */
export type Split = (bytes: Buffer, start: number, flush: boolean, spans: Spans) => number;

export function createSplit(options: SplitOptions): Split {
  const { multiline } = options;
  const cut = createCut(options);
  if (options.encoding.kind === 'nop') return (bytes, start, flush, spans) =>
    splitRest(cut, bytes, start, flush, spans);
  if (multiline?.line_start_pattern !== undefined) {
    return splitAtStarts(options, cut, multiline.line_start_pattern, multiline.omit_pattern);
  }
  if (multiline?.line_end_pattern !== undefined) {
    return splitAtEnds(options, cut, multiline.line_end_pattern, multiline.omit_pattern);
  }
  return splitLines(options, cut);
}

/** Appends one record, or several when it is too long. */
type Cut = (bytes: Buffer, start: number, end: number, spans: Spans) => void;

function createCut({ encoding, maxBytes }: SplitOptions): Cut {
  return (bytes, start, end, { starts, ends }) => {
    let at = start;
    while (end - at > maxBytes) {
      const next = pieceEnd(encoding, maxBytes, bytes, at);
      starts.push(at);
      ends.push(next);
      at = next;
    }
    starts.push(at);
    ends.push(end);
  };
}

/** Where a piece of at most `maxBytes` ends that begins at `start`. */
function pieceEnd(encoding: Encoding, maxBytes: number, bytes: Buffer, start: number): number {
  const end = start + maxBytes - (maxBytes % encoding.unitBytes);
  return end - cutBytes(encoding, bytes, start, end);
}

function splitLines({ encoding, maxBytes, recordsMax }: SplitOptions, cut: Cut): Split {
  const find = lineFeedFinder(encoding);
  const unit = encoding.unitBytes;
  return (bytes, start, flush, spans) => {
    const { starts, ends } = spans;
    let at = start;
    while (starts.length < recordsMax) {
      const feed = find(bytes, at);
      if (feed === -1) return splitTail(bytes, at, flush, spans);
      const end = withoutReturn(encoding, bytes, at, feed);
      if (end - at > maxBytes) {
        cut(bytes, at, end, spans);
      } else {
        starts.push(at);
        ends.push(end);
      }
      at = feed + unit;
    }
    return at;
  };

  /** Pieces of a line whose end is not there yet. Room for CR LF decides as if it were. */
  function splitTail(bytes: Buffer, start: number, flush: boolean, spans: Spans): number {
    let at = start;
    while (bytes.length - at >= maxBytes + 2 * unit) {
      const next = pieceEnd(encoding, maxBytes, bytes, at);
      spans.starts.push(at);
      spans.ends.push(next);
      at = next;
    }
    return splitRest(cut, bytes, at, flush, spans);
  }
}

function splitRest(
  cut: Cut, bytes: Buffer, start: number, flush: boolean, spans: Spans,
): number {
  if (!flush || start === bytes.length) return start;
  cut(bytes, start, bytes.length, spans);
  return bytes.length;
}

function splitAtStarts(options: SplitOptions, cut: Cut, pattern: RegExp, omit: boolean): Split {
  const { encoding, recordsMax } = options;
  const search = createSearch(encoding, pattern);
  return (bytes, start, flush, spans) => {
    let from = start;
    let content = start;
    let stopped = false;
    search(bytes, start, (first, last) => {
      // Directly behind another match it belongs to the same beginning.
      if (first > start && first > content) {
        cut(bytes, content, recordEnd(encoding, bytes, content, first), spans);
        from = first;
        content = from;
        stopped = spans.starts.length >= recordsMax;
      }
      if (omit && !stopped) content = last;
      return !stopped;
    });
    if (stopped) return from;
    return splitOpen(options, cut, { bytes, from, content }, flush, spans);
  };
}

function splitAtEnds(options: SplitOptions, cut: Cut, pattern: RegExp, omit: boolean): Split {
  const { encoding, recordsMax } = options;
  const search = createSearch(encoding, pattern);
  return (bytes, start, flush, spans) => {
    let from = start;
    let stopped = false;
    search(bytes, start, (first, last) => {
      // An empty match at the beginning, or one inside the line end that was just left out.
      if (last <= from) return true;
      if (!flush && isOpen(encoding, bytes, last)) return false;
      const end = Math.max(from, omit ? first : last);
      cut(bytes, from, recordEnd(encoding, bytes, from, end), spans);
      const ended = isUnit(encoding, bytes, last - encoding.unitBytes, 0x0a);
      from = ended ? last : afterLineEnd(encoding, bytes, last);
      stopped = spans.starts.length >= recordsMax;
      return !stopped;
    });
    if (stopped) return from;
    return splitOpen(options, cut, { bytes, from, content: from }, flush, spans);
  };
}

interface Open {
  readonly bytes: Buffer;
  /** Where the record begins, and where its content does. */
  readonly from: number;
  readonly content: number;
}

/** The record that nothing ends yet: taken when flushed, cut when it is too long already. */
function splitOpen(
  { encoding, maxBytes }: SplitOptions, cut: Cut, open: Open, flush: boolean, spans: Spans,
): number {
  const { bytes, content } = open;
  if (flush && content < bytes.length) {
    cut(bytes, content, recordEnd(encoding, bytes, content, bytes.length), spans);
    return bytes.length;
  }
  let at = content;
  while (bytes.length - at >= maxBytes + 2 * encoding.unitBytes) {
    const next = pieceEnd(encoding, maxBytes, bytes, at);
    spans.starts.push(at);
    spans.ends.push(next);
    at = next;
  }
  return at === content ? open.from : at;
}

/** Calls `visit` with the bounds of each match, in bytes, until it answers false. */
type Search = (
  bytes: Buffer, start: number, visit: (first: number, last: number) => boolean,
) => void;

function createSearch(encoding: Encoding, pattern: RegExp): Search {
  const unit = encoding.unitBytes;
  const expression = unit === 1 ? forBytes(pattern)! : pattern;
  return (bytes, start, visit) => {
    const text = searchText(encoding, bytes, start);
    expression.lastIndex = 0;
    for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
      const first = start + match.index * unit;
      const last = first + match[0].length * unit;
      // Without this an empty match would be found for ever at the same place.
      if (match[0] === '') expression.lastIndex++;
      if (!visit(first, last)) return;
    }
  };
}

/** Text in which the position of a character times `unitBytes` is its position in the bytes. */
function searchText({ unitBytes, label }: Encoding, bytes: Buffer, start: number): string {
  if (unitBytes === 1) return bytes.toString('latin1', start);
  const even = bytes.subarray(start, bytes.length - ((bytes.length - start) % 2));
  if (label === 'utf-16le') return even.toString('utf16le');
  return Buffer.from(even).swap16().toString('utf16le');
}

function lineFeedFinder({ unitBytes, label }: Encoding): (bytes: Buffer, at: number) => number {
  if (unitBytes === 1) return (bytes, at) => bytes.indexOf(0x0a, at);
  const feed = Buffer.from(label === 'utf-16le' ? [0x0a, 0] : [0, 0x0a]);
  return (bytes, start) => {
    // The same two bytes may also be halves of two neighbours.
    for (let at = bytes.indexOf(feed, start); at !== -1; at = bytes.indexOf(feed, at + 1)) {
      if ((at - start) % 2 === 0) return at;
    }
    return -1;
  };
}

function withoutReturn(encoding: Encoding, bytes: Buffer, start: number, end: number): number {
  const unit = encoding.unitBytes;
  return end - start >= unit && isUnit(encoding, bytes, end - unit, 0x0d) ? end - unit : end;
}

/** The end of a record without the line end there. */
function recordEnd(encoding: Encoding, bytes: Buffer, start: number, end: number): number {
  const unit = encoding.unitBytes;
  if (end - start < unit || !isUnit(encoding, bytes, end - unit, 0x0a)) return end;
  return withoutReturn(encoding, bytes, start, end - unit);
}

/** The position behind a line end at `at`, or `at` when there is none. */
export function afterLineEnd(encoding: Encoding, bytes: Buffer, at: number): number {
  const unit = encoding.unitBytes;
  const feed = isUnit(encoding, bytes, at, 0x0d) ? at + unit : at;
  return isUnit(encoding, bytes, feed, 0x0a) ? feed + unit : at;
}

/** Whether more bytes could make a match longer, or be the line end behind it. */
function isOpen(encoding: Encoding, bytes: Buffer, last: number): boolean {
  const left = bytes.length - last;
  return left === 0
    || (left === encoding.unitBytes && isUnit(encoding, bytes, last, 0x0d));
}

function isUnit({ unitBytes, label }: Encoding, bytes: Buffer, at: number, code: number): boolean {
  if (at + unitBytes > bytes.length) return false;
  if (unitBytes === 1) return bytes[at] === code;
  const [low, high] = label === 'utf-16le' ? [at, at + 1] : [at + 1, at];
  return bytes[low] === code && bytes[high] === 0;
}

/** Shortens spans by white space (ASCII) at their ends. */
export function trimSpans(
  encoding: Encoding, bytes: Buffer, { starts, ends }: Spans, leading: boolean, trailing: boolean,
): void {
  const unit = encoding.unitBytes;
  const isSpace = (at: number): boolean =>
    WHITE_SPACE.some((code) => isUnit(encoding, bytes, at, code));
  for (let index = 0; index < starts.length; index++) {
    let start = starts[index]!;
    let end = ends[index]!;
    while (leading && start < end && isSpace(start)) start += unit;
    while (trailing && end - unit >= start && isSpace(end - unit)) end -= unit;
    starts[index] = start;
    ends[index] = end;
  }
}

const WHITE_SPACE = [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d];
