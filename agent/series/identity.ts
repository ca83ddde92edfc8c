// What tells one series of data points from another, as text: the resource, the instrumentation
// scope, the metric and the attributes of the point.
//
// Promises: two things have the same key exactly when they are the same series. Nothing is hashed,
// so there are no collisions. The order of attributes does not matter, nor that of the keys inside
// maps; the type of a value does (`1` and `"1"` differ), also `0` and `-0`. The parts:
//
//   attributes  each: <length of name> ':' <name> <value>, sorted by name
//   value       's' <length> ':' <text> │ 'b0' │ 'b1' │ 'i' <digits> ';' │ 'd' <number> ';' │ 'e'
//               'x' <length> ':' <hex> │ 'a' <count> ';' <values> │ 'm' <count> ';' <attributes>
//   resource    <attributes> '|' <schema URL>
//   scope       <length> ':' <name> <length> ':' <version> <attributes> '|' <schema URL>
//   metric      <type> <temporality> 'm' or 'u' ';' <length> ':' <unit> <name>
//
// Each part says how long it is, so that no two lists run together to the same text. A metric's
// description is not part of it, nor whether its numbers are integers: a sum may change that.

import type {
  AnyValue, Attributes, KeyValue, Metric, Resource, Scope,
} from '../../proto/otlp/model.ts';

/** Attributes in any order; those of the same key keep theirs. */
export function attributesKey(attributes: Attributes): string {
  let key = '';
  for (const one of sortedByName(attributes)) {
    key += `${one.key.length}:${one.key}${valueKey(one.value)}`;
  }
  return key;
}

/** A resource that is absent is the same as one without attributes. */
export function resourceKey(resource: Resource | undefined, schemaUrl: string): string {
  return `${resource === undefined ? '' : attributesKey(resource.attributes)}|${schemaUrl}`;
}

export function scopeKey(scope: Scope | undefined, schemaUrl: string): string {
  if (scope === undefined) return `0:0:|${schemaUrl}`;
  const { name, version, attributes } = scope;
  return `${name.length}:${name}${version.length}:${version}${attributesKey(attributes)}|`
    + schemaUrl;
}

export function metricKey({ name, unit, data }: Metric): string {
  const temporality = data !== undefined && 'aggregationTemporality' in data
    ? data.aggregationTemporality : 0;
  const monotonic = data?.type === 'sum' && data.isMonotonic ? 'm' : 'u';
  return `${data?.type ?? ''}${temporality}${monotonic};${unit.length}:${unit}${name}`;
}

/** One value, so that it can stand before another one. */
export function valueKey(value: AnyValue): string {
  switch (value.type) {
    case 'string': return `s${value.value.length}:${value.value}`;
    case 'bool': return value.value ? 'b1' : 'b0';
    case 'int': return `i${value.value};`;
    case 'double': return Object.is(value.value, -0) ? 'd-0;' : `d${value.value};`;
    case 'bytes': return `x${value.value.length}:${Buffer.from(value.value).toString('hex')}`;
    case 'array': return `a${value.value.length};${value.value.map(valueKey).join('')}`;
    case 'kvlist': return `m${value.value.length};${attributesKey(value.value)}`;
    case 'empty': return 'e';
  }
}

/** SDKs write attributes in the same order each time, most of them sorted. */
function sortedByName(attributes: Attributes): Attributes {
  for (let index = 1; index < attributes.length; index++) {
    if (attributes[index - 1]!.key > attributes[index]!.key) return [...attributes].sort(byName);
  }
  return attributes;
}

const byName = (one: KeyValue, other: KeyValue): number =>
  (one.key < other.key ? -1 : one.key > other.key ? 1 : 0);
