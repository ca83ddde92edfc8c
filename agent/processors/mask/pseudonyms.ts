// Names that stand for secrets: the same secret has the same name, and nobody without the key can
// tell which, nor try all phone numbers until one fits (HMAC-SHA-256, RFC 2104).

import { createHmac } from 'node:crypto';

/** 64 bits: two of four billion values meet by chance once in two. */
const NAME_BYTES = 8;

/** Answers null for rules that have none. A name is letters only, so no rule takes it for more. */
export function createPseudonyms(
  key: Uint8Array | null,
  rules: readonly string[],
): (rule: string, plain: string) => string | null {
  if (key === null) return () => null;
  const named = new Set(rules);
  return (rule, plain) => (named.has(rule) ? `[${rule}:${nameOf(key, rule, plain)}]` : null);
}

function nameOf(key: Uint8Array, rule: string, plain: string): string {
  const digest = createHmac('sha256', key).update(`${rule}\0${plain}`).digest();
  return [...digest.subarray(0, NAME_BYTES)].map((byte) =>
    String.fromCharCode(0x61 + (byte >> 4), 0x61 + (byte & 15))).join('');
}
