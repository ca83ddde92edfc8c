// An independent protobuf implementation (protobufjs) that reads our wire definitions, as a peer
// for differential tests, and the plain form in which it and our model can be compared.

import protobuf from 'protobufjs';
import type { ExportRequest, Signal } from '../../proto/otlp/model.ts';

const folder = new URL('../../proto/otlp/', import.meta.url).pathname;

function loadDefinitions(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/') ? target : folder + target.split('/').at(-1)!;
  root.loadSync([
    'trace_service.proto', 'logs_service.proto', 'metrics_service.proto', 'status.proto',
  ]);
  root.resolveAll();
  return root;
}

const root = loadDefinitions();
const COLLECTOR = 'opentelemetry.proto.collector';

export const PEER_REQUESTS: Readonly<Record<Signal, protobuf.Type>> = {
  traces: root.lookupType(`${COLLECTOR}.trace.v1.ExportTraceServiceRequest`),
  logs: root.lookupType(`${COLLECTOR}.logs.v1.ExportLogsServiceRequest`),
  metrics: root.lookupType(`${COLLECTOR}.metrics.v1.ExportMetricsServiceRequest`),
};

export const PEER_RESPONSES: Readonly<Record<Signal, protobuf.Type>> = {
  traces: root.lookupType(`${COLLECTOR}.trace.v1.ExportTraceServiceResponse`),
  logs: root.lookupType(`${COLLECTOR}.logs.v1.ExportLogsServiceResponse`),
  metrics: root.lookupType(`${COLLECTOR}.metrics.v1.ExportMetricsServiceResponse`),
};

export const peerType = (name: string): protobuf.Type => root.lookupType(name);

export function peerEncode(type: protobuf.Type, plain: object): Uint8Array {
  return type.encode(type.fromObject(plain)).finish();
}

/** Only what is on the wire; 64-bit integers as text, bytes as arrays of numbers. */
export function peerDecode(type: protobuf.Type, bytes: Uint8Array): unknown {
  return type.toObject(type.decode(bytes), { longs: String, enums: Number, bytes: Array });
}

/** The request as a plain object of protobuf fields, without those that hold their default. */
export function toPlain(request: ExportRequest): object {
  return plainMessage(request as unknown as Record<string, unknown>);
}

const MEMBERS: Readonly<Record<string, string>> = {
  string: 'stringValue', bool: 'boolValue', int: 'intValue', double: 'doubleValue',
  array: 'arrayValue', kvlist: 'kvlistValue', bytes: 'bytesValue',
};
const ID_KEYS = new Set(['traceId', 'spanId', 'parentSpanId']);
/** Written whenever they are defined, since their absence has a meaning. */
const OPTIONAL = new Set(['sum', 'min', 'max']);

function plainMessage(message: Record<string, unknown>): Record<string, unknown> {
  const isSummary = 'quantileValues' in message;
  const plain: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    const isDefault = value === '' || value === 0n || value === false || Object.is(value, 0);
    if (isDefault && (isSummary || !OPTIONAL.has(key))) continue;
    Object.assign(plain, plainField(key, value, message));
  }
  return plain;
}

function plainField(key: string, value: unknown, owner: object): Record<string, unknown> {
  if (ID_KEYS.has(key)) return { [key]: [...Buffer.from(value as string, 'hex')] };
  if (Array.isArray(value)) return { [key]: value.map(plainItem) };
  if ('key' in owner && (value as { type?: string }).type === 'empty') return {};
  if (key === 'data') {
    const { type, ...data } = value as { type: string };
    return { [type]: plainMessage(data) };
  }
  const isNumber = key === 'value' && !('key' in owner) && !('quantile' in owner);
  if (isNumber) {
    const number = value as { type: string; value: unknown };
    return { [number.type === 'int' ? 'asInt' : 'asDouble']: plainItem(number.value) };
  }
  return { [key]: plainItem(value) };
}

function plainItem(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if ('type' in value && 'value' in value) return plainValue(value as never);
  return plainMessage(value as Record<string, unknown>);
}

function plainValue(any: { type: string; value: unknown }): object {
  if (any.type === 'empty') return {};
  const member = MEMBERS[any.type]!;
  if (any.value instanceof Uint8Array) return { [member]: [...any.value] };
  if (!Array.isArray(any.value)) return { [member]: plainItem(any.value) };
  return { [member]: any.value.length === 0 ? {} : { values: any.value.map(plainItem) } };
}
