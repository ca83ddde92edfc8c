// Export requests of every signal, to and from protobuf. This is the one place that chooses by
// signal; see envelope.ts for what they have in common and traces.ts, logs.ts, metrics.ts.
//
// The decoded form takes at worst about 80 times the memory of the bytes (measured with spans of
// two bytes each), with ordinary spans 4 times: a limit on bytes bounds it. Who needs no objects
// walks the bytes with a Reader instead.

import { countEnvelope, decodeEnvelope, encodeEnvelope } from './envelope.ts';
import type { Envelope } from './envelope.ts';
import { LOGS } from './logs.ts';
import { METRICS } from './metrics.ts';
import type { RequestOf, ResourceLogs, ScopeLogs, Signal } from './model.ts';
import { TRACES } from './traces.ts';

const ENVELOPES = { traces: TRACES, metrics: METRICS, logs: LOGS } as const;

/**
 * The parts of a signal's request under names that are the same for all signals. The types of the
 * groups say only what all signals have; a group goes back only to the envelope it came from.
 */
export function envelopeOf<S extends Signal>(
  signal: S,
): Envelope<RequestOf<S>, Omit<ResourceLogs, 'scopeLogs'>, Omit<ScopeLogs, 'logRecords'>, unknown> {
  return ENVELOPES[signal] as unknown as ReturnType<typeof envelopeOf<S>>;
}

/** Throws DecodeError when the bytes are not an export request of this signal. */
export function decodeRequest<S extends Signal>(signal: S, bytes: Uint8Array): RequestOf<S> {
  return decodeEnvelope(envelopeOf(signal), bytes);
}

/**
 * Canonical protobuf: fields in the order of their numbers, defaults left out. Throws EncodeError
 * for values nested deeper than a reader accepts, and for ids that are not hexadecimal.
 */
export function encodeRequest<S extends Signal>(signal: S, request: RequestOf<S>): Uint8Array {
  return encodeEnvelope(envelopeOf(signal), request);
}

/** The number of spans, log records or data points of a decoded request. */
export function countDecoded<S extends Signal>(signal: S, request: RequestOf<S>): number {
  return countEnvelope(envelopeOf(signal), request);
}
