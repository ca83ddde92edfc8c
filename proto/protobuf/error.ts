// The one error that broken input of any encoding raises. Whoever reads bytes of others catches it
// and answers INVALID_ARGUMENT or 400; every other error that comes out of a decoder is a bug.

/** Where the input is broken: a byte (protobuf) or character (JSON) offset, or a field. */
export interface DecodePlace {
  readonly offset?: number;
  /** Such as `resourceSpans[0].scopeSpans[1].spans[3].traceId`. */
  readonly path?: string;
}

export class DecodeError extends Error {
  readonly offset: number | undefined;
  readonly path: string | undefined;

  /** `encoding` is the word for the message: `protobuf` or `JSON`. */
  constructor(encoding: string, cause: string, place: DecodePlace) {
    const at = place.offset === undefined ? '' : ` at ${place.offset}`;
    const field = place.path === undefined || place.path === '' ? '' : ` ${place.path}`;
    super(`cannot decode ${encoding}${field}${at}: ${cause}`);
    this.name = 'DecodeError';
    this.offset = place.offset;
    this.path = place.path;
  }
}
