// By what records are divided among backends, and a batch divided.

import { Batch } from '../../../proto/contract/batch.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import type {
  AnyValue, Attributes, DataPoint, LogRecord, Metric, Resource, Scope, Signal, Span,
} from '../../../proto/otlp/model.ts';

export const ROUTING_KEYS = [
  'traceID', 'service', 'resource', 'metric', 'streamID', 'attributes',
] as const;
export type RoutingKey = typeof ROUTING_KEYS[number];

export interface KeyOptions {
  /** Undefined: `traceID`, of metrics `service`. */
  readonly routingKey: RoutingKey | undefined;
  /** Names of attributes, or `span.name`, `span.kind`. */
  readonly attributes: readonly string[];
}

interface Around {
  readonly resource: Resource | undefined;
  readonly scope: Scope | undefined;
}

/**
 * The batch as one for each backend that `backendOf` names for its keys; the same batch when it is
 * one. Groups and metrics without records go with none. Throws DecodeError.
 */
export function divide<S extends Signal>(
  batch: Batch<S>,
  options: KeyOptions,
  backendOf: (key: string) => string,
): Map<string, Batch<S>> {
  const { signal } = batch;
  const envelope = envelopeOf(signal);
  const chosen = new Map<unknown, string>();
  const key = effective(options.routingKey, signal);
  for (const group of envelope.groups(batch.request)) {
    for (const scope of envelope.scopes(group)) {
      const around = { resource: group.resource, scope: scope.scope };
      for (const record of envelope.records(scope)) {
        for (const unit of unitsOf(signal, record)) {
          const text = keyOf(key, { signal, record, unit, around }, options.attributes);
          chosen.set(unit, backendOf(text));
        }
      }
    }
  }
  const backends = new Set(chosen.values());
  if (backends.size === 1) return new Map([[[...backends][0]!, batch]]);
  return new Map([...backends].map((backend) =>
    [backend, partOf(batch, (unit) => chosen.get(unit) === backend)]));
}

/** What has a key of its own: data points, or records. */
function unitsOf(signal: Signal, record: unknown): readonly unknown[] {
  return signal === 'metrics' ? (record as Metric).data?.dataPoints ?? [] : [record];
}

/** Metrics have no trace, and only they have names of metrics and streams. */
function effective(key: RoutingKey | undefined, signal: Signal): RoutingKey {
  if (signal === 'metrics') return key === undefined || key === 'traceID' ? 'service' : key;
  return key === undefined || key === 'metric' || key === 'streamID' ? 'traceID' : key;
}

interface Unit {
  readonly signal: Signal;
  readonly record: unknown;
  readonly unit: unknown;
  readonly around: Around;
}

function keyOf(key: RoutingKey, one: Unit, attributes: readonly string[]): string {
  const { resource } = one.around;
  switch (key) {
    case 'traceID': return traceOf(one);
    case 'service': return textOf(valueIn(resource?.attributes, 'service.name'));
    case 'resource': return listText(resource?.attributes ?? []);
    case 'metric': return (one.record as Metric).name;
    case 'streamID': {
      const { scope } = one.around;
      return [listText(resource?.attributes ?? []), scope?.name, scope?.version,
        listText(scope?.attributes ?? []), (one.record as Metric).name,
        listText((one.unit as DataPoint).attributes)].join('\0');
    }
    case 'attributes': return attributes.map((name) => named(one, name)).join('\0');
  }
}

/** A log record without a trace goes anywhere, but always there. */
function traceOf({ signal, record }: Unit): string {
  if (signal === 'traces') return (record as Span).traceId;
  const { traceId, timeUnixNano, observedTimeUnixNano } = record as LogRecord;
  return traceId !== '' ? traceId : `${timeUnixNano}/${observedTimeUnixNano}`;
}

function named({ signal, record, unit, around }: Unit, name: string): string {
  if (signal === 'traces' && name === 'span.name') return (record as Span).name;
  if (signal === 'traces' && name === 'span.kind') return String((record as Span).kind);
  const own = (signal === 'metrics' ? unit : record) as { attributes: Attributes };
  return textOf(valueIn(around.resource?.attributes, name)
    ?? valueIn(around.scope?.attributes, name) ?? valueIn(own.attributes, name));
}

const valueIn = (attributes: Attributes | undefined, name: string): AnyValue | undefined =>
  attributes?.find(({ key }) => key === name)?.value;

/** Sorted by name: the order in which attributes were written makes no difference. */
const listText = (attributes: Attributes): string =>
  attributes.map(({ key, value }) => `${key}\x01${textOf(value)}`).sort().join('\x02');

function textOf(value: AnyValue | undefined): string {
  if (value === undefined) return '';
  switch (value.type) {
    case 'empty': return '';
    case 'array': return value.value.map(textOf).join('\x03');
    case 'kvlist': return listText(value.value);
    case 'bytes': return Buffer.from(value.value).toString('base64');
    default: return String(value.value);
  }
}

/** The batch with only those records, or data points, that `isIn` names. */
function partOf<S extends Signal>(batch: Batch<S>, isIn: (unit: unknown) => boolean): Batch<S> {
  const envelope = envelopeOf(batch.signal);
  const groups = envelope.groups(batch.request).flatMap((group) => {
    const scopes = envelope.scopes(group).flatMap((scope) => {
      const records = envelope.records(scope)
        .flatMap((record) => recordPart(batch.signal, record, isIn));
      return records.length === 0 ? [] : [envelope.scope(scope.scope, records, scope.schemaUrl)];
    });
    return scopes.length === 0 ? [] : [envelope.group(group.resource, scopes, group.schemaUrl)];
  });
  return Batch.fromRequest(batch.signal, envelope.request(groups));
}

function recordPart(
  signal: Signal,
  record: unknown,
  isIn: (unit: unknown) => boolean,
): readonly unknown[] {
  if (signal !== 'metrics') return isIn(record) ? [record] : [];
  const metric = record as Metric;
  const points: readonly DataPoint[] = metric.data?.dataPoints ?? [];
  const kept = points.filter(isIn);
  if (kept.length === 0) return [];
  return [kept.length === points.length ? metric
    : { ...metric, data: { ...metric.data, dataPoints: kept } }];
}
