// How a request crosses the border between two processes, whatever carries it: what a server tells
// about a request besides its batch, and what a client tells about an attempt besides its verdict.

import type { Batch } from './batch.ts';
import type { Outcome } from './outcome.ts';

/** The name of a batch, which all attempts to deliver it share. */
export const BATCH_HEADER = 'x-binnacle-batch';
/** How often the batch was sent before: 0, 1, … */
export const ATTEMPT_HEADER = 'x-binnacle-attempt';

/** A longer name is no name of ours: the batch is then treated as one without. */
const BATCH_ID_CHARS_MAX = 200;

/** Responses have a bound of 4 MiB at clients (OTLP 1.11); this stays far below it. */
const REASON_CHARS_MAX = 10_000;

type Accepted = Extract<Outcome, { status: 'accepted' }>;

export type HeaderReader = (name: string) => string | undefined;

/** What a server knows of a request besides its batch. */
export interface Arrival {
  readonly transport: 'grpc' | 'http';
  /** How often the sender has sent this batch before; 0 when it does not say. */
  readonly attempt: number;
  /** A header or metadata entry by its lower-case name. */
  readonly header: HeaderReader;
}

/** A Consumer that may look at how the batch came in. Every Consumer is one. */
export interface ArrivalConsumer {
  consume(batch: Batch, abort: AbortSignal, arrival: Arrival): Promise<Outcome>;
}

/** Why a request is turned away before it is read. */
export interface Refusal {
  /** `unauthenticated`: nobody known asks. `forbidden`: somebody known may not do this. */
  readonly status: 'unauthenticated' | 'forbidden';
  readonly reason: string;
}

/** Looks at the headers of a request before its body is read; null lets it pass. */
export type Authorize = (header: HeaderReader) => Refusal | null | Promise<Refusal | null>;

/** The outcome of one attempt. */
export type SendOutcome = Outcome & {
  /** With `rejected`: the peer takes no message of this size, but may take it in parts. */
  readonly tooLarge?: boolean;
};

/** A client that makes one attempt at a time. Calls may overlap. */
export interface Sender {
  /**
   * Sends the batch once. `attempt` counts from 0. Answers when the peer did, when the time for an
   * attempt is over, or when `abort` fires (`retryable`). Never throws.
   */
  send(batch: Batch, attempt: number, abort: AbortSignal): Promise<SendOutcome>;
  /** Drops all connections. Attempts that are under way are answered `retryable`. */
  close(): Promise<void>;
}

/** What a response says of an accepted batch; a long reason is cut, so that clients take it. */
export function acceptanceOf(accepted: Accepted): Accepted {
  const { reason = '' } = accepted;
  return reason.length <= REASON_CHARS_MAX ? accepted
    : { ...accepted, reason: reason.slice(0, REASON_CHARS_MAX) };
}

/** The id that a sender gave a batch, or undefined when it gave none that can be one. */
export function batchIdOf(header: HeaderReader): string | undefined {
  const id = header(BATCH_HEADER);
  if (id === undefined || id.length > BATCH_ID_CHARS_MAX) return undefined;
  return /^[\x21-\x7e]+$/.test(id) ? id : undefined;
}

export function attemptOf(header: HeaderReader): number {
  const text = header(ATTEMPT_HEADER);
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}
