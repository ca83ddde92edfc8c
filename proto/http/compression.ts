// Reads the body of a request, decompressing it on the way, within bounds. A few bytes can unpack
// to gigabytes: what comes out is counted while it comes, and the reader stops at the bound.
//
// Invariants:
// - Never more than `bytesMax` + one chunk is unpacked, or read from the wire.
// - The source is never destroyed: whoever owns it can still answer. What is left of it after an
//   early end is read and thrown away.

import type { Readable } from 'node:stream';
import { createGunzip, createInflate, type Gunzip, type Inflate } from 'node:zlib';

export type BodyEncoding = 'identity' | 'gzip' | 'deflate';

export interface BodyBounds {
  /** The largest body, before and after decompression, in bytes. */
  readonly bytesMax: number;
  /** Asks for room for so many bytes more; false ends the reading. */
  readonly take: (bytes: number) => boolean;
}

export type Body =
  | { readonly status: 'read'; readonly bytes: Buffer }
  /** The body has more than `bytesMax` bytes. */
  | { readonly status: 'too_large' }
  /** `take` said no. */
  | { readonly status: 'no_room' }
  /** What came is not what its encoding says, or ends too early. */
  | { readonly status: 'broken' }
  /** The sender went away. */
  | { readonly status: 'cut' };

/** The encoding that a Content-Encoding header names, or null when it is none of ours. */
export function bodyEncoding(header: string | undefined): BodyEncoding | null {
  const name = (header ?? '').trim().toLowerCase();
  if (name === '' || name === 'identity') return 'identity';
  if (name === 'gzip' || name === 'x-gzip') return 'gzip';
  return name === 'deflate' || name === 'zlib' ? 'deflate' : null;
}

/** Reads `source` to its end or to a bound. Never rejects. */
export function readBody(
  source: Readable,
  encoding: BodyEncoding,
  bounds: BodyBounds,
): Promise<Body> {
  return new Promise((resolve) => {
    const decoder = createDecoder(encoding);
    let ended = false;
    const end = (body: Body) => {
      if (ended) return;
      ended = true;
      if (decoder !== null) {
        source.unpipe(decoder);
        decoder.destroy();
      }
      source.resume();
      resolve(body);
    };
    source.on('error', () => end({ status: 'cut' }));
    source.on('close', () => (source.readableEnded ? undefined : end({ status: 'cut' })));
    if (decoder === null) return collect(source, bounds, end);
    decoder.on('error', () => end({ status: 'broken' }));
    countWire(source, bounds.bytesMax, end);
    collect(decoder, bounds, end);
    source.pipe(decoder);
  });
}

function createDecoder(encoding: BodyEncoding): Gunzip | Inflate | null {
  const options = { chunkSize: 64 * 1024 };
  if (encoding === 'identity') return null;
  return encoding === 'gzip' ? createGunzip(options) : createInflate(options);
}

/** Empty gzip members unpack to nothing, so the wire has a bound of its own. */
function countWire(source: Readable, bytesMax: number, end: (body: Body) => void): void {
  let bytes = 0;
  source.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) end({ status: 'too_large' });
  });
}

function collect(
  output: Readable,
  { bytesMax, take }: BodyBounds,
  end: (body: Body) => void,
): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let full = false;
  const stop = (body: Body) => {
    full = true;
    chunks = [];
    end(body);
  };
  output.on('data', (chunk: Buffer) => {
    if (full) return;
    bytes += chunk.length;
    if (bytes > bytesMax) return stop({ status: 'too_large' });
    if (!take(chunk.length)) return stop({ status: 'no_room' });
    chunks.push(chunk);
  });
  output.on('end', () => {
    if (full) return;
    end({ status: 'read', bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) });
  });
}
