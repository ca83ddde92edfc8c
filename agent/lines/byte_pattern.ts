// Expressions for bytes: text is read as one character for each byte (`latin1`), so that a position
// in the text is a position in the file, and the characters of an expression become their bytes of
// UTF-8.

/**
 * The same expression for such text. Null for one that cannot be said so, because several bytes
 * would have to count as one: characters beyond ASCII in brackets, classes such as `\p{L}`, and
 * `\u{…}`.
 */
export function forBytes(expression: RegExp): RegExp | null {
  const { source, flags } = expression;
  for (const [token] of source.matchAll(TOKENS)) {
    if (/^\\[pPu]/.test(token)) return null;
    if (token.startsWith('[') && !/^(?:[\x00-\x7f](?<!\\[pPu]))*$/.test(token)) return null;
  }
  const bytes = source.replace(/[^\x00-\x7f]/gu, (character) =>
    Buffer.from(character, 'utf8').toString('latin1'));
  return new RegExp(bytes, flags.replace('u', ''));
}

/** Escapes and brackets are wholes; all else is one character. */
const TOKENS = /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|[\s\S]/g;
