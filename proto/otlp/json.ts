// Export requests as OTLP/JSON (OTLP 1.11, "JSON Protobuf Encoding"), in both directions. What the
// rules are is said in json/fields.ts and json/scalars.ts; the messages are in json/<signal>.ts.

import { JsonReader } from '../json/reader.ts';
import type { Kind } from './json/fields.ts';
import { LOGS_JSON } from './json/logs.ts';
import { METRICS_JSON } from './json/metrics.ts';
import { TRACES_JSON } from './json/traces.ts';
import type { RequestOf, Signal } from './model.ts';

const REQUESTS = { traces: TRACES_JSON, metrics: METRICS_JSON, logs: LOGS_JSON } as const;

function requestKind<S extends Signal>(signal: S): Kind<RequestOf<S>> {
  return REQUESTS[signal] as unknown as Kind<RequestOf<S>>;
}

/** One line of JSON. Fields that hold their default are left out. */
export function requestToJson<S extends Signal>(signal: S, request: RequestOf<S>): string {
  return JSON.stringify(requestKind(signal).json(request));
}

/**
 * Throws DecodeError with the path of the value that is wrong, such as
 * `resourceSpans[0].scopeSpans[1].spans[3].traceId`. Bytes are UTF-8.
 */
export function requestFromJson<S extends Signal>(
  signal: S,
  input: string | Uint8Array,
): RequestOf<S> {
  return readJson(requestKind(signal), input);
}

/** Reads a text that is one value of a kind. Throws DecodeError. */
export function readJson<T>(kind: Kind<T>, input: string | Uint8Array): T {
  const reader = new JsonReader(input);
  const value = kind.read(reader);
  reader.end();
  return value;
}
