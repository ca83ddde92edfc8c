// Encodings: how the bytes of a file become text, and how its lines end.
//
//   utf-8       text; bytes that are not valid UTF-8 become U+FFFD (counted)
//   utf-8-raw   text where it is valid; a record that is not is kept as bytes, all of them
//   ascii       as utf-8; a byte above 127 becomes U+FFFD
//   utf-16le, utf-16be   text; a byte order mark at the beginning of the file is left out
//   latin1, windows-1252, big5, gbk, shift_jis, euc-kr, …   text, by the tables of Node (WHATWG)
//   nop         bytes, exactly, not split into lines
//
// All but UTF-16 have in common that the byte 0x0A is a line feed and never a part of another
// character; encodings for which that is not so (utf-7, iso-2022-*) are not taken.

export interface Encoding {
  readonly kind: 'utf8' | 'raw' | 'utf16' | 'table' | 'nop';
  /** Bytes of the smallest character: a position in a file is a multiple of it. */
  readonly unitBytes: 1 | 2;
  /** The name for TextDecoder; for UTF-16 it tells the byte order. */
  readonly label: string;
}

/** Null when the name is not known. Names are taken in any case, with `-` or `_`. */
export function parseEncoding(name: string): Encoding | null {
  const plain = name.toLowerCase().replaceAll('_', '-');
  const known = KNOWN[plain];
  if (known !== undefined) return known;
  if (!TABLES.test(plain)) return null;
  try {
    return { kind: 'table', unitBytes: 1, label: new TextDecoder(plain).encoding };
  } catch {
    return null;
  }
}

const UTF8: Encoding = { kind: 'utf8', unitBytes: 1, label: 'utf-8' };
const UTF16LE: Encoding = { kind: 'utf16', unitBytes: 2, label: 'utf-16le' };

const KNOWN: Record<string, Encoding> = {
  '': UTF8,
  'utf-8': UTF8,
  utf8: UTF8,
  'utf-8-raw': { kind: 'raw', unitBytes: 1, label: 'utf-8' },
  ascii: { kind: 'table', unitBytes: 1, label: 'ascii' },
  'us-ascii': { kind: 'table', unitBytes: 1, label: 'ascii' },
  'utf-16le': UTF16LE,
  'utf-16': UTF16LE,
  'utf-16be': { kind: 'utf16', unitBytes: 2, label: 'utf-16be' },
  latin1: { kind: 'table', unitBytes: 1, label: 'latin1' },
  'iso-8859-1': { kind: 'table', unitBytes: 1, label: 'latin1' },
  nop: { kind: 'nop', unitBytes: 1, label: 'nop' },
};

const TABLES = new RegExp('^(?:windows-\\d+|iso-8859-\\d+|koi8-[ru]|macintosh|ibm866|big5|gbk'
  + '|gb18030|gb2312|shift-jis|sjis|euc-jp|euc-kr)$');

/** Makes text of whole characters. */
export type Decode = (bytes: Buffer, start: number, end: number) => string;

export function createDecoder({ label }: Encoding): Decode {
  if (label === 'latin1' || label === 'nop') {
    return (bytes, start, end) => bytes.toString('latin1', start, end);
  }
  if (label === 'utf-16le') return (bytes, start, end) => bytes.toString('utf16le', start, end);
  if (label === 'utf-8') return (bytes, start, end) => bytes.toString('utf8', start, end);
  if (label === 'ascii') {
    return (bytes, start, end) =>
      bytes.toString('latin1', start, end).replace(/[\x80-\xff]/g, '\ufffd');
  }
  if (label === 'windows-1252') return decodeWindows1252;
  const decoder = new TextDecoder(label, { ignoreBOM: true });
  return (bytes, start, end) => decoder.decode(bytes.subarray(start, end));
}

/** Node 20's own decoder takes this encoding for latin1 (nodejs/node#56542). */
const decodeWindows1252: Decode = (bytes, start, end) =>
  bytes.toString('latin1', start, end)
    .replace(/[\x80-\x9f]/g, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]!);

const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/**
 * How many of the bytes before `end` belong to a character that `end` cuts through, so that a long
 * record can be split between characters. `start` bounds the look back.
 */
export function cutBytes(encoding: Encoding, bytes: Buffer, start: number, end: number): number {
  if (encoding.kind === 'utf16') return cutSurrogate(encoding, bytes, start, end);
  if (encoding.kind !== 'utf8' && encoding.kind !== 'raw') return 0;
  for (let back = 1; back <= 3 && end - back > start; back++) {
    const byte = bytes[end - back]!;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
}

function cutSurrogate({ label }: Encoding, bytes: Buffer, start: number, end: number): number {
  if (end - start < 4) return 0;
  const high = bytes[label === 'utf-16le' ? end - 1 : end - 2]!;
  return high >= 0xd8 && high <= 0xdb ? 2 : 0;
}
