// Text as a terminal shows it: how wide it is, without what could steer the terminal, in colours
// where they are wanted. Results hold what strangers wrote into their logs.

/** Control characters, and those that turn the direction of what follows. */
const STEERING = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Nothing in it moves the cursor or changes colours; line feeds stay. */
export const harmless = (text: string): string => text.replace(STEERING, (character) =>
  NAMES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

const NAMES: Readonly<Record<string, string>> = { '\t': '\\t', '\r': '\\r', '\u001b': '\\e' };

/** As `harmless`, for text in which tabs part columns. */
export const harmlessLines = (text: string): string =>
  text.replace(STEERING, (character) => (character === '\t' ? '\t' : harmless(character)));

const ASCII = /^[\u0020-\u007e]*$/;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const DOUBLE = new RegExp('^(?:\\p{Emoji_Presentation}|[\\u1100-\\u115f\\u2e80-\\u303e'
  + '\\u3041-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6]'
  + '|[\\u{20000}-\\u{3fffd}])$', 'u');

/** Columns that it takes. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

const widthOfCharacter = (character: string): number =>
  (NO_WIDTH.test(character) ? 0 : DOUBLE.test(character) ? 2 : 1);

/** The beginning of it that takes at most `columns`, with a mark when it is not all. */
export function cut(text: string, columns: number): string {
  if (text.length <= columns && ASCII.test(text)) return text;
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const character of text) {
    width += widthOfCharacter(character);
    if (width > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

export interface Colours {
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly red: (text: string) => string;
}

const paint = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const plain = (text: string): string => text;
const PLAIN: Colours = { dim: plain, bold: plain, red: plain };
const COLOURED: Colours = { dim: paint(2), bold: paint(1), red: paint(31) };

/** For a stream; NO_COLOR and a dumb terminal take them away (no-color.org). */
export function coloursFor(stream: { readonly isTTY?: boolean }): Colours {
  const { NO_COLOR = '', TERM = '' } = process.env;
  return stream.isTTY === true && NO_COLOR === '' && TERM !== 'dumb' ? COLOURED : PLAIN;
}

const whole = new Intl.NumberFormat('en-US');

export const numberText = (value: number): string => whole.format(value);

/** `1 row`, `2,000 rows`. */
export const countText = (count: number, noun: string): string =>
  `${numberText(count)} ${noun}${count === 1 ? '' : 's'}`;

export function bytesText(bytes: number): string {
  const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return (parts[0] === 0 ? parts.slice(1) : parts).map((part, index) =>
    (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}
