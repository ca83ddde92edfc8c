// Fields of log records as log_dedup writes them: `body`, `body.user.id`, `attributes.host\.name`.
// A dot separates, `\.` is a dot.

import type { AnyValue, KeyValue, LogRecord } from '../../../proto/otlp/model.ts';

export interface Field {
  readonly root: 'body' | 'attributes';
  /** Keys from the outside in; none: the body itself. */
  readonly path: readonly string[];
}

/** Null for what names no field. */
export function parseField(text: string): Field | null {
  const [root, ...path] = text.split(/(?<!\\)\./).map((part) => part.replaceAll('\\.', '.'));
  if (root !== 'body' && root !== 'attributes') return null;
  if (path.includes('') || (root === 'attributes' && path.length === 0)) return null;
  return { root, path };
}

/** Undefined when the record does not have it. */
export function valueAt({ body, attributes }: LogRecord, { root, path }: Field) {
  let value: AnyValue | undefined = root === 'body' ? body : { type: 'kvlist', value: attributes };
  for (const key of path) {
    if (value?.type !== 'kvlist') return undefined;
    value = value.value.find((one) => one.key === key)?.value;
  }
  return value;
}

/** The record without these fields. */
export function without(record: LogRecord, fields: readonly Field[]): LogRecord {
  let { body, attributes } = record;
  for (const { root, path } of fields) {
    if (root === 'attributes') attributes = withoutPath(attributes, path);
    else if (body?.type === 'kvlist') {
      const value = withoutPath(body.value, path);
      if (value !== body.value) body = { type: 'kvlist', value };
    }
  }
  return body === record.body && attributes === record.attributes ? record
    : { ...record, body, attributes };
}

function withoutPath(pairs: readonly KeyValue[], path: readonly string[]): readonly KeyValue[] {
  const [key, ...rest] = path;
  const index = pairs.findIndex((one) => one.key === key);
  if (index === -1) return pairs;
  if (rest.length === 0) return pairs.filter((_, at) => at !== index);
  const inner = pairs[index]!.value;
  if (inner.type !== 'kvlist') return pairs;
  const value = withoutPath(inner.value, rest);
  if (value === inner.value) return pairs;
  return pairs.map((one, at) => (at === index ? { key: one.key, value: { type: 'kvlist', value } }
    : one));
}
