// The labels of a series as text, from the attributes of a point, its scope and its resource
// ("Prometheus and OpenMetrics compatibility"): `job` and `instance` name the resource,
// `otel_scope_…` the scope. Names that become the same when they are escaped are one label with
// their values joined by `;`.

import { labelName } from '../../../proto/prometheus/names.ts';
import type { AnyValue, Attributes, Scope } from '../../../proto/otlp/model.ts';
import type { PrometheusConfig } from './config.ts';

export const limits = {
  /** Names whose escaped form is remembered; beyond it all are forgotten. */
  names: 10_000,
} as const;

/** Labels in pairs, before they are sorted. */
export type Pairs = readonly (readonly [string, string])[];

export interface Labeller {
  /** The labels that a resource gives to its series. */
  ofResource(attributes: Attributes): Pairs;
  ofScope(scope: Scope | undefined, schemaUrl: string): Pairs;
  /** `a="1",b="2"` in order of the names, '' for none. */
  text(attributes: Attributes, more: Pairs): string;
  /** The labels of `target_info`; null when the resource cannot be named, or has no more to say. */
  targetInfo(attributes: Attributes): string | null;
}

const SERVICE = ['service.name', 'service.namespace', 'service.instance.id'];

export function createLabeller(config: PrometheusConfig): Labeller {
  const names = new Map<string, string>();
  const escaped = (name: string): string => {
    const known = names.get(name);
    if (known !== undefined) return known;
    if (names.size >= limits.names) names.clear();
    const made = labelName(name);
    names.set(name, made);
    return made;
  };
  const pairsOf = (attributes: Attributes): [string, string][] =>
    attributes.map(({ key, value }) => [key, valueText(value)]);
  const wanted = wantedAttributes(config);
  const constant: Pairs = Object.entries(config.const_labels);
  return {
    ofResource: (attributes) => [
      ...constant,
      ...pairsOf(attributes.filter(({ key }) => wanted(key))),
      ...identityOf(attributes),
    ],
    ofScope: (scope, schemaUrl) => {
      if (config.without_scope_info) return [];
      return [
        ...pairsOf(scope?.attributes ?? [])
          .map(([name, value]) => [`otel_scope_${name}`, value] as const),
        ['otel_scope_name', scope?.name ?? ''],
        ['otel_scope_version', scope?.version ?? ''],
        ['otel_scope_schema_url', schemaUrl],
      ];
    },
    text: (attributes, more) => labelText([...pairsOf(attributes), ...more], escaped),
    targetInfo: (attributes) => {
      const identity = identityOf(attributes);
      const others = attributes.filter(({ key }) => !SERVICE.includes(key));
      if (identity.length === 0 || others.length === 0) return null;
      return labelText([...pairsOf(others), ...constant, ...identity], escaped);
    },
  };
}

/** Which attributes of a resource become labels. */
function wantedAttributes(config: PrometheusConfig): (key: string) => boolean {
  const { resource_to_telemetry_conversion: all, resource_constant_labels: some } = config;
  if (some === undefined) {
    return (key) => all.enabled
      && !(all.exclude_service_attributes && SERVICE.includes(key));
  }
  const included = some.included.map(wildcard);
  const excluded = some.excluded.map(wildcard);
  const any = included.length === 0 && excluded.length > 0;
  return (key) => (any || included.some((one) => one.test(key)))
    && !excluded.some((one) => one.test(key));
}

const wildcard = (text: string): RegExp => new RegExp(`^${text.split('*')
  .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's');

function identityOf(attributes: Attributes): [string, string][] {
  const of = (key: string): string => {
    const found = attributes.find((one) => one.key === key);
    return found === undefined ? '' : valueText(found.value);
  };
  const [name, namespace, instance] = [of('service.name'), of('service.namespace'),
    of('service.instance.id')];
  const job = namespace === '' || name === '' ? name : `${namespace}/${name}`;
  const pairs: [string, string][] = [['job', job], ['instance', instance]];
  return pairs.filter(([, value]) => value !== '');
}

/** Later pairs win over earlier ones of the same written name. */
function labelText(pairs: Pairs, escaped: (name: string) => string): string {
  const written = new Map<string, string>();
  for (const [name, value] of pairs) if (value !== '') written.set(name, value);
  const labels = new Map<string, string>();
  for (const name of [...written.keys()].sort()) {
    const label = escaped(name);
    const before = labels.get(label);
    const value = written.get(name)!;
    labels.set(label, before === undefined ? value : `${before};${value}`);
  }
  return [...labels].sort(([one], [two]) => (one < two ? -1 : 1))
    .map(([name, value]) => `${name}="${escapeValue(value)}"`).join(',');
}

export function escapeValue(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** As the Collector writes attributes of any type. */
function valueText(value: AnyValue): string {
  switch (value.type) {
    case 'string': return value.value;
    case 'empty': return '';
    case 'bool':
    case 'int':
    case 'double': return String(value.value);
    case 'bytes': return Buffer.from(value.value).toString('base64');
    case 'array':
    case 'kvlist': return JSON.stringify(plain(value));
  }
}

function plain(value: AnyValue): unknown {
  switch (value.type) {
    case 'array': return value.value.map(plain);
    case 'kvlist':
      return Object.fromEntries(value.value.map(({ key, value: inner }) => [key, plain(inner)]));
    case 'string':
    case 'bool':
    case 'empty': return value.value;
    case 'double': return value.value;
    case 'int': return Number(value.value);
    case 'bytes': return valueText(value);
  }
}
