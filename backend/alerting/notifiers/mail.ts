// A mail as bytes (RFC 5322, MIME): headers of ASCII that are folded, a text and an HTML part of
// which programs show one, and pictures that the HTML shows.
//
//     multipart/alternative
//       text/plain            quoted-printable
//       multipart/related     (text/html alone when there are no pictures)
//         text/html           quoted-printable
//         image/png           base64, by Content-ID
//
// Every line has 998 bytes at most and ends with CRLF. A value of a header is one line whatever is
// in it, so nothing that alerts say can become a header.

import { oneLine } from './cut.ts';

export const limits = {
  /** Characters of a header's value. */
  valueMax: 10_000,
  /** Bytes of a line, as RFC 5322 recommends. */
  lineBytes: 76,
} as const;

export interface MailContent {
  /** In their order; names are checked before. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly text: string;
  readonly html: string;
  readonly pictures: readonly Picture[];
  /** Of letters and digits; must not occur in the content. */
  readonly boundary: string;
}

export interface Picture {
  /** By which HTML names it: `cid:chart1`. */
  readonly id: string;
  readonly png: Buffer;
}

export function encodeMail({ headers, text, html, pictures, boundary }: MailContent): Buffer {
  const page = part('text/html; charset=utf-8', 'quoted-printable', quotedPrintable(html));
  const shown = pictures.length === 0 ? page : multipart('related', `${boundary}r`, [
    page, ...pictures.map(({ id, png }) => part('image/png', 'base64', base64Lines(png),
      `Content-ID: <${id}>\r\nContent-Disposition: inline; filename="${id}.png"\r\n`)),
  ]);
  const head = headers.map(([name, value]) => header(name, value)).join('');
  const body = multipart('alternative', `${boundary}a`, [
    part('text/plain; charset=utf-8', 'quoted-printable', quotedPrintable(text)), shown]);
  return Buffer.from(`${head}MIME-Version: 1.0\r\n${body}`);
}

function multipart(kind: string, boundary: string, parts: readonly string[]): string {
  const inside = parts.map((one) => `--${boundary}\r\n${one}\r\n`).join('');
  const head = `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n`;
  return `${head}${inside}--${boundary}--\r\n`;
}

const part = (type: string, encoding: string, content: string, more = ''): string =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n${more}\r\n${content}`;

const base64Lines = (bytes: Buffer): string =>
  bytes.toString('base64').replace(/.{76}/g, '$&\r\n');

/** RFC 2045, section 6.7. */
export function quotedPrintable(text: string): string {
  return text.replace(/\r\n?/g, '\n').split('\n').map((line) => {
    const rows = [''];
    const bytes = Buffer.from(line);
    bytes.forEach((byte, index) => {
      const isLast = index === bytes.length - 1;
      const isPlain = (byte >= 33 && byte <= 126 && byte !== 61) || (!isLast
        && (byte === 32 || byte === 9));
      const piece = isPlain ? String.fromCharCode(byte)
        : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      // The `=` that joins rows needs a place.
      if (rows.at(-1)!.length + piece.length > limits.lineBytes - 1) rows.push('');
      rows[rows.length - 1] += piece;
    });
    return rows.join('=\r\n');
  }).join('\r\n');
}

/** One header with its line end. What is not ASCII is written as RFC 2047 has it. */
export function header(name: string, value: string): string {
  const text = oneLine(value, limits.valueMax);
  const isAscii = /^[\x20-\x7e]*$/.test(text);
  if (WITH_ADDRESSES.test(name)) return folded(`${name}: `, isAscii ? text : namesEncoded(text));
  const isPlain = isAscii && !text.includes('=?');
  return isPlain ? folded(`${name}: `, text) : `${name}: ${encodedWords(text)}\r\n`;
}

const WITH_ADDRESSES = /^(?:from|to|cc|reply-to|sender)$/i;

/** An address may not be part of an encoded word: only names are (RFC 2047, section 5). */
const namesEncoded = (text: string): string =>
  text.replace(/"((?:[^"\\]|\\.)*)"|[^<>,"]+/g, (found, quoted: string | undefined) => {
    if (/^[\x20-\x7e]*$/.test(found)) return found;
    const name = quoted === undefined ? found.trim() : quoted.replace(/\\(.)/g, '$1');
    return `${encodedWords(name).replaceAll('\r\n', '')}${/\s$/.test(found) ? ' ' : ''}`;
  });

/** Broken where a space is; a longer word stays whole, up to what is allowed. */
function folded(start: string, text: string): string {
  const WORD_MAX = 900; // A line may have 998.
  const words = text.split(' ').flatMap((word) => word.match(new RegExp(`.{1,${WORD_MAX}}`, 'g'))
    ?? [word]);
  const rows = [start];
  let isFirst = true;
  for (const word of words) {
    const row = rows.at(-1)!;
    if (isFirst || row.length + 1 + word.length <= limits.lineBytes) {
      rows[rows.length - 1] = isFirst ? `${row}${word}` : `${row} ${word}`;
    } else {
      rows.push(` ${word}`);
    }
    isFirst = false;
  }
  return `${rows.join('\r\n')}\r\n`;
}

/** RFC 2047, section 2: words of 75 characters at most, none with part of a character. */
export function encodedWords(text: string): string {
  const BYTES_MAX = 42; // 42 bytes are 56 characters of base64.
  const words: string[] = [''];
  for (const character of text) {
    const grown = `${words.at(-1)!}${character}`;
    if (Buffer.byteLength(grown) > BYTES_MAX) words.push(character);
    else words[words.length - 1] = grown;
  }
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`)
    .join('\r\n ');
}
