// Says who sends, in the ways that mail servers know (RFC 4954): PLAIN (RFC 4616), LOGIN, and
// CRAM-MD5 (RFC 2195), which alone keeps the secret from whoever listens.

import { createHmac } from 'node:crypto';
import { SmtpFailure, type Reply } from './smtp_reply.ts';

export interface Login {
  readonly username: string;
  readonly identity: string;
  /** For PLAIN and LOGIN; '' for none. */
  readonly password: string;
  /** For CRAM-MD5; '' for none. */
  readonly secret: string;
}

/** `isSafe`: nobody listens. Throws SmtpFailure. */
export async function authenticate(
  { username, identity, password, secret }: Login,
  mechanisms: readonly string[],
  isSafe: boolean,
  ask: (line: string) => Promise<Reply>,
): Promise<void> {
  const offers = (name: string) => mechanisms.includes(name);
  if (isSafe && password !== '' && offers('PLAIN')) {
    return finish(await ask(`AUTH PLAIN ${encode(`${identity}\0${username}\0${password}`)}`));
  }
  if (isSafe && password !== '' && offers('LOGIN')) {
    goOn(await ask('AUTH LOGIN'));
    goOn(await ask(encode(username)));
    return finish(await ask(encode(password)));
  }
  const key = secret === '' ? password : secret;
  if (key !== '' && offers('CRAM-MD5')) {
    const challenge = Buffer.from(goOn(await ask('AUTH CRAM-MD5')).text.trim(), 'base64');
    const digest = createHmac('md5', key).update(challenge).digest('hex');
    return finish(await ask(encode(`${username} ${digest}`)));
  }
  const why = !isSafe && password !== '' && (offers('PLAIN') || offers('LOGIN'))
    ? 'the connection has no TLS, and a password is not sent without'
    : 'the server knows none of the ways to log in that the settings allow';
  throw new SmtpFailure(`cannot log in: ${why}`, false);
}

const encode = (text: string): string => Buffer.from(text).toString('base64');

function goOn(reply: Reply): Reply {
  if (reply.code === 334) return reply;
  throw failure(reply);
}

function finish(reply: Reply): void {
  if (reply.code !== 235) throw failure(reply);
}

const failure = ({ code, text }: Reply): SmtpFailure =>
  new SmtpFailure(`the server refuses the login with ${code} ${text}`, code < 500);
