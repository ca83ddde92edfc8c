// The content of a gzip file, read as if it were a file: by position, forwards mostly.
//
// Unpacking goes on where it stopped; a look back is answered from the first `headBytes` and the
// last `windowBytes` of what was unpacked, and otherwise begins anew. So memory is bounded by
// these two and what `inputBytes` can become (deflate packs 1032 : 1 at most), whatever is packed.
//
// Content that is broken ends where it breaks: all that came out before is content, `broken` says
// why. Of a damaged stream what came of the last `inputBytes` may be missing; of one that only
// stops too early, nothing is. Several members one after the other are one content (RFC 1952, 2.2);
// what follows the last of them and is no member is left out.

import assert from 'node:assert/strict';
import { createGunzip, type Gunzip } from 'node:zlib';
import { errorCode } from '../../../runtime/errors.ts';
import type { OpenFile } from '../../../runtime/files.ts';

export const limits = {
  /** Packed bytes that are unpacked at one time: about 2 MiB of content at most. */
  inputBytes: 2048,
  /** Packed bytes that are read from the file at one time. */
  readBytes: 64 * 1024,
} as const;

export interface UnpackedOptions {
  /** The first bytes of the content that are kept. */
  readonly headBytes: number;
  /** The last bytes that are kept: as many as are read at one time. */
  readonly windowBytes: number;
}

export interface Unpacked {
  /** Fills `target` from `position` of the content on; fewer only at its end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Why the content ends before it should, once its end was reached; else null. */
  broken(): string | null;
  close(): void;
}

/** `file` answers the packed file, which may be another handle each time. */
export function createUnpacked(
  file: () => Promise<Pick<OpenFile, 'read'>>,
  options: UnpackedOptions,
): Unpacked {
  const head = Buffer.allocUnsafeSlow(options.headBytes);
  let headLength = 0;
  let inflater = createInflater();
  let source = createSource(file);
  const recent = createWindow(options.windowBytes);
  let broken: string | null = null;
  let ended = false;

  const rewind = () => {
    inflater.close();
    inflater = createInflater();
    source = createSource(file);
    recent.reset();
    ended = false;
  };
  const unpackMore = async (position: number): Promise<void> => {
    const { output, over, fault } = await inflater.feed(await source());
    broken = fault;
    ended = over;
    for (const piece of output) {
      if (recent.end() === headLength) headLength += piece.copy(head, headLength);
      recent.append(piece, position);
    }
  };
  return {
    read: async (target, position) => {
      assert(target.length <= options.windowBytes);
      const wanted = position + target.length;
      if (wanted <= headLength) return head.copy(target, 0, position, wanted);
      if (position < recent.start()) rewind();
      while (!ended && recent.end() < wanted) await unpackMore(position);
      return recent.copy(target, position);
    },
    broken: () => broken,
    close: () => inflater.close(),
  };
}

/** The last of what was unpacked: `bytes` at least, and all from `needed` on. */
function createWindow(bytes: number) {
  let store = Buffer.allocUnsafeSlow(2 * bytes);
  /** Where in the content the store begins, and how much of it is filled. */
  let first = 0;
  let length = 0;
  return {
    start: () => first,
    end: () => first + length,
    append: (piece: Buffer, needed: number) => {
      if (length + piece.length > store.length) {
        const drop = Math.max(0, Math.min(length - bytes, needed - first));
        store.copyWithin(0, drop, length);
        first += drop;
        length -= drop;
      }
      if (length + piece.length > store.length) {
        store = Buffer.concat([store.subarray(0, length)], store.length + bytes + piece.length);
      }
      length += piece.copy(store, length);
    },
    copy: (target: Uint8Array, position: number): number => {
      const start = position - first;
      if (start >= length) return 0;
      return store.copy(target, 0, start, Math.min(length, start + target.length));
    },
    reset: () => {
      first = 0;
      length = 0;
    },
  };
}

/**
 * Pieces of the file, one after the other; null behind the last. The checksum at the end comes by
 * itself, so that one that is wrong takes nothing with it.
 */
type Source = () => Promise<Buffer | null>;

function createSource(file: () => Promise<Pick<OpenFile, 'read'>>): Source {
  const buffer = Buffer.allocUnsafeSlow(limits.readBytes);
  let position = 0;
  let left = Buffer.alloc(0);
  let last = false;
  return async () => {
    if (left.length === 0) {
      const size = await (await file()).read(buffer, position);
      position += size;
      left = buffer.subarray(0, size);
      last = size < buffer.length;
    }
    if (left.length === 0) return null;
    const most = last && left.length > TRAILER_BYTES ? left.length - TRAILER_BYTES : left.length;
    const piece = left.subarray(0, Math.min(limits.inputBytes, most));
    left = left.subarray(piece.length);
    return piece;
  };
}

/** CRC-32 and length (RFC 1952, 2.3.1). */
const TRAILER_BYTES = 8;

interface Fed {
  readonly output: readonly Buffer[];
  /** Nothing more will come; `fault` says why, unless the content is whole. */
  readonly over: boolean;
  readonly fault: string | null;
}

interface Inflater {
  /** Unpacks a piece, null for the end of the file. Nothing may be fed when it is over. */
  feed(input: Buffer | null): Promise<Fed>;
  close(): void;
}

function createInflater(): Inflater {
  const gunzip: Gunzip = createGunzip();
  let output: Buffer[] = [];
  let settle: (over: boolean, fault: string | null) => void = () => {};
  gunzip.on('data', (piece: Buffer) => output.push(piece));
  gunzip.on('end', () => settle(true, null));
  gunzip.on('error', (error) => settle(true, FAULTS[errorCode(error)] ?? 'it is damaged'));
  return {
    feed: (input) => new Promise((resolve) => {
      settle = (over, fault) => {
        resolve({ output, over, fault });
        output = [];
      };
      if (input === null) gunzip.end();
      else gunzip.write(input, (error) => error == null && settle(false, null));
    }),
    close: () => gunzip.destroy(),
  };
}

const FAULTS: Readonly<Record<string, string>> = {
  Z_BUF_ERROR: 'it ends too early',
};
