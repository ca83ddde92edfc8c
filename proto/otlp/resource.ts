// Changes the resources of an export request in its bytes: only the Resource messages are decoded
// and written again, all else is copied. The requests of all signals look the same down to there:
//
//   request 1: group, repeated     group 1: Resource, 2 and others: copied as they are

import { fieldBits, Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Resource, Signal } from './model.ts';
import { decodeResource, EMPTY_RESOURCE, encodeResource } from './origin.ts';

const REQUEST_FIELDS = fieldBits(1);
const RESOURCE_FIELDS = fieldBits(1);

/** What one group of a request becomes: its resource, and the runs of all its other fields. */
interface Group {
  readonly resource: Resource;
  /** Start and end of each run. */
  readonly others: readonly number[];
}

/**
 * The request with each resource replaced by what `edit` makes of it. `edit` answers the object it
 * was given when there is nothing to change; it is given an empty resource where there is none.
 * Answers `bytes` itself when nothing was changed. Fields of a changed Resource that OTLP 1.11
 * does not know are lost. Throws DecodeError.
 */
export function editResources(
  _signal: Signal,
  bytes: Uint8Array,
  edit: (resource: Resource) => Resource,
): Uint8Array {
  const reader = new Reader(bytes);
  let writer: Writer | undefined;
  let copiedTo = 0;
  while (reader.more()) {
    const start = reader.position;
    const tag = reader.tag();
    if (tag !== ((1 << 3) | 2)) {
      reader.skipUnknown(tag, REQUEST_FIELDS);
      continue;
    }
    const group = readGroup(reader);
    const edited = edit(group.resource);
    if (edited === group.resource) continue;
    writer ??= new Writer(bytes.length + bytes.length / 8);
    writer.raw(bytes, copiedTo, start);
    writeGroup(writer, bytes, { ...group, resource: edited });
    copiedTo = reader.position;
  }
  if (writer === undefined) return bytes;
  writer.raw(bytes, copiedTo, bytes.length);
  return writer.finish();
}

function readGroup(reader: Reader): Group {
  const outer = reader.enter();
  let resource: Resource | undefined;
  const others: number[] = [];
  while (reader.more()) {
    const start = reader.position;
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) {
      resource = decodeResource(reader, resource);
      continue;
    }
    reader.skipUnknown(tag, RESOURCE_FIELDS);
    if (others.at(-1) === start) others[others.length - 1] = reader.position;
    else others.push(start, reader.position);
  }
  reader.leave(outer);
  return { resource: resource ?? EMPTY_RESOURCE, others };
}

function writeGroup(writer: Writer, bytes: Uint8Array, { resource, others }: Group): void {
  const mark = writer.open((1 << 3) | 2, 3);
  encodeResource(writer, resource);
  for (let at = 0; at < others.length; at += 2) {
    writer.raw(bytes, others[at]!, others[at + 1]!);
  }
  writer.close(mark);
}
