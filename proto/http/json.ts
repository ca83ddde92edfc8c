// OTLP's JSON for what HTTP carries besides requests.

import { DecodeError } from '../protobuf/error.ts';
import type { RequestOf, Signal } from '../otlp/model.ts';
import type { Acceptance } from '../otlp/response.ts';
import { BAD_REQUEST_TYPE, RETRY_INFO_TYPE, type RpcStatus } from '../otlp/status.ts';

export function requestFromJson<S extends Signal>(_signal: S, _bytes: Uint8Array): RequestOf<S> {
  throw new DecodeError('JSON', 'it is not understood here', {});
}

const REJECTED = {
  traces: 'rejectedSpans', metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords',
} as const;

export function responseToJson(signal: Signal, { rejected, reason = '' }: Acceptance): string {
  if (rejected === 0 && reason === '') return '{}';
  const count = rejected === 0 ? {} : { [REJECTED[signal]]: String(rejected) };
  const message = reason === '' ? {} : { errorMessage: reason };
  return JSON.stringify({ partialSuccess: { ...count, ...message } });
}

export function statusToJson({ code, message, retryAfterMs, violations }: RpcStatus): string {
  const details = [
    ...(retryAfterMs === undefined ? []
      : [{ '@type': RETRY_INFO_TYPE, retryDelay: `${retryAfterMs / 1000}s` }]),
    ...(violations === undefined ? []
      : [{ '@type': BAD_REQUEST_TYPE, fieldViolations: violations }]),
  ];
  return JSON.stringify({ code, message, ...(details.length === 0 ? {} : { details }) });
}
