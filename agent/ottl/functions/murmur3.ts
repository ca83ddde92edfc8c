// MurmurHash3 with seed 0, as hexadecimal text in little-endian: of 32 bits (x86), and of 128 bits
// (x64). The algorithm is that of its author, in the public domain.

const rotate32 = (value: number, bits: number): number =>
  (value << bits) | (value >>> (32 - bits));

export function murmur32(text: string): string {
  const bytes = Buffer.from(text);
  const { length } = bytes;
  const end = length - (length % 4);
  let hash = 0;
  for (let at = 0; at < end; at += 4) {
    hash = rotate32(hash ^ mix32(bytes.readInt32LE(at)), 13);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= end; at--) tail = (tail << 8) | bytes[at]!;
  if (length > end) hash ^= mix32(tail);
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  const result = Buffer.alloc(4);
  result.writeUInt32LE((hash ^ (hash >>> 16)) >>> 0);
  return result.toString('hex');
}

const mix32 = (word: number): number =>
  Math.imul(rotate32(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);

const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate64 = (value: bigint, bits: bigint): bigint =>
  u64(value << bits) | (value >> (64n - bits));
const mixFirst = (word: bigint): bigint => u64(rotate64(u64(word * C1), 31n) * C2);
const mixSecond = (word: bigint): bigint => u64(rotate64(u64(word * C2), 33n) * C1);

export function murmur128(text: string): string {
  const bytes = Buffer.from(text);
  const { length } = bytes;
  const end = length - (length % 16);
  let first = 0n;
  let second = 0n;
  for (let at = 0; at < end; at += 16) {
    first = rotate64(first ^ mixFirst(bytes.readBigUInt64LE(at)), 27n);
    first = u64((u64(first + second)) * 5n + 0x52dce729n);
    second = rotate64(second ^ mixSecond(bytes.readBigUInt64LE(at + 8)), 31n);
    second = u64((u64(second + first)) * 5n + 0x38495ab5n);
  }
  const tail = Buffer.alloc(16);
  bytes.copy(tail, 0, end);
  if (length - end > 8) second ^= mixSecond(tail.readBigUInt64LE(8));
  if (length > end) first ^= mixFirst(tail.readBigUInt64LE(0));
  first = u64((first ^ BigInt(length)) + (second ^ BigInt(length)));
  second = u64((second ^ BigInt(length)) + first);
  first = finish64(first);
  second = finish64(second);
  first = u64(first + second);
  second = u64(second + first);
  const result = Buffer.alloc(16);
  result.writeBigUInt64LE(first, 0);
  result.writeBigUInt64LE(second, 8);
  return result.toString('hex');
}

function finish64(value: bigint): bigint {
  let hash = u64((value ^ (value >> 33n)) * 0xff51afd7ed558ccdn);
  hash = u64((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return hash ^ (hash >> 33n);
}
