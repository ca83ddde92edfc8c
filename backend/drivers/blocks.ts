// ClickHouse's compressed blocks: what `compress=1` asks the answer to be made of, and what
// `decompress=1` says the request is made of. ClickHouse stores columns in the same form.
//
//     checksum   16  CityHash128 (1.0.2) of all that follows, low half first, little-endian
//     method      1  0x82 LZ4, 0x90 ZSTD, 0x02 none
//     size        4  of method, both sizes and data
//     raw size    4  of the data when it is decompressed
//     data
//
// Source: ClickHouse, src/Compression/CompressedReadBufferBase.cpp and CompressionInfo.h.

import { Transform, type TransformCallback } from 'node:stream';
import { cityHash128 } from './cityhash.ts';
import { boundOf, compressLz4, decompressLz4 } from './lz4.ts';

export const limits = {
  /** Raw bytes of a block that we write; ClickHouse's own default. */
  rawBytesMax: 1024 * 1024,
  /** Raw bytes of a block that we read; a larger one is refused. */
  readBytesMax: 64 * 1024 * 1024,
} as const;

const CHECKSUM_BYTES = 16;
const HEADER_BYTES = 9;
const METHOD = { none: 0x02, lz4: 0x82 } as const;

export class BlockError extends Error {}

/** One block around `raw`, which has at most `limits.rawBytesMax`. */
export function encodeBlock(raw: Buffer): Buffer {
  const out = Buffer.allocUnsafe(CHECKSUM_BYTES + HEADER_BYTES + boundOf(raw.length));
  const end = compressLz4(raw, out, CHECKSUM_BYTES + HEADER_BYTES);
  out[CHECKSUM_BYTES] = METHOD.lz4;
  out.writeUInt32LE(end - CHECKSUM_BYTES, CHECKSUM_BYTES + 1);
  out.writeUInt32LE(raw.length, CHECKSUM_BYTES + 5);
  const [low, high] = cityHash128(out.subarray(CHECKSUM_BYTES, end));
  out.writeBigUInt64LE(low, 0);
  out.writeBigUInt64LE(high, 8);
  return out.subarray(0, end);
}

/**
 * The raw bytes of all blocks, `bytesMax` at most. Throws BlockError for what is no block, is
 * damaged, too large, or compressed in a way that is not read here.
 */
export function decodeBlocks(bytes: Buffer, bytesMax: number = limits.readBytesMax): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  for (let at = 0; at < bytes.length;) {
    const { raw, end } = decodeBlock(bytes, at, bytesMax - total);
    parts.push(raw);
    total += raw.length;
    at = end;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

function decodeBlock(bytes: Buffer, at: number, roomBytes: number): { raw: Buffer; end: number } {
  const head = at + CHECKSUM_BYTES;
  if (bytes.length < head + HEADER_BYTES) throw new BlockError('a compressed block is cut off');
  const size = bytes.readUInt32LE(head + 1);
  const rawSize = bytes.readUInt32LE(head + 5);
  const end = head + size;
  if (size < HEADER_BYTES || end > bytes.length) {
    throw new BlockError('a compressed block is cut off');
  }
  if (rawSize > roomBytes) throw new BlockError('the compressed blocks hold too much');
  const [low, high] = cityHash128(bytes.subarray(head, end));
  if (low !== bytes.readBigUInt64LE(at) || high !== bytes.readBigUInt64LE(at + 8)) {
    throw new BlockError('the checksum of a compressed block is wrong');
  }
  const raw = rawOf(bytes[head]!, bytes.subarray(head + HEADER_BYTES, end), rawSize);
  if (raw === null) throw new BlockError('a compressed block is broken');
  return { raw, end };
}

function rawOf(method: number, data: Buffer, rawSize: number): Buffer | null {
  if (method === METHOD.lz4) return decompressLz4(data, rawSize);
  if (method === METHOD.none) return data.length === rawSize ? data : null;
  throw new BlockError(`compressed blocks are read as LZ4, not as 0x${method.toString(16)}`);
}

/** Bytes in, blocks out. Holds less than one block. */
export class BlockEncoder extends Transform {
  private held: Buffer[];
  private heldBytes: number;

  constructor() {
    super();
    this.held = [];
    this.heldBytes = 0;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes >= limits.rawBytesMax) this.pushBlocks(limits.rawBytesMax);
    done();
  }

  override _flush(done: TransformCallback): void {
    this.pushBlocks(1);
    done();
  }

  private pushBlocks(atLeast: number): void {
    let rest = Buffer.concat(this.held);
    while (rest.length >= atLeast) {
      this.push(encodeBlock(rest.subarray(0, limits.rawBytesMax)));
      rest = rest.subarray(limits.rawBytesMax);
    }
    this.held = rest.length === 0 ? [] : [rest];
    this.heldBytes = rest.length;
  }
}
