/**
 * Reads what one HTTP request asks of the engine: URL parameters, headers, and which of them are
 * settings.
 *
 * Every URL parameter that ClickHouse's HTTP interface does not know by name is a setting for
 * this request only; `param_x` is the value of `{x:Type}`, in ClickHouse's escaped form.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { EngineError } from './errors.ts';

/** One query, before its body was read. */
export interface QueryRequest {
  /** The text of `?query=`, '' when the query is in the body. */
  query: string;
  queryId: string;
  /** '' for the default database. */
  database: string;
  /** The format of a result whose query names none. */
  defaultFormat: string;
  settings: Map<string, string>;
  params: Map<string, string>;
  /** GET never writes, as on a server. */
  readOnly: boolean;
  /** The answer may be compressed with gzip. */
  gzip: boolean;
}

/** Bounds. */
const limits = {
  /** A longer query id is refused with BAD_ARGUMENTS. */
  queryIdChars: 256,
} as const;

/**
 * Parses a request to `/`.
 *
 * @throws EngineError for what this interface does not do: native block compression, bad names.
 */
export function parseRequest(request: IncomingMessage, url: URL): QueryRequest {
  const parsed: QueryRequest = {
    query: '',
    queryId: headerOf(request, 'x-clickhouse-query-id'),
    database: headerOf(request, 'x-clickhouse-database'),
    defaultFormat: headerOf(request, 'x-clickhouse-format') || 'TabSeparated',
    settings: new Map(),
    params: new Map(),
    readOnly: request.method !== 'POST',
    gzip: false,
  };
  for (const [name, value] of url.searchParams) {
    readParameter(parsed, name, value);
  }
  parsed.queryId = checkedId(parsed.queryId);
  const wanted = parsed.settings.get('enable_http_compression') ?? '0';
  const accepted = headerOf(request, 'accept-encoding');
  parsed.gzip = (wanted === '1' || wanted === 'true') && /\bgzip\b/.test(accepted);
  return parsed;
}

/** Adds one named value, from the URL or from a multipart body. */
export function readParameter(parsed: QueryRequest, name: string, value: string): void {
  switch (name) {
    case 'query':
      parsed.query = value;
      return;
    case 'query_id':
      parsed.queryId = value;
      return;
    case 'database':
      parsed.database = value;
      return;
    case 'default_format':
      parsed.defaultFormat = value;
      return;
    case 'session_id':
      refuseSession();
      return;
    case 'compress':
    case 'decompress':
      refuseBlocks(name, value);
      return;
    default:
      readOther(parsed, name, value);
  }
}

/** Names that ClickHouse reads and that mean nothing to an engine with one user. */
const IGNORED = new Set([
  'user',
  'password',
  'quota_key',
  'role',
  'stacktrace',
  'buffer_size',
  'wait_end_of_query',
  'client_protocol_version',
  'session_check',
  'session_timeout',
  'close_session',
  'access_token',
]);

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

function readOther(parsed: QueryRequest, name: string, value: string): void {
  if (IGNORED.has(name)) {
    return;
  }
  if (name.startsWith('param_')) {
    if (!NAME.test(name)) {
      throw new EngineError(36, 'BAD_ARGUMENTS', `Bad name of a query parameter: ${name}.`);
    }
    parsed.params.set(name.slice('param_'.length), value);
    return;
  }
  if (!NAME.test(name)) {
    throw new EngineError(115, 'UNKNOWN_SETTING', `Unknown setting '${name.slice(0, 128)}'.`);
  }
  parsed.settings.set(name, value);
}

/** Refused rather than ignored: SET and temporary tables would be lost without a word. */
function refuseSession(): never {
  const message =
    'session_id is not available in the embedded engine; put settings into each request, ' +
    'or use a ClickHouse server.';
  throw new EngineError(48, 'NOT_IMPLEMENTED', message);
}

function refuseBlocks(name: string, value: string): void {
  if (value !== '0' && value !== '' && value !== 'false') {
    const message =
      `${name}=1 (ClickHouse's block compression) is not available here; ` +
      'use Content-Encoding: gzip, or Accept-Encoding: gzip with enable_http_compression=1.';
    throw new EngineError(48, 'NOT_IMPLEMENTED', message);
  }
}

function checkedId(id: string): string {
  if (id === '') {
    return randomUUID();
  }
  if (id.length > limits.queryIdChars || /[^\x21-\x7e]/.test(id)) {
    const message = `A query_id has at most ${limits.queryIdChars} printable ASCII characters.`;
    throw new EngineError(36, 'BAD_ARGUMENTS', message);
  }
  return id;
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
}
