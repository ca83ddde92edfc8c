// Texts cut to a number of bytes of UTF-8, never through the middle of a character.

/** The text, or as much of it as fits in `bytesMax` together with the marker behind it. */
export function truncatedText(text: string, bytesMax: number, marker: string): string {
  // No character has more bytes than thrice its length in UTF-16.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  const kept = boundaryBefore(bytes, bytesMax - Buffer.byteLength(marker));
  return bytes.toString('utf8', 0, kept) + marker;
}

/** Whether a byte goes on with a character that began before it. */
const isInside = (byte: number | undefined): boolean => ((byte ?? 0) & 0xc0) === 0x80;

/** The last beginning of a character that is not behind `at`. */
export function boundaryBefore(bytes: Uint8Array, at: number): number {
  let boundary = at;
  while (boundary > 0 && isInside(bytes[boundary])) boundary--;
  return boundary;
}

/** The first beginning of a character that is not before `at`. */
export function boundaryAfter(bytes: Uint8Array, at: number): number {
  let boundary = at;
  while (isInside(bytes[boundary])) boundary++;
  return boundary;
}
