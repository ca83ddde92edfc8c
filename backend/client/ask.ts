// Asks a backend over its HTTP API, as the command line does.
//
// Promises:
// - What the backend answers with an error is AskError, with its code and hint; a backend that is
//   not to be had is OperatorError.
// - A result comes as it is made; aborting ends the query in the store, since the backend ends
//   what nobody waits for.

import type { Readable } from 'node:stream';
import { request, type Dispatcher } from 'undici';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import type { BackendStatus } from './status_page.ts';

/** Whom to ask, and as whom. */
export interface Target {
  /** Where the backend listens, such as `http://localhost:8080`. */
  readonly url: string;
  /** Shown to the backend; see docs/access.md. */
  readonly token?: string | undefined;
}

export interface Question {
  readonly sql: string;
  /** A ClickHouse format, for statements without a FORMAT of their own. */
  readonly format: string;
  /** Values for `{name:Type}` in the statement. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Answer {
  /** The result. It errors when it breaks off; who does not read it to its end destroys it. */
  readonly body: Readable;
  /** The store's id of the query, or ''. */
  readonly queryId: string;
  /** As far as the store knew it when the result began. */
  readonly summary: Summary;
  /** The result is nothing to look at, such as Parquet. */
  readonly binary: boolean;
}

export interface Summary {
  readonly readRows?: number | null;
  readonly readBytes?: number | null;
}

/** The statement was refused or failed; `code` is ClickHouse's name for it, or Binnacle's. */
export class AskError extends Error {
  readonly code: string;
  /** What to do, or ''. */
  readonly hint: string;
  /** The HTTP status. */
  readonly status: number;
  /** Index of the character of the statement that it is about, where the backend says so. */
  readonly position: number | undefined;

  constructor(code: string, message: string, hint: string, status = 0, position?: number) {
    super(message);
    this.name = 'AskError';
    this.code = code;
    this.hint = hint;
    this.status = status;
    this.position = position;
  }
}

/** Runs one statement and hands over the result as it comes. */
export async function askBackend(
  target: Target,
  question: Question,
  abort?: AbortSignal,
): Promise<Answer> {
  const { statusCode, headers, body } = await send(target, '/api/query', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(question),
  }, abort);
  if (statusCode !== 200) throw problemIn(await body.text(), statusCode);
  return {
    body,
    queryId: String(headers['x-binnacle-query-id'] ?? ''),
    summary: summaryIn(headers['x-binnacle-query-summary']),
    binary: headers['content-disposition'] !== undefined,
  };
}

/** The rows of a statement, all held: for what has few. Integers of 64 bits are text. */
export async function askRows<Row>(
  target: Target,
  sql: string,
  params: Readonly<Record<string, string>> = {},
  abort?: AbortSignal,
): Promise<Row[]> {
  const { body } = await askBackend(target, { sql, params, format: 'JSON' }, abort);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return (JSON.parse(Buffer.concat(chunks).toString()) as { data: Row[] }).data;
}

/** Server-sent events of what is accepted from now on. Errors when the backend goes away. */
export async function askTail(
  target: Target,
  { search, signal }: { readonly search: string; readonly signal: string },
  abort: AbortSignal,
): Promise<Readable> {
  const asked = new URLSearchParams({ ...(search === '' ? {} : { q: search }), signal });
  const { statusCode, body } = await send(target, `/api/tail?${asked}`, { method: 'GET' }, abort);
  if (statusCode !== 200) throw problemIn(await body.text(), statusCode);
  return body;
}

/** What a route answers in JSON, whatever that is. */
export async function askJson<T>(target: Target, path: string, abort?: AbortSignal): Promise<T> {
  const { statusCode, body } = await send(target, path, { method: 'GET' }, abort);
  const text = await body.text();
  if (statusCode !== 200) throw problemIn(text, statusCode);
  return JSON.parse(text) as T;
}

/** Hands a route something in JSON, or a text as it is; gives what it answers. */
export async function sendJson<T>(
  target: Target,
  path: string,
  value: object | string,
  abort?: AbortSignal,
): Promise<T> {
  const isText = typeof value === 'string';
  const { statusCode, body } = await send(target, path, {
    method: 'POST',
    headers: { 'content-type': isText ? 'application/yaml' : 'application/json' },
    body: isText ? value : JSON.stringify(value),
  }, abort);
  const text = await body.text();
  if (statusCode >= 300) throw problemIn(text, statusCode);
  return JSON.parse(text) as T;
}

/** The backend's state and its ledger; times as `/api/ledger` takes them. */
export async function askStatus(
  target: Target,
  period: { readonly from?: string | undefined; readonly to?: string | undefined },
): Promise<BackendStatus> {
  const get = async (path: string, good: readonly number[]): Promise<unknown> => {
    const { statusCode, body } = await send(target, path, { method: 'GET' });
    const text = await body.text();
    if (!good.includes(statusCode)) throw problemIn(text, statusCode);
    return JSON.parse(text);
  };
  const asked = Object.entries(period).filter((one): one is [string, string] =>
    one[1] !== undefined);
  // A backend that cannot work says so with 503, and why.
  const health = await get('/health', [200, 503]) as BackendStatus['health'];
  const ledger = await get(`/api/ledger?${new URLSearchParams(asked)}`, [200]);
  return { url: target.url, health, ledger: ledger as BackendStatus['ledger'] };
}

type Sending = Pick<Dispatcher.RequestOptions, 'method' | 'body'>
  & { readonly headers?: Record<string, string> };

async function send(
  { url, token }: Target,
  path: string,
  sending: Sending,
  abort?: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    throw new OperatorError(`'${url}' is no URL of a backend`, 'write it like http://host:8080');
  }
  const asker = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
  return request(new URL(path, url), {
    ...sending,
    headers: { ...sending.headers, ...asker },
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(abort === undefined ? {} : { signal: abort }),
  }).catch((error: unknown) => {
    abort?.throwIfAborted();
    throw new OperatorError(`cannot reach the backend at ${url}: ${systemCause(error)}`,
      'start it with `npm start`, or name another one with --url or BINNACLE_URL');
  });
}

function summaryIn(header: string | string[] | undefined): Summary {
  try {
    return JSON.parse(String(header)) as Summary;
  } catch {
    return {};
  }
}

function problemIn(text: string, status: number): AskError {
  try {
    const { error } = JSON.parse(text) as
      { error: { code: string; message: string; hint?: string; position?: number } };
    const hint = error.code === 'UNAUTHENTICATED'
      ? 'give a token with --token or BINNACLE_TOKEN; `binnacle token create` makes one'
      : (error.hint ?? '').replace('GET /api/schema lists', '`binnacle schema` lists');
    return new AskError(error.code, error.message, hint, status, error.position);
  } catch {
    return new AskError('HTTP', `the backend answered with status ${status}`,
      'is this URL that of a Binnacle backend?', status);
  }
}
