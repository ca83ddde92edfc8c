// What makes two log records the same: a digest of what they say, in which the order of keys does
// not count.

import { createHash } from 'node:crypto';
import type { AnyValue, LogRecord, Resource, Scope } from '../../../proto/otlp/model.ts';
import { valueAt, type Field } from './fields.ts';

/** Of resource, scope and record, or of those of the record's `fields` that it has. */
export function keyOf(
  resource: Resource | undefined, scope: Scope | undefined, record: LogRecord,
  fields: readonly Field[],
): string {
  const around = `${placeKey(resource, scope)}\0`;
  const found = fields.map((field) => valueAt(record, field));
  const what = found.some((value) => value !== undefined)
    ? found.map((value) => (value === undefined ? '' : text(value))).join('\0')
    : wholeKey(record);
  return createHash('sha256').update(around).update(what).digest('base64');
}

/** The same for equal resources and scopes. */
export const placeKey = (resource: Resource | undefined, scope: Scope | undefined): string =>
  `${groupKey(resource)}\0${scopeKey(scope)}`;

const wholeKey = ({ body, attributes, severityNumber, severityText }: LogRecord): string =>
  [body === undefined ? '' : text(body), text({ type: 'kvlist', value: attributes }),
    severityNumber, severityText].join('\0');

/** Resources are shared by all records of a group. */
const groupKeys = new WeakMap<Resource, string>();

function groupKey(resource: Resource | undefined): string {
  if (resource === undefined) return '';
  const known = groupKeys.get(resource);
  if (known !== undefined) return known;
  const key = text({ type: 'kvlist', value: resource.attributes });
  groupKeys.set(resource, key);
  return key;
}

const scopeKey = (scope: Scope | undefined): string => (scope === undefined ? ''
  : [scope.name, scope.version, text({ type: 'kvlist', value: scope.attributes })].join('\0'));

/** The same for equal values, and only for these. */
function text(value: AnyValue): string {
  switch (value.type) {
    case 'string': return JSON.stringify(value.value);
    case 'bytes': return `b${Buffer.from(value.value).toString('base64')}`;
    case 'array': return `[${value.value.map(text).join()}]`;
    case 'kvlist': {
      const pairs = value.value.map(({ key, value: inner }) =>
        `${JSON.stringify(key)}:${text(inner)}`);
      return `{${(pairs.length > 1 ? pairs.sort() : pairs).join()}}`;
    }
    default: return `${value.type[0]}${String(value.value)}`;
  }
}
