// The first question of clickhouse-go: who the server is, and by which revision of the native
// protocol it writes `Native`. Over HTTP the answer to that question is read by the revision that
// the caller has named, all later ones by the revision that the answer says. We say 0, which is
// plain `Native` as it comes from the store, without the head that later revisions put before each
// block and the byte that they put behind each type; only this one answer has them.
//
// Block of `Native` from revision 1 and, for the kind of serialization, 54454 on:
//
//     01 00  02 ffffffff  00   info: no overflows, bucket −1
//     columns, rows            varints
//     per column: name, type (each varint length and bytes), 00 (usual serialization), values
//
// Source: ClickHouse, src/Core/BlockInfo.cpp, ProtocolDefines.h, src/Formats/NativeWriter.cpp.

const SERIALIZATION_KIND_REVISION = 54_454;
const HELLO = 'select displayname(),version(),revision(),timezone()';
const NAME = 'Binnacle';

export interface Identity {
  /** ClickHouse's. */
  readonly version: string;
  readonly timezone: string;
}

export const isHello = (sql: string): boolean =>
  sql.trim().toLowerCase().replace(/\s+/g, ' ').replace(/, /g, ',') === HELLO;

/** The answer as `Native`, for a caller who reads by `revision`. */
export function helloBlock({ version, timezone }: Identity, revision: number): Buffer {
  const kind = revision >= SERIALIZATION_KIND_REVISION ? [0] : [];
  const column = (name: string, type: string, value: readonly number[]) =>
    [...textBytes(name), ...textBytes(type), ...kind, ...value];
  const info = revision > 0 ? [1, 0, 2, 255, 255, 255, 255, 0] : [];
  return Buffer.from([
    ...info, 4, 1,
    ...column('displayName()', 'String', textBytes(NAME)),
    ...column('version()', 'String', textBytes(version)),
    ...column('revision()', 'UInt32', [0, 0, 0, 0]),
    ...column('timezone()', 'String', textBytes(timezone)),
  ]);
}

/** Shorter than 128 bytes, so that its length is one byte. */
function textBytes(text: string): number[] {
  const bytes = Buffer.from(text).subarray(0, 127);
  return [bytes.length, ...bytes];
}
