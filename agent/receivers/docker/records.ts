// Messages become records: those of a long line are put together again, stream by stream, up to
// `max_log_size`.
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
    give({ stream, timeNs: line.timeNs, body: body.toString('utf8'), timesNs: done });
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
