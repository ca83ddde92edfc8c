// What a request to `/api/query` asks: the statement, its parameters and the format of the answer,
// from a JSON body, a text body with a query string, or a query string alone.

import type { FastifyRequest } from 'fastify';
import { ParamError, paramTexts } from './params.ts';
import { ApiError } from './errors.ts';

export const limits = {
  /** Longest statement; ClickHouse's own default for `max_query_size` is the same. */
  sqlCharactersMax: 256 * 1024,
  /** A longer body is answered 413: statement and parameters have bounds of their own. */
  bodyBytesMax: 4 * 1024 * 1024,
  /** Settings of a query; more are refused. */
  settingsMax: 100,
} as const;

export interface Question {
  readonly sql: string;
  readonly format: string;
  /** ClickHouse's `param_<name>`, escaped. */
  readonly params: Readonly<Record<string, string>>;
  /** Of ClickHouse, as far as the gate allows them (docs/sql.md). */
  readonly settings: Readonly<Record<string, string>>;
}

const FORMAT_DEFAULT = 'JSON';

const SQL = {
  type: 'string',
  example: 'SELECT count() FROM otel_logs',
  minLength: 1,
  maxLength: limits.sqlCharactersMax,
  description: 'One statement that reads. Its own FORMAT clause wins over `format`.',
} as const;

const FORMAT = {
  type: 'string',
  example: 'JSON',
  pattern: '^[A-Za-z0-9]+$',
  maxLength: 100,
  description: 'A ClickHouse format: JSON (the default), JSONEachRow, CSVWithNames, Parquet, …',
} as const;

/** Of a body in JSON. */
export const BODY_SCHEMA = {
  type: 'object',
  required: ['sql'],
  additionalProperties: false,
  example: {
    sql: 'SELECT Timestamp, ServiceName, Body FROM otel_logs '
      + 'WHERE SeverityNumber >= {severity:UInt8} ORDER BY Timestamp DESC LIMIT 10',
    params: { severity: 17 },
    format: 'JSON',
  },
  properties: {
    sql: SQL,
    format: FORMAT,
    params: {
      type: 'object',
      additionalProperties: true,
      description: 'Values for `{name:Type}` in the statement: text, numbers, booleans, null, '
        + 'arrays, objects. Integers beyond 2^53 are written as text.',
    },
    settings: {
      type: 'object',
      maxProperties: limits.settingsMax,
      additionalProperties: { type: ['string', 'number', 'boolean'] },
      description: 'Settings of ClickHouse for this query, those of docs/sql.md; the statement\'s '
        + 'own SETTINGS win.',
    },
  },
} as const;

export const TEXT_SCHEMA = SQL;

/** `?param_<name>=` gives a parameter, as in ClickHouse's own HTTP interface. */
const PARAM_PATTERN = { '^param_': { type: 'string' } } as const;

export const POST_URL_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: { format: FORMAT },
  patternProperties: PARAM_PATTERN,
} as const;

export const GET_URL_SCHEMA = {
  ...POST_URL_SCHEMA,
  required: ['sql'],
  properties: { sql: SQL, format: FORMAT },
} as const;

interface Asked {
  readonly sql: string | undefined;
  readonly format?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/** Reads a request that its schema has let through. What the body says wins over the URL. */
export function questionOf({ body, query }: FastifyRequest): Question {
  const url = query as Readonly<Record<string, string>>;
  const asked: Asked = typeof body === 'string' ? { sql: body }
    : (body as Asked | undefined) ?? { sql: url.sql };
  if (asked.sql === undefined) throw new ApiError('INVALID_REQUEST', 'there is no statement');
  const { sql, format = url.format ?? FORMAT_DEFAULT, settings = {} } = asked;
  return {
    sql, format, params: textsOf(sql, { ...urlParams(url), ...asked.params }),
    settings: Object.fromEntries(Object.entries(settings).map(([name, value]) =>
      [name, typeof value === 'boolean' ? String(Number(value)) : String(value)])),
  };
}

function urlParams(url: Readonly<Record<string, string>>): Record<string, string> {
  const PREFIX = 'param_';
  return Object.fromEntries(Object.entries(url)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, value]) => [key.slice(PREFIX.length), value]));
}

function textsOf(sql: string, params: Readonly<Record<string, unknown>>): Record<string, string> {
  try {
    return paramTexts(sql, params);
  } catch (error) {
    if (error instanceof ParamError) throw new ApiError('INVALID_REQUEST', error.message);
    throw error;
  }
}
