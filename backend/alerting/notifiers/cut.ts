// Texts that must not be longer than a service takes. What is cut ends with `…`, never in the
// middle of a character that takes two units of UTF-16.

/** At most so many characters (code points). */
export function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const characters = [...text.slice(0, charactersMax * 2 + 2)];
  if (characters.length <= charactersMax) return text;
  return `${characters.slice(0, Math.max(0, charactersMax - 1)).join('')}…`;
}

/** Number of characters (code points). */
export function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

// Control characters, and those that turn the direction of text around.
const UNSEEN = new RegExp('[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b\\u2028-\\u202e'
  + '\\u2066-\\u2069\\ufeff]', 'g');

/** Without control characters; lines and tabs stay. Broken surrogates become U+FFFD. */
export const clean = (text: string): string => Buffer.from(text).toString().replace(UNSEEN, '');

/** In one line, at most so many characters. */
export const oneLine = (text: string, charactersMax: number): string =>
  cut(clean(text).replace(/\s+/g, ' ').trim(), charactersMax);
