// The formats in which results may be had: all that ClickHouse 26.7 writes, but for those below.

const ALLOWED = `
  Arrow ArrowStream Avro BSONEachRow Buffers CSV CSVWithNames CSVWithNamesAndTypes CustomSeparated
  CustomSeparatedWithNames CustomSeparatedWithNamesAndTypes GeoJSON Hash JSON JSONColumns
  JSONColumnsWithMetadata JSONCompact JSONCompactColumns JSONCompactEachRow
  JSONCompactEachRowWithNames JSONCompactEachRowWithNamesAndTypes JSONCompactEachRowWithProgress
  JSONCompactStrings JSONCompactStringsEachRow JSONCompactStringsEachRowWithNames
  JSONCompactStringsEachRowWithNamesAndTypes JSONCompactStringsEachRowWithProgress JSONEachRow
  JSONEachRowWithProgress JSONL JSONLines JSONObjectEachRow JSONStrings JSONStringsEachRow
  JSONStringsEachRowWithProgress LineAsString LineAsStringWithNames LineAsStringWithNamesAndTypes
  MD Markdown MsgPack NDJSON Native Npy Null ORC PNG Parquet Pretty PrettyCompact
  PrettyCompactMonoBlock PrettyCompactNoEscapes PrettyCompactNoEscapesMonoBlock PrettyJSONEachRow
  PrettyJSONLines PrettyMonoBlock PrettyNDJSON PrettyNoEscapes PrettyNoEscapesMonoBlock PrettySpace
  PrettySpaceMonoBlock PrettySpaceNoEscapes PrettySpaceNoEscapesMonoBlock Prometheus Raw RawBLOB
  RawWithNames RawWithNamesAndTypes RowBinary RowBinaryWithNames RowBinaryWithNamesAndTypes
  SQLInsert TSKV TSV TSVRaw TSVRawWithNames TSVRawWithNamesAndTypes TSVWithNames
  TSVWithNamesAndTypes TabSeparated TabSeparatedRaw TabSeparatedRawWithNames
  TabSeparatedRawWithNamesAndTypes TabSeparatedWithNames TabSeparatedWithNamesAndTypes Values
  Vertical XML`;

/** Need a schema or a template from a file, ask a schema registry, or are other protocols. */
const REFUSED = `
  AvroConfluent MySQLWire ODBCDriver2 PostgreSQLWire Protobuf ProtobufList
  ProtobufSingle Template`;

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

export const FORMATS = { allowed: wordsOf(ALLOWED), refused: wordsOf(REFUSED) } as const;

const byLowerCase = new Map(FORMATS.allowed.map((name) => [name.toLowerCase(), name]));

/** The format as ClickHouse spells it; null when results are not to be had in it. */
export const formatOf = (name: string): string | null =>
  byLowerCase.get(name.toLowerCase()) ?? null;
