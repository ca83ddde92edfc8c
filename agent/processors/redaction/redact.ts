// What becomes of a list of attributes and of a body, and the summary that is left behind.
//
// An attribute is, in this order: ignored, removed, allowed by its value, masked by its key, or
// masked in parts. In a body that is a map its members are treated so, however deep.

import type { AnyValue, Attributes, KeyValue } from '../../../proto/otlp/model.ts';
import { keepList } from '../edit/records.ts';
import { mapList } from '../edit/actions.ts';
import type { RedactionConfig } from './config.ts';
import { createValues, systemOf, textOf, type Values } from './values.ts';

export interface Redaction {
  attributes(attributes: Attributes): Attributes;
  /** The body, and the record's attributes with the summary of it. */
  body(body: AnyValue, attributes: Attributes): { body: AnyValue; attributes: Attributes };
  readonly values: Values;
}

/** Names of the keys that something was done to. */
interface Done {
  readonly redacted: string[];
  readonly masked: string[];
  readonly allowed: string[];
  readonly ignored: string[];
}

const SUMMARIES = ['redaction', 'redaction.body'] as const;
type Summary = typeof SUMMARIES[number];
/** Always kept, so that a second processor adds to what a first one counted. */
const SUMMARY_KEYS = SUMMARIES.flatMap((prefix) =>
  ['redacted', 'masked', 'allowed', 'ignored'].flatMap((what) =>
    [`${prefix}.${what}.keys`, `${prefix}.${what}.count`]));

export function createRedaction(config: RedactionConfig): Redaction {
  const values = createValues(config);
  const allowed = new Set([...config.allowed_keys, ...SUMMARY_KEYS]);
  const ignored = new Set(config.ignored_keys);
  const keys: Keys = {
    isIgnored: (key) => ignored.has(key) || anyOf(config.ignored_key_patterns, key),
    isRemoved: (key) => !config.allow_all_keys && !allowed.has(key),
    isMasked: (key) => anyOf(config.blocked_key_patterns, key),
  };
  const summed = (done: Done, prefix: Summary, attributes: Attributes) =>
    addSummary(config.summary, done, prefix, attributes);
  return {
    values,
    attributes: (attributes) => {
      if (attributes.length === 0) return attributes;
      const done = newDone();
      const system = systemOf(attributes);
      const kept = keepList(attributes, (pair) => {
        const { key, value } = pair;
        const isText = value.type === 'string';
        const text = isText ? value.value : config.redact_all_types ? textOf(value) : '';
        const early = decided(keys, key, key, done);
        if (early !== undefined) return early === null ? null : pair;
        if (values.isAllowed(text)) return keep(done.allowed, key, pair);
        if (keys.isMasked(key)) return keep(done.masked, key, stringPair(key, values.mask(text)));
        const masked = values.attribute(text, key, system);
        return masked === text ? pair : keep(done.masked, key, stringPair(key, masked));
      });
      return summed(done, 'redaction', kept);
    },
    body: (body, attributes) => {
      const done = newDone();
      const redacted = redactBody({ keys, values, done }, body, '');
      return { body: redacted, attributes: summed(done, 'redaction.body', attributes) };
    },
  };
}

interface Keys {
  isIgnored(key: string): boolean;
  isRemoved(key: string): boolean;
  isMasked(key: string): boolean;
}

const newDone = (): Done => ({ redacted: [], masked: [], allowed: [], ignored: [] });

const anyOf = (patterns: readonly RegExp[], text: string): boolean =>
  patterns.some((one) => one.test(text));

const stringPair = (key: string, value: string): KeyValue =>
  ({ key, value: { type: 'string', value } });

function keep<T>(names: string[], name: string, kept: T): T {
  names.push(name);
  return kept;
}

/** True: it stays as it is; null: it goes; undefined: its value decides. */
function decided(keys: Keys, key: string, path: string, done: Done): true | null | undefined {
  if (keys.isIgnored(key)) return keep(done.ignored, path, true);
  return keys.isRemoved(key) ? keep(done.redacted, path, null) : undefined;
}

interface Tools {
  readonly keys: Keys;
  readonly values: Values;
  readonly done: Done;
}

/** `path` is that of the value in the body, '' for the body itself. */
function redactBody(tools: Tools, value: AnyValue, path: string): AnyValue {
  const { keys, values, done } = tools;
  if (value.type === 'kvlist') {
    const kept = keepList(value.value, (pair) => {
      const inner = path === '' ? pair.key : `${path}.${pair.key}`;
      const early = decided(keys, pair.key, inner, done);
      if (early !== undefined) return early === null ? null : pair;
      if (keys.isMasked(pair.key)) {
        const text = pair.value.type === 'string' ? pair.value.value : '';
        return keep(done.masked, inner, stringPair(pair.key, values.mask(text)));
      }
      const redacted = redactBody(tools, pair.value, inner);
      return redacted === pair.value ? pair : { key: pair.key, value: redacted };
    });
    return kept === value.value ? value : { type: 'kvlist', value: kept };
  }
  if (value.type === 'array') {
    let index = 0;
    const kept = mapList(value.value, (one) =>
      redactBody(tools, one, `${path === '' ? '' : `${path}.`}[${index++}]`));
    return kept === value.value ? value : { type: 'array', value: kept };
  }
  const text = textOf(value);
  const name = path === '' ? 'body' : path;
  if (values.isAllowed(text)) return keep(done.allowed, name, value);
  const masked = values.body(text);
  return masked === text ? value : keep(done.masked, name, { type: 'string', value: masked });
}

function addSummary(
  level: RedactionConfig['summary'],
  done: Done,
  prefix: Summary,
  attributes: Attributes,
): Attributes {
  if (level !== 'info' && level !== 'debug') return attributes;
  return (Object.keys(done) as (keyof Done)[]).reduce((before, what) => {
    const names = done[what];
    if (names.length === 0) return before;
    const countKey = `${prefix}.${what}.count`;
    const counted = before.find(({ key }) => key === countKey)?.value;
    const count = BigInt(names.length) + (counted?.type === 'int' ? counted.value : 0n);
    const after = level === 'debug' && what !== 'ignored'
      ? withNames(before, `${prefix}.${what}.keys`, names) : before;
    return put(after, { key: countKey, value: { type: 'int', value: count } });
  }, attributes);
}

function withNames(attributes: Attributes, key: string, names: readonly string[]): Attributes {
  const known = attributes.find((one) => one.key === key)?.value;
  const before = known?.type === 'string' && known.value !== '' ? known.value.split(',') : [];
  return put(attributes, stringPair(key, [...names, ...before].sort().join(',')));
}

const put = (attributes: Attributes, pair: KeyValue): Attributes =>
  [...attributes.filter(({ key }) => key !== pair.key), pair];
