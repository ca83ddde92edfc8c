// The configuration of the redaction processor, with the keys and defaults of the Collector's.

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import { fault, secret, section } from '../../../config/schema.ts';

const patterns = (what: string) => z.array(pattern('')).describe(what).default([]);
const keys = (what: string) => z.array(z.string()).describe(what).default([]);

const database = (what: string) => section({
  enabled: z.boolean().describe(`Whether literals of ${what} become ?.`).default(false),
  attributes: keys('Attributes with statements; bodies of log records are looked at anyway.'),
});

/** Bytes that a key must have, by hash function: as many as the hash itself. */
const HMAC_KEY_BYTES: Readonly<Record<string, number>> = { 'hmac-sha256': 32, 'hmac-sha512': 64 };

export const createSchema = () => section({
  allow_all_keys: z.boolean().describe('Keep all attributes, whatever allowed_keys says.')
    .default(false),
  allowed_keys: keys('Attributes that are kept; all others are removed. None: all are removed.'),
  ignored_keys: keys('Attributes that are kept as they are.'),
  ignored_key_patterns: patterns('The same, by regular expressions.'),
  redact_all_types: z.boolean()
    .describe('Look also at numbers, lists and maps, as text; what is masked becomes text.')
    .default(false),
  blocked_key_patterns: patterns('Attributes whose values are masked whole.'),
  blocked_values: patterns('What is masked in values and in bodies of log records.'),
  allowed_values: patterns('Values in which one of these matches are left as they are.'),
  hash_function: z.enum(['', 'md5', 'sha1', 'sha3', 'hmac-sha256', 'hmac-sha512'])
    .describe('What stands in the place of what is masked: its hash; empty: ****.').default(''),
  hmac_key: secret().describe('For hmac-sha256 at least 32 bytes, for hmac-sha512 64.').default(''),
  summary: z.enum(['', 'silent', 'info', 'debug'])
    .describe('Attributes that say how many (info) and which (debug) attributes were changed.')
    .default('silent'),
  url_sanitizer: section({
    enabled: z.boolean().describe('Whether ids in paths of URLs become *, and queries go.')
      .default(false),
    attributes: keys('Attributes with URLs; bodies of log records are looked at anyway.'),
    sanitize_span_name: z.boolean()
      .describe('Whether names of client and server spans are paths, too.').default(true),
  }).describe('Makes paths of URLs the same for all ids.'),
  db_sanitizer: section({
    sql: database('SQL'),
    redis: database('Redis commands'),
    valkey: database('Valkey commands'),
    memcached: database('memcached commands'),
    mongo: database('MongoDB queries'),
    opensearch: database('OpenSearch queries'),
    es: database('Elasticsearch queries'),
    sanitize_span_name: z.boolean()
      .describe('Whether names of client spans are statements, too.').default(true),
    allow_fallback_without_system: z.boolean()
      .describe('Without db.system.name all that are enabled look at an attribute.').default(false),
  }).describe('Takes literals out of statements of databases.'),
}).superRefine(({ hash_function: name, hmac_key: key }, ctx) => {
  const least = HMAC_KEY_BYTES[name];
  if (least === undefined || Buffer.byteLength(key) >= least) return;
  fault(ctx, `needs ${least} bytes for ${name}`, 'write a longer key', ['hmac_key']);
});

export type RedactionConfig = z.output<ReturnType<typeof createSchema>>;
