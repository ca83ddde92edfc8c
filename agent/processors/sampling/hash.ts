// FNV-1a, as the Collector's samplers use it, so that agents and Collectors with one seed or salt
// decide alike. Not for secrets.

import { THRESHOLD_DIGITS, type Randomness } from './threshold.ts';

const OFFSET_32 = 0x811c9dc5;
const PRIME_32 = 0x01000193;

/** FNV-1a of 32 bits over the seed (4 bytes, little-endian) and then `bytes`. */
export function hash32(bytes: Uint8Array, seed: number): number {
  let hash = OFFSET_32;
  for (let shift = 0; shift < 32; shift += 8) {
    hash = Math.imul(hash ^ ((seed >>> shift) & 0xff), PRIME_32);
  }
  for (let index = 0; index < bytes.length; index++) {
    hash = Math.imul(hash ^ bytes[index]!, PRIME_32);
  }
  return hash >>> 0;
}

/** Of a hash of 32 bits the Collector's `hash_seed` sampling looks at so many. */
export const HASH_BUCKETS = 0x4000;

/**
 * The randomness that the Collector's `hash_seed` sampling makes of a hash: its low 14 bits, the
 * other way round, come first, so that comparing with a threshold decides as it always did.
 */
export function hashedRandomness(hash: number): Randomness {
  const bucket = hash & (HASH_BUCKETS - 1);
  const unused = hash >>> 18;
  const mixed = (unused ^ (unused << 10)) & 0xfffffff;
  const high = (HASH_BUCKETS - 1 - bucket) * HASH_BUCKETS + (mixed >>> 14);
  const low = (mixed & (HASH_BUCKETS - 1)) * HASH_BUCKETS + bucket;
  return hexOf(high) + hexOf(low);
}

const hexOf = (bits28: number): string => bits28.toString(16).padStart(THRESHOLD_DIGITS / 2, '0');

/** The state of FNV-1a of 64 bits. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

const OFFSET_64: Hash64 = { high: 0xcbf29ce4, low: 0x84222325 };
/** The prime is 2^40 + 2^8 + 0xb3. */
const PRIME_LOW = 0x1b3;

/** FNV-1a of 64 bits, continued from `start`. */
export function hash64(bytes: Uint8Array, start: Hash64 = OFFSET_64): Hash64 {
  let { high, low } = start;
  for (let index = 0; index < bytes.length; index++) {
    low = (low ^ bytes[index]!) >>> 0;
    const product = low * PRIME_LOW;
    // Times 2^40: what of the low word reaches the high one.
    high = (Math.imul(high, PRIME_LOW) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return { high, low };
}

/** At which place from 0 to 1 a hash lies. */
export const placeOf = ({ high, low }: Hash64): number => (high * 2 ** 32 + low) / 2 ** 64;
