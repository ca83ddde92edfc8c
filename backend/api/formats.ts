// What a ClickHouse format is called outside of ClickHouse: its media type, and the name under
// which a browser saves what it cannot show.

interface MediaType {
  readonly type: string;
  readonly extension: string;
}

/** Formats that ClickHouse sends as plain octets though they have a media type of their own. */
const BINARY: Readonly<Record<string, MediaType>> = {
  Parquet: { type: 'application/vnd.apache.parquet', extension: 'parquet' },
  Arrow: { type: 'application/vnd.apache.arrow.file', extension: 'arrow' },
  ArrowStream: { type: 'application/vnd.apache.arrow.stream', extension: 'arrows' },
  Avro: { type: 'application/avro', extension: 'avro' },
  ORC: { type: 'application/vnd.apache.orc', extension: 'orc' },
  MsgPack: { type: 'application/vnd.msgpack', extension: 'msgpack' },
  Npy: { type: 'application/octet-stream', extension: 'npy' },
};

const OCTETS = 'application/octet-stream';

/** The media type of a result; `told` is what the store says it is. */
export function mediaTypeOf(format: string, told: string): string {
  const known = BINARY[format];
  if (known !== undefined) return known.type;
  if (/^CSVWithNames/.test(format)) return told.replace('header=absent', 'header=present');
  return told;
}

/** A name to save a binary result by; null for text, which is shown. */
export function fileNameOf(format: string, told: string): string | null {
  const known = BINARY[format];
  if (known !== undefined) return `result.${known.extension}`;
  return told.startsWith(OCTETS) ? `result.${format.toLowerCase()}` : null;
}
