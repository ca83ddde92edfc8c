// A request of log records that are encoded already, one group for each resource and scope:
//
//   ResourceLogs 1 { Resource 1, ScopeLogs 2 { InstrumentationScope 1, LogRecord 2 … } }

import { varintSize, Writer } from '../../proto/protobuf/writer.ts';

export interface EncodedGroup {
  /** The field `resource` of ResourceLogs, encoded. */
  readonly resource: Uint8Array;
  /** The field `scope` of ScopeLogs, encoded, or nothing. */
  readonly scope: Uint8Array;
  /** The records, as they stand in ScopeLogs. */
  readonly records: Writer;
}

/** The request of these groups. Records are written first, so that all lengths are known. */
export function joinGroups(groups: readonly EncodedGroup[]): Uint8Array {
  const bytes = groups.reduce((sum, group) => sum + 6 + sizeOf(group), 0);
  const request = new Writer(bytes);
  for (const group of groups) {
    const { resource, scope, records } = group;
    request.varint32(GROUP_TAG);
    request.varint32(sizeOf(group));
    request.raw(resource, 0, resource.length);
    request.varint32(SCOPE_TAG);
    request.varint32(scope.length + records.position);
    request.raw(scope, 0, scope.length);
    request.raw(records.bytes, 0, records.position);
  }
  return request.finish();
}

const GROUP_TAG = (1 << 3) | 2;
const SCOPE_TAG = (2 << 3) | 2;

function sizeOf({ resource, scope, records }: EncodedGroup): number {
  const inner = scope.length + records.position;
  return resource.length + 1 + varintSize(inner) + inner;
}
