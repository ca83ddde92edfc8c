// Outcomes as gRPC statuses and back, exactly as OTLP 1.11 ("OTLP/gRPC Response", "Failures",
// "OTLP/gRPC Throttling") says:
//
//   rejected   → INVALID_ARGUMENT with google.rpc.BadRequest, never sent again
//   retryable  → UNAVAILABLE with google.rpc.RetryInfo if there is a time
//   too large  → RESOURCE_EXHAUSTED without RetryInfo, never sent again
//
//   CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS → retryable
//   RESOURCE_EXHAUSTED → retryable if it comes with RetryInfo, otherwise rejected as too large
//   everything else    → rejected
//
// Details travel as google.rpc.Status in the metadata entry `grpc-status-details-bin`.

import { Metadata, status as codes } from '@grpc/grpc-js';
import type { SendOutcome, Refusal } from '../contract/arrival.ts';
import { rejected, retryable, type Outcome } from '../contract/outcome.ts';
import { decodeStatus, encodeStatus, type RpcStatus } from '../otlp/status.ts';

const DETAILS = 'grpc-status-details-bin';

/** A longer message is cut: it travels in a header, whose size clients bound. */
const MESSAGE_CHARS_MAX = 1000;

/** As grpc-js takes and gives a status. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The status for a verdict other than `accepted`. */
export function statusOfOutcome(outcome: Exclude<Outcome, { status: 'accepted' }>): GrpcStatus {
  if (outcome.status === 'rejected') return invalidArgument(outcome.reason);
  const { reason, retryAfterMs } = outcome;
  return withDetails({ code: codes.UNAVAILABLE, message: reason, retryAfterMs });
}

export function invalidArgument(reason: string): GrpcStatus {
  const violations = [{ field: '', description: shortMessage(reason) }];
  return withDetails({ code: codes.INVALID_ARGUMENT, message: reason, violations });
}

export function tooLarge(reason: string): GrpcStatus {
  return withDetails({ code: codes.RESOURCE_EXHAUSTED, message: reason });
}

export function statusOfRefusal({ status, reason }: Refusal): GrpcStatus {
  const code = status === 'forbidden' ? codes.PERMISSION_DENIED : codes.UNAUTHENTICATED;
  return withDetails({ code, message: reason });
}

/** Text that can be carried in a header; cut to what clients take. */
export function shortMessage(message: string): string {
  // Through bytes, since half of a surrogate pair cannot be written in a header.
  return Buffer.from(message.slice(0, MESSAGE_CHARS_MAX)).toString();
}

function withDetails(status: RpcStatus): GrpcStatus {
  const message = shortMessage(status.message);
  const metadata = new Metadata();
  metadata.set(DETAILS, Buffer.from(encodeStatus({ ...status, message })));
  return { code: status.code, details: message, metadata };
}

const RETRYABLE: ReadonlySet<number> = new Set([
  codes.CANCELLED, codes.DEADLINE_EXCEEDED, codes.ABORTED, codes.OUT_OF_RANGE, codes.UNAVAILABLE,
  codes.DATA_LOSS,
]);

/** What a status other than OK means for whoever sent the request. */
export function outcomeOfStatus({ code, details, metadata }: GrpcStatus): SendOutcome {
  const reason = `${codes[code] ?? `status ${code}`}: ${details}`;
  const sent = detailsOf(metadata);
  if (RETRYABLE.has(code) || isLocal(code, details)) return retryable(reason, sent?.retryAfterMs);
  if (code !== codes.RESOURCE_EXHAUSTED) return rejected(reason);
  // RetryInfo counts even when it names no time: the key is then there without a value.
  if (sent !== null && 'retryAfterMs' in sent) return retryable(reason, sent.retryAfterMs);
  return { status: 'rejected', reason, tooLarge: true };
}

/**
 * The peer did not say INTERNAL: the connection broke in a way that grpc-js has no status for (it
 * has one for ECONNRESET, but not for EPIPE), or the peer ended before it had a verdict.
 */
function isLocal(code: number, details: string): boolean {
  return code === codes.INTERNAL && LOCAL_DETAILS.some((text) => details.includes(text));
}

/** Of grpc-js (subchannel-call.js). */
const LOCAL_DETAILS = [
  'triggered by internal client error: ', '(Call ended without gRPC status)',
];

function detailsOf(metadata: Metadata): RpcStatus | null {
  const value = metadata.get(DETAILS)[0];
  return Buffer.isBuffer(value) ? decodeStatus(value) : null;
}
