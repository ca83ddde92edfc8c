// A bound on what requests of all connections hold in memory together. Who comes when it is full
// is told to come again later, before more of what he sends is kept (OTLP 1.11, "Throttling").
//
// Invariant: the sum of all tickets is at most `bytesMax`, except that a request that is alone is
// let through whatever its size: a bound smaller than one request would refuse it for ever.

export interface AdmissionOptions {
  /** Bytes that all requests together may hold. */
  readonly bytesMax: number;
  /** Requests that may be under way at the same time. */
  readonly requestsMax: number;
}

/** The share of one request. */
export interface Ticket {
  /** Takes `bytes` more. False when there is no room; then nothing was taken. */
  grow(bytes: number): boolean;
  /** Gives everything back. Safe to call more than once. */
  leave(): void;
}

export interface Admission {
  /** A ticket without bytes, or null when as much as allowed is under way. */
  enter(): Ticket | null;
  /** Bytes that are held now. */
  bytes(): number;
  /** Requests that are under way now. */
  requests(): number;
}

/** What a request is told when there is no room, and when to come again. */
export const OVERLOAD = { reason: 'too much is under way here; send it again', retryAfterMs: 1000 };

export function createAdmission({ bytesMax, requestsMax }: AdmissionOptions): Admission {
  let bytes = 0;
  let requests = 0;
  const ticket = (): Ticket => {
    let own = 0;
    let left = false;
    return {
      grow: (more) => {
        if (left || (bytes > own && bytes + more > bytesMax)) return false;
        own += more;
        bytes += more;
        return true;
      },
      leave: () => {
        if (left) return;
        left = true;
        bytes -= own;
        requests -= 1;
      },
    };
  };
  return {
    enter: () => {
      if (requests >= requestsMax || (requests > 0 && bytes >= bytesMax)) return null;
      requests += 1;
      return ticket();
    },
    bytes: () => bytes,
    requests: () => requests,
  };
}
