// What one request of ClickHouse's HTTP interface asks: statement, parameters, settings, format,
// compression, session, and who asks. Source: ClickHouse documentation, "HTTP interface".
//
//     GET|POST /?query=…&database=…&default_format=…&query_id=…&param_x=…&<setting>=…
//               &session_id=…&compress=1&decompress=1&user=…&password=…
//
// A statement in the URL and one in the body are one statement, in that order.

import type { IncomingHttpHeaders } from 'node:http';
import { BlockError, decodeBlocks } from './blocks.ts';
import { DriverError } from './errors.ts';

export const limits = {
  /** Statement and body, decompressed; longer is QUERY_IS_TOO_LARGE. */
  textBytesMax: 4 * 1024 * 1024,
  /** A longer query id or session id is BAD_ARGUMENTS. */
  idCharactersMax: 256,
} as const;

export interface DriverRequest {
  readonly sql: string;
  /** '' for that of the tables; the server refuses any other. */
  readonly database: string;
  /** Used when the statement has no FORMAT. */
  readonly format: string;
  /** '' when the caller chose none. */
  readonly queryId: string;
  /** '' for none. */
  readonly sessionId: string;
  /** Seconds; null for the default. */
  readonly sessionTimeout: number | null;
  /** `param_<name>` in ClickHouse's escaped form. */
  readonly params: Readonly<Record<string, string>>;
  /** All that is neither a parameter nor known to the interface by name. */
  readonly settings: Readonly<Record<string, string>>;
  /** What the body of the answer is made of, errors included. */
  readonly compression: Compression;
  /** Revision of the native protocol that the caller reads `Native` by; 0 for none. */
  readonly revision: number;
}

/** `blocks` is ClickHouse's own (blocks.ts); the others are of HTTP. */
export type Compression = 'none' | 'blocks' | 'gzip' | 'deflate' | 'br';

export interface Credentials {
  readonly user: string;
  /** A token; '' when there is none. */
  readonly token: string;
}

export interface RequestParts {
  readonly url: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Without the encoding of HTTP. */
  readonly body: Buffer;
}

/** Throws DriverError for what the interface does not do. */
export function parseDriverRequest({ url, headers, body }: RequestParts): DriverRequest {
  const value = (name: string) => url.get(name) ?? '';
  const settings: Record<string, string> = {};
  const params: Record<string, string> = {};
  for (const [name, text] of url) {
    if (name.startsWith('param_')) params[name] = text;
    else if (!KNOWN.has(name)) settings[name] = text;
  }
  return {
    sql: statementOf(value('query'), body, isOn(value('decompress'))),
    database: value('database') || textOf(headers['x-clickhouse-database']),
    format: value('default_format') || textOf(headers['x-clickhouse-format']) || 'TabSeparated',
    queryId: idOf('query_id', value('query_id')),
    sessionId: idOf('session_id', value('session_id')),
    sessionTimeout: secondsOf(value('session_timeout')),
    params, settings,
    compression: compressionOf(url, headers),
    revision: Number(value('client_protocol_version')) || 0,
  };
}

/** Names that the interface itself knows. */
const KNOWN: ReadonlySet<string> = new Set([
  'query', 'database', 'default_format', 'query_id', 'quota_key', 'user', 'password', 'role',
  'access_token', 'session_id', 'session_timeout', 'session_check', 'close_session', 'compress',
  'decompress', 'enable_http_compression', 'http_zlib_compression_level', 'wait_end_of_query',
  'buffer_size', 'stacktrace', 'client_protocol_version', 'send_progress_in_http_headers',
  'http_headers_progress_interval_ms', 'http_response_buffer_size',
]);

const isOn = (value: string): boolean => value === '1' || value === 'true';
const textOf = (value: string | string[] | undefined): string => [value ?? ''].flat()[0] ?? '';

function statementOf(query: string, body: Buffer, isCompressed: boolean): string {
  const text = (isCompressed ? unpacked(body) : body).toString();
  const sql = query === '' ? text : text === '' ? query : `${query}\n${text}`;
  if (Buffer.byteLength(sql) <= limits.textBytesMax) return sql;
  throw new DriverError(229, 'QUERY_IS_TOO_LARGE',
    `A statement has at most ${limits.textBytesMax} bytes here.`);
}

function unpacked(body: Buffer): Buffer {
  try {
    return decodeBlocks(body, limits.textBytesMax);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new DriverError(271, 'CANNOT_DECOMPRESS', `The body cannot be read: ${error.message}.`);
  }
}

function idOf(name: string, id: string): string {
  if (id.length <= limits.idCharactersMax && /^[\x21-\x7e]*$/.test(id)) return id;
  throw new DriverError(36, 'BAD_ARGUMENTS',
    `A ${name} has at most ${limits.idCharactersMax} printable ASCII characters.`);
}

function secondsOf(text: string): number | null {
  if (text === '') return null;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds > 0) return seconds;
  throw new DriverError(491, 'INVALID_SESSION_TIMEOUT',
    'session_timeout is a whole number of seconds.');
}

/** HTTP's own compression wins over blocks, as in ClickHouse. */
function compressionOf(url: URLSearchParams, headers: IncomingHttpHeaders): Compression {
  const accepted = textOf(headers['accept-encoding']);
  if (isOn(url.get('enable_http_compression') ?? '')) {
    const found = (['br', 'gzip', 'deflate'] as const).find((name) =>
      new RegExp(`\\b${name}\\b`).test(accepted));
    if (found !== undefined) return found;
  }
  return isOn(url.get('compress') ?? '') ? 'blocks' : 'none';
}

/**
 * Who asks, in any of the ways that drivers say it; what is in headers wins over the URL. Null when
 * nobody says who he is. A token stands where the password does, whatever the user's name is.
 */
export function credentialsOf(url: URLSearchParams, headers: IncomingHttpHeaders):
Credentials | null {
  const key = textOf(headers['x-clickhouse-key']);
  const user = textOf(headers['x-clickhouse-user']);
  if (key !== '' || user !== '') return { user, token: key };
  const [scheme, rest = ''] = textOf(headers.authorization).split(/\s+/, 2) as [string, string?];
  if (/^bearer$/i.test(scheme)) return { user: '', token: rest };
  if (/^basic$/i.test(scheme)) return basicOf(Buffer.from(rest, 'base64').toString());
  const inUrl = { user: url.get('user') ?? '', token: url.get('password') ?? '' };
  return inUrl.user === '' && inUrl.token === '' ? null : inUrl;
}

function basicOf(text: string): Credentials {
  const colon = text.indexOf(':');
  return colon === -1 ? { user: text, token: '' }
    : { user: text.slice(0, colon), token: text.slice(colon + 1) };
}
