// Reads a Native block as the transcoder makes it (backend/storage/clickhouse/transcode/table.ts),
// as far as a simulated store must understand it: strings and times are kept, all else is passed
// over. It shares no code with what writes the block.

/** The columns that are kept, by name. */
export interface Block {
  readonly rows: number;
  readonly strings: ReadonlyMap<string, readonly string[]>;
  /** Nanoseconds since the Unix epoch. */
  readonly times: ReadonlyMap<string, readonly bigint[]>;
}

const LOW = 'LowCardinality(String)';
const WIDTHS: Readonly<Record<string, number>> = {
  UInt8: 1, Bool: 1, UInt32: 4, Int32: 4, UInt64: 8, Int64: 8, Float64: 8, 'DateTime64(9)': 8,
};

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** Throws when the bytes are no whole block. */
export function readBlock(bytes: Buffer, wanted: ReadonlySet<string>): Block {
  const cursor: Cursor = { bytes, at: 0 };
  const columns = varint(cursor);
  const rows = varint(cursor);
  const strings = new Map<string, readonly string[]>();
  const times = new Map<string, readonly bigint[]>();
  for (let column = 0; column < columns; column++) {
    const name = text(cursor);
    const type = text(cursor);
    // Each dictionary in the type has a version in front of the column.
    cursor.at += 8 * (type.match(/LowCardinality/g) ?? []).length;
    if (!wanted.has(name)) skip(cursor, type, rows);
    else if (type === LOW) strings.set(name, lowStrings(cursor, rows));
    else if (type === 'String') strings.set(name, Array.from({ length: rows }, () => text(cursor)));
    else if (type === 'DateTime64(9)') {
      times.set(name, Array.from({ length: rows }, (_, row) =>
        bytes.readBigInt64LE(cursor.at + 8 * row)));
      cursor.at += 8 * rows;
    } else throw new Error(`column ${name} is a ${type}`);
  }
  if (cursor.at !== bytes.length) throw new Error(`block ends at ${cursor.at} of ${bytes.length}`);
  return { rows, strings, times };
}

function skip(cursor: Cursor, type: string, rows: number): void {
  const width = WIDTHS[type];
  const array = /^Array\((.*)\)$/.exec(type);
  const map = /^Map\((.*), (.*)\)$/.exec(type);
  if (type === LOW) lowStrings(cursor, rows);
  else if (width !== undefined) cursor.at += width * rows;
  else if (type === 'String') {
    for (let row = 0; row < rows; row++) text(cursor);
  } else if (array !== null) skip(cursor, array[1]!, elements(cursor, rows));
  else if (map !== null) {
    const count = elements(cursor, rows);
    skip(cursor, map[1]!, count);
    skip(cursor, map[2]!, count);
  } else throw new Error(`unknown type ${type}`);
}

/** A width of places and flags, the texts, and for each element the place of its text. */
function lowStrings(cursor: Cursor, count: number): string[] {
  if (count === 0) return [];
  const { bytes } = cursor;
  const number = () => Number(bytes.readBigUInt64LE((cursor.at += 8) - 8));
  if ((number() & 0xff) !== 2) throw new Error('places are not of 4 bytes');
  const texts = Array.from({ length: number() }, () => text(cursor));
  if (number() !== count) throw new Error('not a place for each element');
  return Array.from({ length: count }, () => texts[bytes.readUInt32LE((cursor.at += 4) - 4)]!);
}

/** The last of the running totals that an array or a map begins with. */
function elements(cursor: Cursor, rows: number): number {
  cursor.at += 8 * rows;
  return rows === 0 ? 0 : Number(cursor.bytes.readBigUInt64LE(cursor.at - 8));
}

function varint(cursor: Cursor): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) throw new Error('block is cut');
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
}

function text(cursor: Cursor): string {
  const length = varint(cursor);
  cursor.at += length;
  return cursor.bytes.toString('utf8', cursor.at - length, cursor.at);
}
