// Hands a message to a service over HTTP: one attempt, whose answer is a value.
//
// Promises:
// - Every address is judged when the connection to it is made (guard.ts), also after a redirect.
// - A redirect is followed only where the message stays what it is (307, 308); credentials stay
//   with the server that they are for.
// - An attempt ends within `timeoutMs`; of an answer at most `limits.answerBytesMax` are read.
// - A connection serves one request: what was sent is never sent again by itself.

import { Agent, type Dispatcher } from 'undici';
import type { ConnectionOptions } from 'node:tls';
import { errorCode, errorMessage, systemCause } from '../../../runtime/errors.ts';
import type { NotifierContext } from '../model.ts';
import { checkHost, createGuard, guardedLookup, RefusedAddressError, type Guard } from './guard.ts';
import type { HttpConfig, TlsConfig } from './http_config.ts';
import { readSecret, readTextFile, UnreadableError } from './settings.ts';

export const limits = {
  /** More redirects than this are a failure. */
  redirects: 5,
  /** Of an answer; the rest is not read. */
  answerBytesMax: 64 * 1024,
} as const;

export interface HttpMessage {
  readonly url: string;
  readonly method?: 'POST' | 'PUT';
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export type HttpAnswer =
  | { readonly type: 'answer'; readonly status: number; readonly text: string;
      readonly header: (name: string) => string | undefined }
  /** Nothing, or nothing in time. */
  | { readonly type: 'unreachable'; readonly why: string }
  /** It may not be, or cannot be, sent there at all. */
  | { readonly type: 'refused'; readonly why: string };

export interface HttpAttempt {
  readonly config: HttpConfig;
  readonly context: NotifierContext;
  readonly timeoutMs: number;
}

/** Never throws. */
export async function sendHttp(
  message: HttpMessage,
  { config, context, timeoutMs }: HttpAttempt,
  abort: AbortSignal,
): Promise<HttpAnswer> {
  const cancel = new AbortController();
  let late = false;
  const timer = context.clock.after(timeoutMs, () => {
    late = true;
    cancel.abort();
  });
  const give = () => cancel.abort();
  abort.addEventListener('abort', give, { once: true });
  if (abort.aborted) give();
  try {
    return await follow(message, config, context, cancel.signal);
  } catch (error) {
    if (late) return unreachable(`no answer within ${timeoutMs} ms`);
    if (abort.aborted) return unreachable('the attempt was given up');
    return failure(error, message.url);
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
  }
}

const unreachable = (why: string): HttpAnswer => ({ type: 'unreachable', why });

async function follow(
  message: HttpMessage,
  config: HttpConfig,
  context: NotifierContext,
  abort: AbortSignal,
): Promise<HttpAnswer> {
  const guard = createGuard(config.allow_private);
  const tls = await tlsOptions(config.tls_config, context);
  const first = new URL(message.url);
  const own = await ownHeaders(config, first, context);
  let url = first;
  for (let hops = 0; hops <= limits.redirects; hops++) {
    // Headers hold credentials, in whatever name: another server gets none of them.
    const headers = url.origin === first.origin ? { ...message.headers, ...own }
      : { 'content-type': message.headers?.['content-type'] ?? 'application/json' };
    const answer = await ask({ ...message, url: url.href, headers }, { guard, tls }, abort);
    const next = nextOf(answer, url, config);
    if (next === null) return answer;
    if (typeof next === 'string') return { type: 'refused', why: next };
    url = next;
  }
  return { type: 'refused', why: `there are more than ${limits.redirects} redirects` };
}

/** Where a redirect goes; null when it is none; or why it is not followed. */
function nextOf(answer: HttpAnswer, from: URL, config: HttpConfig): URL | string | null {
  if (answer.type !== 'answer' || answer.status < 300 || answer.status > 399) return null;
  if (!config.follow_redirects) return null;
  if (answer.status !== 307 && answer.status !== 308) {
    return `HTTP ${answer.status}: this redirect would lose the message`;
  }
  const location = answer.header('location') ?? '';
  if (!URL.canParse(location, from.href)) return `HTTP ${answer.status} to nowhere`;
  const next = new URL(location, from);
  if (!/^https?:$/.test(next.protocol)) return 'a redirect away from HTTP is not followed';
  if (from.protocol === 'https:' && next.protocol === 'http:') {
    return 'a redirect from https to http is not followed';
  }
  return next;
}

interface Way {
  readonly guard: Guard;
  readonly tls: ConnectionOptions;
}

async function ask(
  { url: text, method = 'POST', headers, body }: HttpMessage,
  { guard, tls }: Way,
  abort: AbortSignal,
): Promise<HttpAnswer> {
  const url = new URL(text);
  checkHost(url.hostname, guard);
  const agent = new Agent({
    pipelining: 0, headersTimeout: 0, bodyTimeout: 0,
    connect: { ...tls, timeout: 0, lookup: guardedLookup(guard) as never },
  });
  try {
    const response = await agent.request({
      origin: url.origin, path: `${url.pathname}${url.search}`, method, body, signal: abort,
      headers: { 'user-agent': 'Binnacle', ...headers },
    });
    return await answerOf(response);
  } finally {
    await agent.destroy();
  }
}

async function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData) {
  const header = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= limits.answerBytesMax) break;
    }
  } catch (error) {
    // The verdict was in the head; what is missing would only have explained it.
    if (statusCode < 200 || statusCode > 299) throw error;
  }
  body.on('error', () => {}).destroy();
  const text = Buffer.concat(chunks).subarray(0, limits.answerBytesMax).toString();
  return { type: 'answer' as const, status: statusCode, text, header };
}

function failure(error: unknown, url: string): HttpAnswer {
  if (error instanceof RefusedAddressError) return { type: 'refused', why: error.message };
  if (error instanceof UnreadableError) return unreachable(error.message);
  const cause = error instanceof AggregateError ? error.errors.at(-1) : error;
  if (cause instanceof RefusedAddressError) return { type: 'refused', why: cause.message };
  const text = errorCode(cause).startsWith('UND_') ? errorMessage(cause) : systemCause(cause);
  return unreachable(`cannot reach ${new URL(url).host}: ${text}`);
}

/** Files are read anew for each attempt. Throws UnreadableError. */
export async function tlsOptions(
  tls: TlsConfig | undefined,
  { files }: NotifierContext,
): Promise<ConnectionOptions> {
  if (tls === undefined) return {};
  const pem = async (text: string | undefined, file: string | undefined) =>
    (file === undefined ? text : readTextFile(files, file));
  const options: ConnectionOptions = {
    ca: await pem(tls.ca, tls.ca_file), cert: await pem(tls.cert, tls.cert_file),
    key: await pem(tls.key, tls.key_file), servername: tls.server_name,
    minVersion: tls.min_version, maxVersion: tls.max_version,
    rejectUnauthorized: !tls.insecure_skip_verify,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function ownHeaders(
  config: HttpConfig,
  url: URL,
  context: NotifierContext,
): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, { values, secrets, files }] of Object.entries(config.http_headers)) {
    const read = await Promise.all(files.map((file) => readTextFile(context.files, file)));
    headers[name.toLowerCase()] = [...values, ...secrets, ...read].join(', ');
  }
  const authorization = await authorizationOf(config, url, context);
  return authorization === null ? headers : { ...headers, authorization };
}

async function authorizationOf(
  { basic_auth: basic, authorization, bearer_token, bearer_token_file }: HttpConfig,
  url: URL,
  context: NotifierContext,
): Promise<string | null> {
  const basicOf = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
  if (basic !== undefined) {
    const name = await readSecret(context, basic.username, basic.username_file);
    return basicOf(`${name}:${await readSecret(context, basic.password, basic.password_file)}`);
  }
  const word = authorization?.type ?? 'Bearer';
  const credentials = await readSecret(context, authorization?.credentials ?? bearer_token,
    authorization?.credentials_file ?? bearer_token_file);
  if (credentials !== '') return `${word} ${credentials}`;
  if (url.username === '' && url.password === '') return null;
  return basicOf(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`);
}
