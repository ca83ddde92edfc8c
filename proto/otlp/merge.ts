// Many export requests as one. Protobuf joins repeated fields when messages are concatenated, and
// an export request is nothing but a repeated field: its bytes one after the other are a request.

/** All parts must be of the same signal. A single part is answered as it is, not copied. */
export function mergeRequests(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
