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

export class Batch<S extends Signal = Signal> {
  readonly signal: S;
  /** The number of spans, log records or data points in it. */
  readonly itemCount: number;
  readonly id: BatchId | undefined;
  #bytes: Uint8Array | undefined;
  #request: RequestOf<S> | undefined;

  private constructor(
    signal: S,
    itemCount: number,
    id: BatchId | undefined,
    bytes: Uint8Array | undefined,
    request: RequestOf<S> | undefined,
  ) {
    this.signal = signal;
    this.itemCount = itemCount;
    this.id = id;
    this.#bytes = bytes;
    this.#request = request;
  }

  /**
   * A batch of encoded bytes, which the caller gives away and must not change afterwards. Throws
   * DecodeError when the bytes are not an export request as far as counting its items can tell.
   */
  static fromBytes<S extends Signal>(signal: S, bytes: Uint8Array, id?: BatchId): Batch<S> {
    return new Batch(signal, countItems(signal, bytes), id, bytes, undefined);
  }

  static fromRequest<S extends Signal>(signal: S, request: RequestOf<S>): Batch<S> {
    const itemCount = countRequestItems(signal, request);
    return new Batch(signal, itemCount, undefined, undefined, request);
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
