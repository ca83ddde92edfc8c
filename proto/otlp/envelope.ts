// What the export requests of all signals have in common, to and from protobuf:
//
//   request     1: resource group, repeated
//   group       1: Resource   2: scope group, repeated    3: schema_url
//   scope group 1: Scope      2: record, repeated         3: schema_url
//
// where a record is a Span, a LogRecord or a Metric. An Envelope says how one signal names these
// parts in the model; each signal's file has one. A resource or scope that occurs twice in its
// group is merged.

import { fieldBits, Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Resource, Scope } from './model.ts';
import { decodeResource, decodeScope, encodeResource, encodeScope } from './origin.ts';

/** `G` is the resource group of the signal and `H` its scope group. */
export interface Envelope<Request, G, H, Record> {
  request(groups: readonly G[]): Request;
  groups(request: Request): readonly G[];
  group(resource: Resource | undefined, scopes: readonly H[], schemaUrl: string): G;
  scopes(group: G): readonly H[];
  scope(scope: Scope | undefined, records: readonly Record[], schemaUrl: string): H;
  records(scope: H): readonly Record[];
  decodeRecord(reader: Reader): Record;
  /** Writes a record as field 2 of its scope group. */
  encodeRecord(writer: Writer, record: Record): void;
  /** How many spans, log records or data points it is. */
  countRecord(record: Record): number;
}

type GroupLike = { readonly resource: Resource | undefined; readonly schemaUrl: string };
type ScopeLike = { readonly scope: Scope | undefined; readonly schemaUrl: string };

const REQUEST_FIELDS = fieldBits(1);
const GROUP_FIELDS = fieldBits(1, 2, 3);
/** A first guess at the bytes of a request; the buffer grows from there. */
const REQUEST_BYTES_HINT = 16 * 1024;

export function decodeEnvelope<Request, G, H, Record>(
  envelope: Envelope<Request, G, H, Record>,
  bytes: Uint8Array,
): Request {
  const reader = new Reader(bytes);
  const groups: G[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | 2)) groups.push(decodeGroup(envelope, reader));
    else reader.skipUnknown(tag, REQUEST_FIELDS);
  }
  return envelope.request(groups);
}

function decodeGroup<Request, G, H, Record>(
  envelope: Envelope<Request, G, H, Record>,
  reader: Reader,
): G {
  const outer = reader.enter();
  let resource: Resource | undefined;
  const scopes: H[] = [];
  let schemaUrl = '';
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        resource = decodeResource(reader, resource);
        break;
      case (2 << 3) | 2:
        scopes.push(decodeScopeGroup(envelope, reader));
        break;
      case (3 << 3) | 2:
        schemaUrl = reader.string();
        break;
      default:
        reader.skipUnknown(tag, GROUP_FIELDS);
    }
  }
  reader.leave(outer);
  return envelope.group(resource, scopes, schemaUrl);
}

function decodeScopeGroup<Request, G, H, Record>(
  envelope: Envelope<Request, G, H, Record>,
  reader: Reader,
): H {
  const outer = reader.enter();
  let scope: Scope | undefined;
  const records: Record[] = [];
  let schemaUrl = '';
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        scope = decodeScope(reader, scope);
        break;
      case (2 << 3) | 2:
        records.push(envelope.decodeRecord(reader));
        break;
      case (3 << 3) | 2:
        schemaUrl = reader.string();
        break;
      default:
        reader.skipUnknown(tag, GROUP_FIELDS);
    }
  }
  reader.leave(outer);
  return envelope.scope(scope, records, schemaUrl);
}

export function encodeEnvelope<Request, G extends GroupLike, H extends ScopeLike, Record>(
  envelope: Envelope<Request, G, H, Record>,
  request: Request,
): Uint8Array {
  const writer = new Writer(REQUEST_BYTES_HINT);
  for (const group of envelope.groups(request)) {
    const mark = writer.open((1 << 3) | 2, 3);
    if (group.resource !== undefined) encodeResource(writer, group.resource);
    for (const scope of envelope.scopes(group)) encodeScopeGroup(envelope, writer, scope);
    writer.stringField((3 << 3) | 2, group.schemaUrl);
    writer.close(mark);
  }
  return writer.finish();
}

function encodeScopeGroup<Request, G, H extends ScopeLike, Record>(
  envelope: Envelope<Request, G, H, Record>,
  writer: Writer,
  group: H,
): void {
  const mark = writer.open((2 << 3) | 2, 3);
  if (group.scope !== undefined) encodeScope(writer, group.scope);
  for (const record of envelope.records(group)) envelope.encodeRecord(writer, record);
  writer.stringField((3 << 3) | 2, group.schemaUrl);
  writer.close(mark);
}

export function countEnvelope<Request, G, H, Record>(
  envelope: Envelope<Request, G, H, Record>,
  request: Request,
): number {
  let count = 0;
  for (const group of envelope.groups(request)) {
    for (const scope of envelope.scopes(group)) {
      for (const record of envelope.records(scope)) count += envelope.countRecord(record);
    }
  }
  return count;
}
