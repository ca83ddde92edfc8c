// Replies of a mail server (RFC 5321, section 4.2): lines that begin with three digits, of which
// the last one has a space behind them.

import type { Socket } from 'node:net';

export const limits = {
  /** Bytes that a server may send before its reply is whole; more is a failure. */
  replyBytesMax: 64 * 1024,
} as const;

export interface Reply {
  readonly code: number;
  /** Without codes; lines with `\n` between them. */
  readonly text: string;
}

/** What went wrong, for people; whether it may pass. */
export class SmtpFailure extends Error {
  readonly passes: boolean;

  constructor(message: string, passes: boolean) {
    super(message);
    this.passes = passes;
  }
}

export interface Replies {
  listen(socket: Socket): void;
  /** Listens no more, and forgets what is not whole. */
  leave(socket: Socket): void;
  /** The next one. Throws SmtpFailure, or the error of the socket. */
  next(): Promise<Reply>;
  /** Whether something was read that nobody has asked for. */
  hasMore(): boolean;
  /** Every `next` fails from now on. */
  fail(error: Error): void;
}

export function createReplies(): Replies {
  let pending = '';
  let lines: string[] = [];
  const ready: Reply[] = [];
  let waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | null = null;
  let failure: Error | null = null;
  const fail = (error: Error) => {
    failure ??= error;
    waiting?.reject(failure);
    waiting = null;
  };
  const give = (reply: Reply) => {
    if (waiting === null) return void ready.push(reply);
    waiting.resolve(reply);
    waiting = null;
  };
  const take = (line: string) => {
    const match = /^([2-5]\d\d)([ -]?)(.*)$/.exec(line);
    if (match === null) return fail(new SmtpFailure('the server does not speak SMTP', true));
    lines.push(match[3]!);
    if (match[2] === '-') return;
    give({ code: Number(match[1]), text: lines.join('\n') });
    lines = [];
  };
  const onData = (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    const whole = pending.split('\n');
    pending = whole.pop()!;
    for (const line of whole) take(line.replace(/\r$/, ''));
    const bytes = pending.length + lines.reduce((sum, line) => sum + line.length, 0);
    if (bytes + ready.length > limits.replyBytesMax) {
      fail(new SmtpFailure('the server says too much', true));
    }
  };
  const onClose = () => fail(new SmtpFailure('the server closed the connection', true));
  return {
    listen: (socket) => void socket.on('data', onData).on('error', fail).on('close', onClose),
    leave: (socket) => {
      socket.off('data', onData);
      pending = '';
      lines = [];
    },
    next: () => {
      const reply = ready.shift();
      if (reply !== undefined) return Promise.resolve(reply);
      if (failure !== null) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    hasMore: () => pending !== '' || lines.length > 0 || ready.length > 0,
    fail,
  };
}
