// What happens to a call before its handler sees it: who may call, how much may be under way, how
// long a request may take to arrive, and how grpc-js's own refusals read to the client.
//
// Invariants:
// - A call that is turned away is answered before its message is read.
// - The ticket of a call is given back exactly once: by the handler when the consumer has answered,
//   or here when the handler never got the call.
// - `abort` of a call fires when the client cancels, its deadline passes or its connection breaks,
//   and not after the handler has set `answered`.

import { Metadata, ServerInterceptingCall, status as codes } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { Clock, Timer } from '../../runtime/clock.ts';
import { OVERLOAD, type Admission, type Ticket } from '../contract/admission.ts';
import type { Authorize, HeaderReader, Refusal } from '../contract/arrival.ts';
import { invalidArgument, statusOfOutcome, statusOfRefusal, tooLarge } from './status.ts';
import type { GrpcStatus } from './status.ts';

export interface IntakeOptions {
  readonly clock: Clock;
  readonly admission: Admission;
  /** Time from the headers to the whole message, in milliseconds. */
  readonly receiveMs: number;
  readonly authorize: Authorize | undefined;
  /** True from the moment the server stops. */
  readonly stopping: () => boolean;
  /** Counts a request that could not be used. */
  readonly countBad: (reason: BadReason) => void;
}

export type BadReason = 'compression' | 'encoding' | 'too_large' | 'slow' | 'decode';

/** What the handler gets instead of the bare message. */
export interface ArrivedCall {
  /** Taken out by the handler: the call lives on after it, see `forgetPieces`. */
  bytes: Buffer;
  readonly ticket: Ticket;
  readonly abort: AbortController;
  /** Set by the handler when it takes the call; from then on it gives the ticket back. */
  taken: boolean;
  /** Set by the handler when there is nothing left to abort. */
  answered: boolean;
}

type Call = Parameters<ServerInterceptor>[1];

/** An interceptor for unary calls whose message is bytes; handlers get an ArrivedCall. */
export function intake(options: IntakeOptions): ServerInterceptor {
  return (_method, call) => {
    rewordStatus(call, options);
    let arrived: ArrivedCall | undefined;
    let ticket: Ticket | null = null;
    let timer: Timer | undefined;
    let over = false;
    const begin = (metadata: Metadata, pass: (metadata: Metadata) => void) => {
      if (over) return;
      ticket = options.admission.enter();
      if (ticket === null) return call.sendStatus(overload());
      timer = options.clock.after(options.receiveMs, () => {
        options.countBad('slow');
        call.sendStatus(slow(options.receiveMs));
      });
      pass(metadata);
    };
    return new ServerInterceptingCall(call, {
      start: (next) => next({
        onReceiveMetadata: (metadata, pass) => {
          if (options.stopping()) return call.sendStatus(leaving());
          void authorized(options.authorize, metadata, (refusal) =>
            refusal === null ? begin(metadata, pass) : call.sendStatus(statusOfRefusal(refusal)));
        },
        onReceiveMessage: (bytes: Buffer, pass) => {
          timer?.cancel();
          // A second message is answered by grpc-js; it has no share of its own.
          if (arrived !== undefined) return pass(bytes);
          if (!ticket!.grow(bytes.length)) return call.sendStatus(overload());
          const abort = new AbortController();
          arrived = { bytes, ticket: ticket!, abort, taken: false, answered: false };
          forgetPieces(call);
          pass(arrived);
        },
        onCancel: () => {
          over = true;
          timer?.cancel();
          if (arrived?.taken !== true) ticket?.leave();
          if (arrived?.answered === false) arrived.abort.abort();
        },
      }),
    });
  };
}

/**
 * A call is held by its HTTP/2 stream, which is freed only when all of the heap is collected, and
 * the call holds the pieces that its message came in. Without them, as much again as the message is
 * free after a small collection, and large ones are rare.
 */
function forgetPieces(call: Call): void {
  const { decoder } = call as Call & { decoder?: { readPartialMessage?: readonly Buffer[] } };
  if (decoder?.readPartialMessage !== undefined) decoder.readPartialMessage = [];
}

/** A reader of metadata; entries that are bytes are not headers of ours. */
export function headersOf(metadata: Metadata): HeaderReader {
  return (name) => {
    const value = metadata.get(name)[0];
    return typeof value === 'string' ? value : undefined;
  };
}

/** Calls `then` at once when there is nobody to ask, so that most calls cost no promise. */
function authorized(
  authorize: Authorize | undefined,
  metadata: Metadata,
  then: (refusal: Refusal | null) => void,
): Promise<void> | void {
  if (authorize === undefined) return then(null);
  const answer = authorize(headersOf(metadata));
  return answer instanceof Promise ? answer.then(then) : then(answer);
}

/**
 * grpc-js answers by itself when a message is too large or cannot be decompressed. The second is
 * INTERNAL there, which tells the client that the server is broken; it is the client's mistake.
 */
function rewordStatus(call: Call, { countBad }: IntakeOptions): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => {
    if (status.metadata != null || status.code === codes.OK) return send(status);
    const { code, details } = status;
    if (code === codes.RESOURCE_EXHAUSTED && details.startsWith('Received message')) {
      countBad('too_large');
      return send(tooLarge(details));
    }
    if (code === codes.INTERNAL && details.startsWith('Failed to decompress')) {
      countBad('compression');
      return send(invalidArgument('the message cannot be decompressed'));
    }
    if (details.startsWith('Invalid grpc-timeout')) return send(invalidArgument(details));
    if (details.startsWith('Received message compressed')) countBad('encoding');
    send(status);
  };
}

const overload = (): GrpcStatus =>
  statusOfOutcome({ status: 'retryable', ...OVERLOAD });

const leaving = (): GrpcStatus =>
  statusOfOutcome({ status: 'retryable', reason: 'this server is shutting down' });

const slow = (receiveMs: number): GrpcStatus => ({
  code: codes.DEADLINE_EXCEEDED,
  details: `the request did not arrive within ${receiveMs} ms`,
  metadata: new Metadata(),
});
