// Outcomes as HTTP answers (OTLP 1.11, "OTLP/HTTP Response"):
//
//   accepted  → 200 with Export…ServiceResponse, also for a partial success
//   rejected  → 400, never sent again
//   retryable → 503 with Retry-After if there is a time
//
// The body is in the encoding of the request; that of every error is a google.rpc.Status. 500 is
// never the answer to something that may work later: clients must not retry it.

import { acceptanceOf } from '../contract/arrival.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { Signal } from '../otlp/model.ts';
import { encodeResponse, responseToJson } from '../otlp/response.ts';
import { encodeStatus, statusToJson, type RpcStatus } from '../otlp/status.ts';

export type BodyFormat = 'protobuf' | 'json';

export const CONTENT_TYPES: Readonly<Record<BodyFormat, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

export interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The codes of google.rpc that belong to the HTTP codes used here. */
const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 14, 503: 14,
};

/** A longer message is cut. */
const MESSAGE_CHARS_MAX = 1000;

export function answerOf(signal: Signal, format: BodyFormat, outcome: Outcome): Answer {
  if (outcome.status === 'accepted') {
    const body = format === 'json'
      ? Buffer.from(responseToJson(signal, acceptanceOf(outcome)))
      : encodeResponse(signal, acceptanceOf(outcome));
    return { code: 200, headers: typeOf(format), body };
  }
  if (outcome.status === 'rejected') return failure(400, outcome.reason, format);
  return later(outcome.reason, outcome.retryAfterMs, format);
}

/** An answer that means: send it again, after `retryAfterMs` if that is given. */
export function later(
  reason: string,
  retryAfterMs: number | undefined,
  format: BodyFormat,
): Answer {
  const answer = failure(503, reason, format, retryAfterMs);
  // The header has no parts of a second: a shorter wait is only in the RetryInfo of the body.
  if (retryAfterMs === undefined || retryAfterMs < 1000) return answer;
  const seconds = Math.ceil(retryAfterMs / 1000);
  return { ...answer, headers: { ...answer.headers, 'retry-after': String(seconds) } };
}

/** An answer with a google.rpc.Status; a 400 also names what is bad. */
export function failure(
  code: number,
  reason: string,
  format: BodyFormat,
  retryAfterMs?: number,
): Answer {
  const message = reason.slice(0, MESSAGE_CHARS_MAX);
  const status: RpcStatus = {
    code: RPC_CODES[code] ?? 2,
    message,
    ...(code === 400 ? { violations: [{ field: '', description: message }] } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  const body = format === 'json' ? Buffer.from(statusToJson(status)) : encodeStatus(status);
  return { code, headers: typeOf(format), body };
}

const typeOf = (format: BodyFormat) => ({ 'content-type': CONTENT_TYPES[format] });
