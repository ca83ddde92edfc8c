// LZ4 blocks (lz4_Block_format.md of the LZ4 project), as ClickHouse's compressed blocks hold them:
//
//     sequence = token, literal length (more), literals, offset (2, little-endian), match length
//     token    = high 4 bits: literals, 15 = more bytes follow; low 4 bits: match − 4, likewise
//
// The last sequence has literals only; the last 5 bytes are literals, and no match begins within
// the last 12 (§ "End of block restrictions").

const MATCH_MIN = 4;
const LITERALS_LAST = 5;
const MATCH_FREE_END = 12;
const OFFSET_MAX = 65_535;
const HASH_BITS = 14;
/** Multiplier of Knuth's hash, 2^32 ÷ golden ratio. */
const HASH_FACTOR = 2_654_435_761;
/** Without a match for long, the search takes longer steps. */
const SKIP_SHIFT = 6;

/** Bytes that a compressed block takes at most. */
export const boundOf = (bytes: number): number => bytes + Math.ceil(bytes / 255) + 16;

/** Compresses into `out` from `at`; its room must be `boundOf`. Returns the end. */
export function compressLz4(source: Buffer, out: Buffer, at: number): number {
  const table = new Int32Array(1 << HASH_BITS).fill(-1);
  const searchEnd = source.length - MATCH_FREE_END;
  let anchor = 0;
  let position = 0;
  let to = at;
  let misses = 0;
  while (position < searchEnd) {
    const word = source.readInt32LE(position);
    const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS);
    const candidate = table[slot]!;
    table[slot] = position;
    const found = candidate >= 0 && position - candidate <= OFFSET_MAX
      && source.readInt32LE(candidate) === word;
    if (!found) {
      position += 1 + (misses >> SKIP_SHIFT);
      misses += 1;
      continue;
    }
    misses = 0;
    const length = matchLength(source, candidate, position);
    to = writeSequence(source.subarray(anchor, position), out, to, length);
    to = out.writeUInt16LE(position - candidate, to);
    to = writeMore(out, to, length - MATCH_MIN);
    position += length;
    anchor = position;
  }
  return writeSequence(source.subarray(anchor), out, to, MATCH_MIN);
}

function matchLength(source: Buffer, candidate: number, position: number): number {
  const end = source.length - LITERALS_LAST;
  let length = MATCH_MIN;
  while (position + length < end && source[candidate + length] === source[position + length]) {
    length += 1;
  }
  return length;
}

/** Token and literals. The offset and the rest of the match's length come behind. */
function writeSequence(literals: Buffer, out: Buffer, at: number, matched: number): number {
  const high = Math.min(literals.length, 15);
  const low = Math.min(matched - MATCH_MIN, 15);
  out[at] = (high << 4) | low;
  const to = writeMore(out, at + 1, literals.length);
  return to + literals.copy(out, to);
}

/** What a length of 15 or more has beyond its four bits. */
function writeMore(out: Buffer, at: number, length: number): number {
  if (length < 15) return at;
  let to = at;
  let left = length - 15;
  for (; left >= 255; left -= 255) out[to++] = 255;
  out[to++] = left;
  return to;
}

/** Null when the block is broken or does not have exactly `size` bytes. */
export function decompressLz4(block: Buffer, size: number): Buffer | null {
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  let to = 0;
  const more = (length: number): number => {
    let total = length;
    let byte = length === 15 ? 255 : 0;
    while (byte === 255 && at < block.length) {
      byte = block[at++]!;
      total += byte;
    }
    return total;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = more(token >> 4);
    if (at + literals > block.length || to + literals > size) return null;
    to += block.copy(out, to, at, at + literals);
    at += literals;
    if (at === block.length) return to === size ? out : null;
    if (at + 2 > block.length) return null;
    const offset = block.readUInt16LE(at);
    at += 2;
    const length = more(token & 15) + MATCH_MIN;
    if (offset === 0 || offset > to || to + length > size) return null;
    // A match may overlap itself: it repeats what it has just written.
    for (const end = to + length; to < end; to += 1) out[to] = out[to - offset]!;
  }
  return null;
}
