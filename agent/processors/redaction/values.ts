// What becomes of the text of a value: blocked parts, ids in URLs, literals in statements.

import { createHash, createHmac } from 'node:crypto';
import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import type { RedactionConfig } from './config.ts';
import {
  cleanJson, cleanMemcached, cleanRedis, cleanSql, cleanUrl,
} from './statements.ts';

export const limits = {
  /** Characters of a value that patterns are tried on; a longer one is masked whole. */
  textCharsMax: 65_536,
} as const;

export interface Values {
  /** One of `allowed_values` matches. */
  isAllowed(text: string): boolean;
  /** All of it masked. */
  mask(text: string): string;
  /** Of an attribute beside others; `system` is the database that they name. */
  attribute(text: string, key: string, system: string): string;
  body(text: string): string;
  /** The name of a span of this database; the same when it is none of ours. */
  statement(text: string, system: string): string;
}

interface Cleaner {
  readonly systems: readonly string[];
  readonly attributes: ReadonlySet<string>;
  readonly clean: (text: string) => string;
  /** The bodies of log records that it looks at. */
  readonly bodies: RegExp;
}

export function createValues(config: RedactionConfig): Values {
  const mask = createMask(config);
  const blocked = config.blocked_values.map((one) => new RegExp(one.source, `${one.flags}g`));
  const urls = new Set(config.url_sanitizer.attributes);
  const cleaners = cleanersOf(config.db_sanitizer);
  const block = (text: string): string => {
    if (blocked.length > 0 && text.length > limits.textCharsMax) return mask(text);
    return blocked.reduce((before, one) => before.replace(one, (found) => mask(found)), text);
  };
  const isAllowed = (text: string): boolean => text.length <= limits.textCharsMax
    && config.allowed_values.some((one) => one.test(text));
  const { allow_fallback_without_system: falls } = config.db_sanitizer;
  return {
    mask,
    isAllowed,
    attribute: (text, key, system) => {
      let result = block(text);
      if (config.url_sanitizer.enabled && urls.has(key)) result = cleanUrl(result);
      const chosen = cleaners.filter(({ attributes, systems }) => attributes.has(key)
        && (system === '' ? falls : systems.includes(system)));
      return chosen.reduce((before, { clean }) => clean(before), result);
    },
    body: (text) => {
      const masked = block(text);
      const isUrl = config.url_sanitizer.enabled && URL_BODY.test(masked);
      return cleaners.reduce((before, { clean, bodies }) =>
        (bodies.test(before) ? clean(before) : before), isUrl ? cleanUrl(masked) : masked);
    },
    statement: (text, system) =>
      cleaners.find(({ systems }) => systems.includes(system))?.clean(text) ?? text,
  };
}

function createMask({ hash_function: name, hmac_key: key }: RedactionConfig) {
  switch (name) {
    case '': return () => '****';
    case 'hmac-sha256':
    case 'hmac-sha512':
      return (text: string) => createHmac(name.slice(5), key).update(text).digest('hex');
    default: {
      const algorithm = name === 'sha3' ? 'sha3-256' : name;
      return (text: string) => createHash(algorithm).update(text).digest('hex');
    }
  }
}

const SQL_SYSTEMS = ['other_sql', 'mysql', 'postgresql', 'mariadb', 'sqlite', 'mssql',
  'microsoft.sql_server', 'oracle', 'oracle.db', 'clickhouse'];
/** Bodies of log records that are statements, not prose about them. */
const SQL_BODY = /^\s*(?:select|insert|update|delete|with|merge|create|alter|drop|call|set)\b/i;
const REDIS_BODY = /^\s*[A-Z]{2,}\s/;
const MEMCACHED_BODY = /^(?:set|add|replace|append|prepend|cas)\s/;
const JSON_BODY = /^\s*[{[]/;
const URL_BODY = /^(?:[A-Z]+ )?(?:[a-z][a-z0-9+.-]*:\/\/|\/)\S*$/;

function cleanersOf(config: RedactionConfig['db_sanitizer']): readonly Cleaner[] {
  const known = [
    [config.sql, SQL_SYSTEMS, cleanSql, SQL_BODY],
    [config.redis, ['redis'], cleanRedis, REDIS_BODY],
    [config.valkey, ['valkey'], cleanRedis, REDIS_BODY],
    [config.memcached, ['memcached'], cleanMemcached, MEMCACHED_BODY],
    [config.mongo, ['mongodb'], cleanJson, JSON_BODY],
    [config.opensearch, ['opensearch'], cleanJson, JSON_BODY],
    [config.es, ['elasticsearch'], cleanJson, JSON_BODY],
  ] as const;
  return known.filter(([{ enabled }]) => enabled).map(([{ attributes }, systems, clean, bodies]) =>
    ({ systems, attributes: new Set(attributes), clean, bodies }));
}

/** The database that a span or record names; '' when it names none. */
export function systemOf(attributes: Attributes): string {
  const found = attributes.find(({ key }) => key === 'db.system.name')
    ?? attributes.find(({ key }) => key === 'db.system');
  return found?.value.type === 'string' ? found.value.value.toLowerCase() : '';
}

/** A value as the Collector writes it as text. */
export function textOf(value: AnyValue): string {
  switch (value.type) {
    case 'empty': return '';
    case 'array':
    case 'kvlist': return JSON.stringify(plainOf(value));
    case 'bytes': return Buffer.from(value.value).toString('base64');
    default: return String(value.value);
  }
}

function plainOf(value: AnyValue): unknown {
  switch (value.type) {
    case 'array': return value.value.map(plainOf);
    case 'kvlist':
      return Object.fromEntries(value.value.map(({ key, value: inner }) => [key, plainOf(inner)]));
    case 'int': return Number(value.value);
    case 'bytes': return textOf(value);
    default: return value.value;
  }
}
