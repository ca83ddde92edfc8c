// A batch is one OTLP export request of one signal, as protobuf bytes, immutable.
//
// Bytes are what travels: receiving, batching and forwarding never decode them. A component that
// must look inside asks for `request`: the decoded form is made once and shared by all who ask. A
// batch that was built from a changed request is encoded when its bytes are first asked for. Since
// both forms are read-only, a batch can be handed to any number of consumers.

import { countItems, countRequestItems } from '../otlp/count.ts';
import { decodeRequest, encodeRequest } from '../otlp/codec.ts';
import type { RequestOf, Signal } from '../otlp/model.ts';

/** Who sealed a batch, so that a retry can be recognised: `<agent uuid>/<epoch>/<sequence>`. */
export type BatchId = string;

/**
 * That a batch holds all records of a stretch of a source, so that a receiver which can read its
 * source again learns after a crash how far it need not.
 */
export interface Origin {
  /** Its id. */
  readonly receiver: string;
  /** A UUID, new at each start of the receiver. */
  readonly run: string;
  /** Which content of that run: never used for another one in it. */
  readonly content: number;
  /** Where the stretch begins and ends, in the content. */
  readonly from: number;
  readonly to: number;
  /** What the receiver wants to know at `to`; means nothing to anybody else. */
  readonly state: string;
}

const NO_ORIGINS: readonly Origin[] = [];

export class Batch<S extends Signal = Signal> {
  readonly signal: S;
  /** The number of spans, log records or data points in it. */
  readonly itemCount: number;
  readonly id: BatchId | undefined;
  /**
   * Whoever makes a batch of the same records, or of those that are not dropped for good, carries
   * them on; whoever keeps records for later, or cuts a batch, does not: then they may be sent
   * twice after a crash.
   */
  readonly origins: readonly Origin[];
  #bytes: Uint8Array | undefined;
  #request: RequestOf<S> | undefined;

  private constructor(
    signal: S,
    itemCount: number,
    id: BatchId | undefined,
    bytes: Uint8Array | undefined,
    request: RequestOf<S> | undefined,
    origins: readonly Origin[],
  ) {
    this.signal = signal;
    this.itemCount = itemCount;
    this.id = id;
    this.origins = origins;
    this.#bytes = bytes;
    this.#request = request;
  }

  /**
   * A batch of encoded bytes, which the caller gives away and must not change afterwards. Throws
   * DecodeError when the bytes are not an export request as far as counting its items can tell.
   */
  static fromBytes<S extends Signal>(
    signal: S, bytes: Uint8Array, id?: BatchId, origins = NO_ORIGINS,
  ): Batch<S> {
    return new Batch(signal, countItems(signal, bytes), id, bytes, undefined, origins);
  }

  static fromRequest<S extends Signal>(
    signal: S, request: RequestOf<S>, origins = NO_ORIGINS,
  ): Batch<S> {
    const itemCount = countRequestItems(signal, request);
    return new Batch(signal, itemCount, undefined, undefined, request, origins);
  }

  /** The same batch, with these origins. */
  from(origins: readonly Origin[]): Batch<S> {
    return new Batch(this.signal, this.itemCount, this.id, this.#bytes, this.#request, origins);
  }

  get bytes(): Uint8Array {
    const bytes = this.#bytes ?? encodeRequest(this.signal, this.#request!);
    this.#bytes = bytes;
    return bytes;
  }

  /** The decoded form. Throws DecodeError when the bytes are broken inside. */
  get request(): RequestOf<S> {
    const request = this.#request ?? decodeRequest(this.signal, this.#bytes!);
    this.#request = request;
    return request;
  }

  is<T extends Signal>(signal: T): this is Batch<T> {
    return (this.signal as Signal) === signal;
  }
}
