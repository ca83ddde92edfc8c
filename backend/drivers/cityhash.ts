// CityHash128 as of version 1.0.2, the checksum of ClickHouse's compressed blocks. Later versions
// of CityHash give other values; ClickHouse has stayed with this one.
//
// Source: G. Pike, J. Alakuijala, "CityHash", 2011 (k0 to k3 and the mixing steps). A test compares
// it with checksums that ClickHouse itself has written.

const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const K3 = 0xc949d7c7509e6557n;
const K_MUL = 0x9ddfea08eb382d69n;

/** The low and the high half, as a block's header has them. */
export type Hash128 = readonly [low: bigint, high: bigint];

export function cityHash128(bytes: Buffer): Hash128 {
  const size = bytes.length;
  if (size >= 16) {
    return seeded(bytes.subarray(16), fetch64(bytes, 0) ^ K3, fetch64(bytes, 8));
  }
  if (size < 8) return seeded(bytes, K0, K1);
  const low = fetch64(bytes, 0) ^ u64(BigInt(size) * K0);
  return seeded(bytes.subarray(size), low, fetch64(bytes, size - 8) ^ K1);
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const fetch64 = (bytes: Buffer, at: number): bigint => bytes.readBigUInt64LE(at);
const rotate = (value: bigint, bits: bigint): bigint =>
  u64((value >> bits) | (value << (64n - bits)));
const shiftMix = (value: bigint): bigint => value ^ (value >> 47n);

function mix(low: bigint, high: bigint): bigint {
  const first = shiftMix(u64((low ^ high) * K_MUL));
  return u64(shiftMix(u64((high ^ first) * K_MUL)) * K_MUL);
}

function seeded(bytes: Buffer, low: bigint, high: bigint): Hash128 {
  return bytes.length < 128 ? short(bytes, low, high) : long(bytes, low, high);
}

function short(bytes: Buffer, low: bigint, high: bigint): Hash128 {
  const size = bytes.length;
  let [a, b, c, d] = [low, high, 0n, 0n];
  if (size <= 16) {
    a = u64(shiftMix(u64(a * K1)) * K1);
    c = u64(b * K1 + upTo16(bytes));
    d = shiftMix(u64(a + (size >= 8 ? fetch64(bytes, 0) : c)));
  } else {
    c = mix(u64(fetch64(bytes, size - 8) + K1), a);
    d = mix(u64(b + BigInt(size)), u64(c + fetch64(bytes, size - 16)));
    a = u64(a + d);
    for (let at = 0; at < size - 16; at += 16) {
      a = u64((a ^ u64(shiftMix(u64(fetch64(bytes, at) * K1)) * K1)) * K1);
      b ^= a;
      c = u64((c ^ u64(shiftMix(u64(fetch64(bytes, at + 8) * K1)) * K1)) * K1);
      d ^= c;
    }
  }
  a = mix(a, c);
  b = mix(d, b);
  return [a ^ b, mix(b, a)];
}

function upTo16(bytes: Buffer): bigint {
  const size = bytes.length;
  const length = BigInt(size);
  if (size > 8) {
    const last = fetch64(bytes, size - 8);
    return mix(fetch64(bytes, 0), rotate(u64(last + length), length)) ^ last;
  }
  if (size >= 4) {
    const first = BigInt(bytes.readUInt32LE(0));
    return mix(length + (first << 3n), BigInt(bytes.readUInt32LE(size - 4)));
  }
  if (size === 0) return K2;
  const y = BigInt(bytes[0]! + (bytes[size >> 1]! << 8));
  const z = length + BigInt(bytes[size - 1]! << 2);
  return u64(shiftMix(u64(y * K2) ^ u64(z * K3)) * K2);
}

function long(bytes: Buffer, low: bigint, high: bigint): Hash128 {
  let at = 0;
  let [x, y, z] = [low, high, u64(BigInt(bytes.length) * K1)];
  let v0 = u64(rotate(y ^ K1, 49n) * K1 + fetch64(bytes, 0));
  let v1 = u64(rotate(v0, 42n) * K1 + fetch64(bytes, 8));
  let w0 = u64(rotate(u64(y + z), 35n) * K1 + x);
  let w1 = u64(rotate(u64(x + fetch64(bytes, 88)), 53n) * K1);
  // Two rounds of 64 bytes at a time; what is left of less than 128 is mixed in from the end.
  for (const end = bytes.length - (bytes.length % 128); at < end; at += 64) {
    x = u64(rotate(u64(x + y + v0 + fetch64(bytes, at + 16)), 37n) * K1) ^ w1;
    y = u64(rotate(u64(y + v1 + fetch64(bytes, at + 48)), 42n) * K1) ^ v0;
    z = rotate(z ^ w0, 33n);
    [v0, v1] = weak(bytes, at, u64(v1 * K1), u64(x + w0));
    [w0, w1] = weak(bytes, at + 32, u64(z + w1), y);
    [z, x] = [x, z];
  }
  y = u64(y + rotate(w0, 37n) * K0 + z);
  x = u64(x + rotate(u64(v0 + z), 49n) * K0);
  const left = bytes.length - at;
  for (let done = 32; done < left + 32; done += 32) {
    const tail = bytes.length - done;
    y = u64(rotate(u64(y - x), 42n) * K0 + v1);
    w0 = u64(w0 + fetch64(bytes, tail + 16));
    x = u64(rotate(x, 49n) * K0 + w0);
    w0 = u64(w0 + v0);
    [v0, v1] = weak(bytes, tail, v0, v1);
  }
  x = mix(x, v0);
  y = mix(y, w0);
  return [u64(mix(u64(x + v1), w1) + y), mix(u64(x + w1), u64(y + v1))];
}

/** 32 bytes into two seeds. */
function weak(bytes: Buffer, at: number, seed0: bigint, seed1: bigint): Hash128 {
  const last = fetch64(bytes, at + 24);
  const first = u64(seed0 + fetch64(bytes, at));
  const second = rotate(u64(seed1 + first + last), 21n);
  const sum = u64(first + fetch64(bytes, at + 8) + fetch64(bytes, at + 16));
  return [u64(sum + last), u64(second + rotate(sum, 44n) + first)];
}
