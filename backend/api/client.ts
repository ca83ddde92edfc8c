// Asks a backend over its HTTP API, as the command line does.

import { Readable } from 'node:stream';
import { request } from 'undici';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import type { BackendStatus } from './status.ts';

export interface AskOptions {
  /** Where the backend listens, such as `http://localhost:8080`. */
  readonly url: string;
  readonly sql: string;
  /** A ClickHouse format. */
  readonly format: string;
  /** Values for `{name:Type}` in the statement. */
  readonly params: Readonly<Record<string, string>>;
  /** Shown to the backend; see docs/access.md. */
  readonly token?: string | undefined;
  readonly abort?: AbortSignal | undefined;
}

const headersOf = (token: string | undefined): Record<string, string> =>
  (token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` });

/** The statement was refused or failed; `code` is ClickHouse's name for it. */
export class AskError extends Error {
  readonly code: string;
  /** What to do, or ''. */
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.name = 'AskError';
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Runs one statement and hands over the result as it comes. Throws AskError for what the backend
 * answers, OperatorError when it cannot be reached. The result errors when it breaks off.
 */
export async function askBackend(options: AskOptions): Promise<Readable> {
  const { url, token, abort, ...question } = options;
  const answer = await request(new URL('/api/query', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headersOf(token) },
    body: JSON.stringify(question),
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(abort === undefined ? {} : { signal: abort }),
  }).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  if (answer.statusCode === 200) return answer.body;
  throw problemIn(await answer.body.text(), answer.statusCode);
}

/**
 * The backend's state and its ledger; times as `/api/ledger` takes them. Throws AskError for what
 * the backend answers, OperatorError when it cannot be reached.
 */
export async function askStatus(
  url: string,
  period: { readonly from?: string | undefined; readonly to?: string | undefined },
  token?: string,
): Promise<BackendStatus> {
  const get = async (path: string, good: readonly number[]): Promise<unknown> => {
    const answer = await request(new URL(path, url), {
      headers: headersOf(token), headersTimeout: 0, bodyTimeout: 0,
    }).catch((error: unknown) => {
      throw unreachable(url, error);
    });
    const text = await answer.body.text();
    if (!good.includes(answer.statusCode)) throw problemIn(text, answer.statusCode);
    return JSON.parse(text);
  };
  const asked = Object.entries(period).filter((one): one is [string, string] =>
    one[1] !== undefined);
  // A backend that cannot work says so with 503, and why.
  const health = await get('/health', [200, 503]) as BackendStatus['health'];
  const ledger = await get(`/api/ledger?${new URLSearchParams(asked)}`, [200]);
  return { url, health, ledger: ledger as BackendStatus['ledger'] };
}

function unreachable(url: string, error: unknown): OperatorError {
  return new OperatorError(`cannot reach the backend at ${url}: ${systemCause(error)}`,
    'start it with `npm start`, or name another one with --url or BINNACLE_URL');
}

function problemIn(text: string, statusCode: number): AskError {
  try {
    const { error } = JSON.parse(text) as
      { error: { code: string; message: string; hint?: string } };
    return new AskError(error.code, error.message, error.hint ?? '');
  } catch {
    return new AskError('HTTP', `the backend answered with status ${statusCode}`, '');
  }
}
