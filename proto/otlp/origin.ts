// Who made the telemetry: Resource, EntityRef (resource.proto) and InstrumentationScope
// (common.proto), to and from protobuf. A message field that occurs twice is merged:
// the lists of the earlier occurrence are continued, which nobody else has seen yet.

import { fieldBits } from '../protobuf/reader.ts';
import type { Reader } from '../protobuf/reader.ts';
import type { Writer } from '../protobuf/writer.ts';
import type { EntityRef, KeyValue, Resource, Scope } from './model.ts';
import { decodeKeyValue, encodeAttributes, NO_ATTRIBUTES } from './value.ts';

export const EMPTY_RESOURCE: Resource = {
  attributes: NO_ATTRIBUTES,
  droppedAttributesCount: 0,
  entityRefs: [],
};

const RESOURCE_FIELDS = fieldBits(1, 2, 3);
const ENTITY_FIELDS = fieldBits(1, 2, 3, 4);
const SCOPE_FIELDS = fieldBits(1, 2, 3, 4);

/** `before` is what an earlier occurrence of the same field held. */
export function decodeResource(reader: Reader, before?: Resource): Resource {
  const outer = reader.enter();
  const attributes = (before?.attributes ?? []) as KeyValue[];
  const entityRefs = (before?.entityRefs ?? []) as EntityRef[];
  let droppedAttributesCount = before?.droppedAttributesCount ?? 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        attributes.push(decodeKeyValue(reader));
        break;
      case (2 << 3) | 0:
        droppedAttributesCount = reader.varint32();
        break;
      case (3 << 3) | 2:
        entityRefs.push(decodeEntityRef(reader));
        break;
      default:
        reader.skipUnknown(tag, RESOURCE_FIELDS);
    }
  }
  reader.leave(outer);
  return { attributes, droppedAttributesCount, entityRefs };
}

function decodeEntityRef(reader: Reader): EntityRef {
  const outer = reader.enter();
  let schemaUrl = '';
  let type = '';
  const idKeys: string[] = [];
  const descriptionKeys: string[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        schemaUrl = reader.string();
        break;
      case (2 << 3) | 2:
        type = reader.string();
        break;
      case (3 << 3) | 2:
        idKeys.push(reader.string());
        break;
      case (4 << 3) | 2:
        descriptionKeys.push(reader.string());
        break;
      default:
        reader.skipUnknown(tag, ENTITY_FIELDS);
    }
  }
  reader.leave(outer);
  return { schemaUrl, type, idKeys, descriptionKeys };
}

/** `before` is what an earlier occurrence of the same field held. */
export function decodeScope(reader: Reader, before?: Scope): Scope {
  const outer = reader.enter();
  let name = before?.name ?? '';
  let version = before?.version ?? '';
  const attributes = (before?.attributes ?? []) as KeyValue[];
  let droppedAttributesCount = before?.droppedAttributesCount ?? 0;
  while (reader.more()) {
    const tag = reader.tag();
    switch (tag) {
      case (1 << 3) | 2:
        name = reader.string();
        break;
      case (2 << 3) | 2:
        version = reader.string();
        break;
      case (3 << 3) | 2:
        attributes.push(decodeKeyValue(reader));
        break;
      case (4 << 3) | 0:
        droppedAttributesCount = reader.varint32();
        break;
      default:
        reader.skipUnknown(tag, SCOPE_FIELDS);
    }
  }
  reader.leave(outer);
  return { name, version, attributes, droppedAttributesCount };
}

/** Writes field 1 of ResourceSpans, ResourceLogs or ResourceMetrics. */
export function encodeResource(writer: Writer, resource: Resource): void {
  const mark = writer.open((1 << 3) | 2, 2);
  encodeAttributes(writer, (1 << 3) | 2, resource.attributes);
  writer.uint32Field((2 << 3) | 0, resource.droppedAttributesCount);
  for (const entity of resource.entityRefs) encodeEntityRef(writer, entity);
  writer.close(mark);
}

function encodeEntityRef(writer: Writer, entity: EntityRef): void {
  const mark = writer.open((3 << 3) | 2, 1);
  writer.stringField((1 << 3) | 2, entity.schemaUrl);
  writer.stringField((2 << 3) | 2, entity.type);
  encodeStrings(writer, (3 << 3) | 2, entity.idKeys);
  encodeStrings(writer, (4 << 3) | 2, entity.descriptionKeys);
  writer.close(mark);
}

function encodeStrings(writer: Writer, tag: number, texts: readonly string[]): void {
  for (const text of texts) {
    writer.varint32(tag);
    writer.string(text);
  }
}

/** Writes field 1 of ScopeSpans, ScopeLogs or ScopeMetrics. */
export function encodeScope(writer: Writer, scope: Scope): void {
  const mark = writer.open((1 << 3) | 2, 1);
  writer.stringField((1 << 3) | 2, scope.name);
  writer.stringField((2 << 3) | 2, scope.version);
  encodeAttributes(writer, (3 << 3) | 2, scope.attributes);
  writer.uint32Field((4 << 3) | 0, scope.droppedAttributesCount);
  writer.close(mark);
}
