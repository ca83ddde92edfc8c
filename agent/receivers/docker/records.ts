// Messages become records: those of a long line are put together again, stream by stream, and a
// line longer than `max_log_size` is cut into several.
//
// A record says which messages have their verdict when it has its own: all up to it in the log.
// While a line of the other stream is not at its end these are none, and the record that ends the
// line has them: else that line's beginning would be passed over after a restart.

import type { Message } from './frames.ts';

export interface LogLine {
  readonly stream: Message['stream'];
  readonly timeNs: bigint;
  readonly body: string;
  /** Times of the messages that are done with it. */
  readonly timesNs: readonly bigint[];
}

export interface Joiner {
  add(message: Message): void;
  /** Gives out lines that have no end: none will come. */
  end(): void;
}

interface Open {
  readonly timeNs: bigint;
  readonly parts: Buffer[];
  bytes: number;
}

export function createJoiner(bytesMax: number, give: (line: LogLine) => void): Joiner {
  const open = new Map<Message['stream'], Open>();
  let timesNs: bigint[] = [];
  const close = (stream: Message['stream']): void => {
    const line = open.get(stream);
    if (line === undefined) return;
    open.delete(stream);
    const done = open.size === 0 ? timesNs : [];
    if (open.size === 0) timesNs = [];
    const body = (line.parts.length === 1 ? line.parts[0]! : Buffer.concat(line.parts));
    const pieces = piecesOf(body, bytesMax);
    pieces.forEach((piece, index) => give({
      stream, timeNs: line.timeNs, body: piece.toString('utf8'),
      timesNs: index === pieces.length - 1 ? done : [],
    }));
  };
  return {
    add: ({ stream, timeNs, body, ends }) => {
      timesNs.push(timeNs);
      const line = open.get(stream) ?? { timeNs, parts: [], bytes: 0 };
      open.set(stream, line);
      line.parts.push(body);
      line.bytes += body.length;
      if (ends || line.bytes >= bytesMax) close(stream);
    },
    end: () => {
      for (const stream of [...open.keys()]) close(stream);
    },
  };
}

/** At least one; cut between characters where there are some. */
function piecesOf(body: Buffer, bytesMax: number): readonly Buffer[] {
  if (body.length <= bytesMax) return [body];
  const pieces: Buffer[] = [];
  for (let start = 0; start < body.length;) {
    const end = cutOf(body, start, start + bytesMax);
    pieces.push(body.subarray(start, end));
    start = end;
  }
  return pieces;
}

/** In UTF-8 a byte 10xxxxxx goes on with the character before it, which has at most 4 bytes. */
function cutOf(body: Buffer, start: number, most: number): number {
  if (most >= body.length) return body.length;
  for (let end = most; end > Math.max(start, most - 4); end -= 1) {
    if ((body[end]! & 0xc0) !== 0x80) return end;
  }
  return most;
}
