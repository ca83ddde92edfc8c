// What GET /containers/{id}/logs?timestamps=1 sends, as messages. A container without a terminal
// has frames (Docker Engine API, "Attach to a container", stream format):
//
//     1 byte   0 stdin, 1 stdout, 2 stderr
//     3 bytes  0
//     4 bytes  length of what follows, big-endian
//     …        2026-01-02T03:04:05.678901234Z the message\n
//
// One with a terminal has the messages alone, and all of them are of stdout. Longer lines than 16
// KiB are several messages, all but the last of them without a line end; on a terminal the time of
// each stands in the middle of the line.

import { createLines } from '../../../runtime/lines.ts';

export interface Message {
  readonly stream: 'stdout' | 'stderr';
  /** Nanoseconds since the Unix epoch; 0n when the message has none. */
  readonly timeNs: bigint;
  /** Without its line end. */
  readonly body: Buffer;
  /** False: the next message of the stream goes on with it. */
  readonly ends: boolean;
}

export interface Decoder {
  add(chunk: Buffer): void;
}

export const limits = {
  /** A frame that says it is longer is none: the stream is given up. */
  frameBytesMax: 16 * 1024 * 1024,
} as const;

/** The stream is not of the form that it should be. */
export class FrameError extends Error {}

const HEADER_BYTES = 8;

/** `add` throws FrameError. */
export function createFrameDecoder(message: (message: Message) => void): Decoder {
  let parts: Buffer[] = [];
  let bytes = 0;
  let wanted = HEADER_BYTES;
  const give = (whole: Buffer): number => {
    const length = whole.readUInt32BE(4);
    if (length > limits.frameBytesMax || whole[0]! > 2) {
      throw new FrameError('the Docker engine sends what is no frame of a log');
    }
    if (whole.length < HEADER_BYTES + length) return HEADER_BYTES + length;
    const content = whole.subarray(HEADER_BYTES, HEADER_BYTES + length);
    message(toMessage(whole[0] === 2 ? 'stderr' : 'stdout', content));
    return 0;
  };
  return {
    add: (chunk) => {
      parts.push(chunk);
      bytes += chunk.length;
      if (bytes < wanted) return;
      let rest = parts.length === 1 ? chunk : Buffer.concat(parts);
      for (wanted = HEADER_BYTES; rest.length >= wanted;) {
        const missing = give(rest);
        if (missing > 0) {
          wanted = missing;
          break;
        }
        rest = rest.subarray(HEADER_BYTES + rest.readUInt32BE(4));
      }
      parts = rest.length === 0 ? [] : [rest];
      bytes = rest.length;
    },
  };
}

export function createTerminalDecoder(message: (message: Message) => void): Decoder {
  return createLines({
    bytesMax: limits.frameBytesMax,
    line: (line) => {
      const end = line.length > 0 && line[line.length - 1] === CR ? line.length - 1 : line.length;
      const { timeNs, body } = toMessage('stdout', line.subarray(0, end));
      message({ stream: 'stdout', timeNs, body: withoutInnerTimes(body), ends: true });
    },
  });
}

const LF = 0x0a;
const CR = 0x0d;
/** `2026-01-02T03:04:05.678901234Z` and a blank. */
const TIME_BYTES = 31;
/** So many bytes are in each message of a long line. */
const MESSAGE_BYTES = 16 * 1024;

function toMessage(stream: Message['stream'], content: Buffer): Message {
  const ends = content[content.length - 1] === LF;
  const last = ends ? content.length - 1 : content.length;
  const timeNs = parseTime(content);
  return { stream, timeNs, body: content.subarray(timeNs === 0n ? 0 : TIME_BYTES, last), ends };
}

function withoutInnerTimes(body: Buffer): Buffer {
  if (body.length <= MESSAGE_BYTES) return body;
  const parts: Buffer[] = [];
  let start = 0;
  while (body.length - start > MESSAGE_BYTES) {
    const end = start + MESSAGE_BYTES;
    if (parseTime(body.subarray(end)) === 0n) break;
    parts.push(body.subarray(start, end));
    start = end + TIME_BYTES;
  }
  return parts.length === 0 ? body : Buffer.concat([...parts, body.subarray(start)]);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z $/;

/** 0n when the content does not begin with one. */
function parseTime(content: Buffer): bigint {
  const text = content.toString('latin1', 0, TIME_BYTES);
  if (!TIME.test(text)) return 0n;
  const ms = Date.parse(`${text.slice(0, 23)}Z`);
  return Number.isNaN(ms) ? 0n : BigInt(ms) * 1_000_000n + BigInt(text.slice(23, 29));
}
