// The text methods of Node's Buffer that its type declarations leave out. They skip the choice of
// an encoding by name, which for short strings costs as much as the work itself.
//
// Also a small cache of short strings: attribute keys and values repeat in every record, and
// comparing bytes with a known string is two to four times cheaper than making the string anew.

export interface TextBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  hexSlice(start: number, end: number): string;
  utf8Write(text: string, start: number): number;
  hexWrite(text: string, start: number): number;
}

/** The same memory as a Buffer, so that the code which reads it sees one kind of object only. */
export function textBuffer(bytes: Uint8Array): TextBuffer {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer as TextBuffer;
}

export const limits = {
  /** Longer strings are made without asking the cache: comparing would cost more than making. */
  cachedBytesMax: 24,
  /** A power of two. When two strings fall on one slot, the later one takes it. */
  cacheSlots: 2048,
} as const;

const cache: string[] = new Array<string>(limits.cacheSlots).fill('');

/**
 * The UTF-8 text from `start` to `end`, which the caller has checked to be inside. Invalid UTF-8
 * becomes U+FFFD: a log line with a broken byte is worth more than a refused batch.
 */
export function decodeText(buffer: TextBuffer, start: number, end: number): string {
  const size = end - start;
  if (size > limits.cachedBytesMax) return buffer.utf8Slice(start, end);
  if (size === 0) return '';
  const slot = slotOf(buffer, start, size);
  const known = cache[slot]!;
  if (known.length === size) {
    let at = 0;
    while (at < size && known.charCodeAt(at) === buffer[start + at]) at++;
    if (at === size) return known;
  }
  const text = buffer.utf8Slice(start, end);
  // Of the same length as its bytes: only ASCII and U+FFFD, so bytes can be compared with it.
  if (text.length === size) cache[slot] = text;
  return text;
}

function slotOf(buffer: TextBuffer, start: number, size: number): number {
  const first = buffer[start]!;
  const middle = buffer[start + (size >> 1)]!;
  const last = buffer[start + size - 1]!;
  const beforeLast = buffer[start + size - 1 - (size >> 2)]!;
  const hash = size * 7 + first * 31 + middle * 1031 + last * 131 + beforeLast * 4099;
  return (hash ^ (hash >>> 9)) & (limits.cacheSlots - 1);
}
