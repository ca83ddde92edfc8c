// Hands one mail to a mail server over SMTP (RFC 5321), once, over TLS from the beginning
// (RFC 8314) or after STARTTLS (RFC 3207), and says what the server said.
//
//   2xx of every recipient and the mail → accepted; recipients refused for good are counted
//   4xx, a connection that breaks       → retryable
//   5xx                                 → rejected
//
// Promises:
// - What the server says is bounded; a session ends within `timeoutMs`.
// - Nothing that was read before TLS counts after it, and no password leaves without TLS, unless
//   to this machine or as an answer to a challenge (CRAM-MD5).
// - Lines of a mail cannot end it, and addresses cannot hold commands.

import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Outcome } from '../../../proto/contract/outcome.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { systemCause } from '../../../runtime/errors.ts';
import { formatEndpoint, isLoopback, type Endpoint } from '../../../runtime/net.ts';
import { oneLine } from './cut.ts';
import { checkHost, guardedLookup, RefusedAddressError, type Guard } from './guard.ts';
import { authenticate, type Login } from './smtp_auth.ts';
import { createReplies, SmtpFailure, type Replies, type Reply } from './smtp_reply.ts';

export const limits = {
  /** Characters of what a server says that become part of a reason. */
  reasonMax: 300,
  /** How long the server's last word is waited for, once the mail is accepted. */
  quitMs: 1000,
} as const;

export interface SmtpOptions {
  readonly server: Endpoint;
  readonly guard: Guard;
  /** How this machine calls itself. */
  readonly hello: string;
  readonly security: 'implicit' | 'starttls' | 'none';
  readonly tls: ConnectionOptions;
  /** Null: nobody in particular. */
  readonly login: Login | null;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Addresses without names, checked by `isMailbox`; the content as `encodeMail` gives it. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Buffer;
}

/** An address that can stand between < and > of a command. */
export const isMailbox = (text: string): boolean => text.length <= 254
  && !/[\u0000-\u0020\u007f-\u009f<>(),:;"\\]/.test(text) && /^[^@]{1,64}@[^@]+$/.test(text);

/** Never throws. */
export async function sendMail(
  mail: Mail,
  options: SmtpOptions,
  abort: AbortSignal,
): Promise<Outcome> {
  if (abort.aborted) return retryable('the attempt was given up');
  const { clock, timeoutMs, server } = options;
  const session: Session = { socket: null, replies: createReplies(), isSafe: false };
  let why = '';
  const end = (reason: string) => {
    why = reason;
    session.replies.fail(new SmtpFailure(reason, true));
    session.socket?.destroy();
  };
  const timer = clock.after(timeoutMs, () => end(`no answer within ${timeoutMs} ms`));
  const give = () => end('the attempt was given up');
  abort.addEventListener('abort', give, { once: true });
  try {
    return await converse(session, mail, options);
  } catch (error) {
    return outcomeOf(error, why, formatEndpoint(server));
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
    session.socket?.destroy();
  }
}

interface Session {
  socket: Socket | null;
  replies: Replies;
  /** TLS, or a connection that does not leave the machine. */
  isSafe: boolean;
}

function outcomeOf(error: unknown, why: string, where: string): Outcome {
  if (why !== '') return retryable(why);
  if (error instanceof SmtpFailure) {
    const reason = oneLine(error.message, limits.reasonMax);
    return error.passes ? retryable(reason) : rejected(reason);
  }
  if (error instanceof RefusedAddressError) return rejected(error.message);
  const cause = error instanceof AggregateError ? error.errors.at(-1) as unknown : error;
  if (cause instanceof RefusedAddressError) return rejected(cause.message);
  return retryable(`cannot reach ${where}: ${systemCause(cause)}`);
}

async function converse(session: Session, mail: Mail, options: SmtpOptions): Promise<Outcome> {
  await open(session, options);
  expect(await session.replies.next(), 2, 'the greeting');
  let extensions = await greet(session, options);
  if (options.security === 'starttls') {
    if (!extensions.has('STARTTLS')) {
      throw new SmtpFailure('the server does not offer the STARTTLS of require_tls', false);
    }
    await command(session, 'STARTTLS', 2);
    await secure(session, options);
    extensions = await greet(session, options);
  }
  const mechanisms = extensions.get('AUTH')?.toUpperCase().split(' ');
  if (options.login !== null && mechanisms !== undefined) {
    await authenticate(options.login, mechanisms, session.isSafe, (line) => ask(session, line));
  }
  return deliver(session, mail, extensions, options);
}

async function deliver(
  session: Session,
  mail: Mail,
  extensions: ReadonlyMap<string, string>,
  { clock }: SmtpOptions,
): Promise<Outcome> {
  const isPlain = [mail.from, ...mail.to].every((one) => /^[\x21-\x7e]+$/.test(one));
  if (!isPlain && !extensions.has('SMTPUTF8')) {
    throw new SmtpFailure('the server does not take addresses with such letters', false);
  }
  const most = Number(extensions.get('SIZE') ?? 0);
  if (most > 0 && mail.content.length > most) {
    throw new SmtpFailure(`the mail is larger than the ${most} bytes that the server takes`, false);
  }
  await command(session, `MAIL FROM:<${mail.from}>${isPlain ? '' : ' SMTPUTF8'}`, 2);
  const refused: Reply[] = [];
  for (const to of mail.to) {
    const reply = await ask(session, `RCPT TO:<${to}>`);
    // Nobody gets it now, so that nobody gets it twice.
    if (reply.code >= 400 && reply.code <= 499) throw failureOf(reply, 'RCPT');
    if (reply.code >= 500) refused.push(reply);
    else expect(reply, 2, 'RCPT');
  }
  if (refused.length === mail.to.length) throw failureOf(refused[0]!, 'RCPT');
  await command(session, 'DATA', 3);
  session.socket!.write(stuffed(mail.content));
  expect(await session.replies.next(), 2, 'the mail');
  await leave(session, clock);
  if (refused.length === 0) return ACCEPTED;
  const reason = `${refused.length} of ${mail.to.length} recipients were refused: `
    + oneLine(refused[0]!.text, limits.reasonMax);
  return { status: 'accepted', rejected: refused.length, reason };
}

/** The mail is there; a server that does not say goodbye changes nothing. */
async function leave(session: Session, clock: Clock): Promise<void> {
  const timer = clock.after(limits.quitMs, () => session.socket?.destroy());
  try {
    await ask(session, 'QUIT');
  } catch {
    // It has gone.
  } finally {
    timer.cancel();
  }
}

async function open(session: Session, { server, guard, security, tls }: SmtpOptions) {
  checkHost(server.host, guard);
  const where = { host: server.host, port: server.port, lookup: guardedLookup(guard) as never };
  const isName = isIP(server.host) === 0;
  const socket = security === 'implicit'
    ? connectTls({ ...where, ...(isName ? { servername: server.host } : {}), ...tls })
    : connectPlain(where);
  session.socket = socket;
  session.isSafe = security === 'implicit' || isLoopback(server.host);
  session.replies.listen(socket);
  await connected(socket, security === 'implicit' ? 'secureConnect' : 'connect');
}

/** RFC 3207, section 4.2: what came before, in either direction, is forgotten. */
async function secure(session: Session, { server, tls }: SmtpOptions): Promise<void> {
  const socket = session.socket!;
  if (session.replies.hasMore()) {
    throw new SmtpFailure('the server went on without TLS after STARTTLS', false);
  }
  session.replies.leave(socket);
  const isName = isIP(server.host) === 0;
  const safe = connectTls({ socket, ...(isName ? { servername: server.host } : {}), ...tls });
  session.socket = safe;
  session.replies.listen(safe);
  await connected(safe, 'secureConnect');
  session.isSafe = true;
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new SmtpFailure('the connection was closed', true)));
  });
}

/** What the server can do, by keyword. */
async function greet(session: Session, { hello }: SmtpOptions): Promise<Map<string, string>> {
  const reply = await ask(session, `EHLO ${hello}`);
  if (reply.code >= 500) {
    await command(session, `HELO ${hello}`, 2);
    return new Map();
  }
  expect(reply, 2, 'EHLO');
  return new Map(reply.text.split('\n').slice(1).map((line) => {
    const [word = '', ...rest] = line.trim().split(/[ =]/);
    return [word.toUpperCase(), rest.join(' ')];
  }));
}

async function command(session: Session, line: string, want: 2 | 3): Promise<Reply> {
  return expect(await ask(session, line), want, line.split(/[ :]/)[0]!);
}

function ask({ socket, replies }: Session, line: string): Promise<Reply> {
  if (/[\r\n]/.test(line)) throw new TypeError('a command must be one line');
  socket!.write(`${line}\r\n`);
  return replies.next();
}

function expect(reply: Reply, want: 2 | 3, what: string): Reply {
  if (Math.floor(reply.code / 100) === want) return reply;
  throw failureOf(reply, what);
}

const failureOf = ({ code, text }: Reply, what: string): SmtpFailure =>
  new SmtpFailure(`the server answers ${what} with ${code} ${text}`, code < 500);

/** A line that begins with a dot gets a second one (RFC 5321, section 4.5.2); then the end. */
function stuffed(content: Buffer): Buffer {
  const text = content.toString('latin1').replace(/^\./gm, '..');
  return Buffer.from(`${text}${text.endsWith('\r\n') ? '' : '\r\n'}.\r\n`, 'latin1');
}
