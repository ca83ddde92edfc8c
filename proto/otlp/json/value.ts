// The JSON form of AnyValue, KeyValue, Resource and InstrumentationScope.

import type { AnyValue, EntityRef, KeyValue, Resource, Scope } from '../model.ts';
import { EMPTY_VALUE } from '../value.ts';
import { field, list, message, required } from './fields.ts';
import type { Kind } from './fields.ts';
import { BOOL, BYTES, DOUBLE, INT64, STRING, UINT32 } from './scalars.ts';

/** `{}` is an empty value. Of several members the last wins. */
export const ANY_VALUE: Kind<AnyValue> = {
  read(reader) {
    let value = EMPTY_VALUE;
    reader.object();
    for (let key = reader.key(); key !== undefined; key = reader.key()) {
      const member = MEMBERS_BY_KEY.get(key);
      if (member === undefined) reader.skip();
      else if (!reader.null()) {
        value = { type: member.type, value: member.kind.read(reader) } as AnyValue;
      }
    }
    return value;
  },
  json(value) {
    if (value.type === 'empty') return {};
    const member = MEMBERS_BY_TYPE.get(value.type)!;
    return { [member.key]: member.kind.json(value.value) };
  },
};

export const KEY_VALUE: Kind<KeyValue> = message<KeyValue>({
  key: field(STRING, ''),
  value: required(ANY_VALUE, EMPTY_VALUE),
});

const VALUES = message<{ readonly values: readonly AnyValue[] }>({ values: list(ANY_VALUE) });
const PAIRS = message<{ readonly values: readonly KeyValue[] }>({ values: list(KEY_VALUE) });

interface Member {
  readonly key: string;
  readonly type: AnyValue['type'];
  readonly kind: Kind<unknown>;
}

const MEMBERS: readonly Member[] = [
  { key: 'stringValue', type: 'string', kind: STRING as Kind<unknown> },
  { key: 'boolValue', type: 'bool', kind: BOOL as Kind<unknown> },
  { key: 'intValue', type: 'int', kind: INT64 as Kind<unknown> },
  { key: 'doubleValue', type: 'double', kind: DOUBLE as Kind<unknown> },
  { key: 'arrayValue', type: 'array', kind: unwrapped(VALUES) },
  { key: 'kvlistValue', type: 'kvlist', kind: unwrapped(PAIRS) },
  { key: 'bytesValue', type: 'bytes', kind: BYTES as Kind<unknown> },
];
const MEMBERS_BY_KEY = new Map(MEMBERS.map((member) => [member.key, member]));
const MEMBERS_BY_TYPE = new Map(MEMBERS.map((member) => [member.type, member]));

/** Where JSON has `{"values": […]}` and the model has the list itself. */
function unwrapped<T>(wrapper: Kind<{ readonly values: T }>): Kind<unknown> {
  return {
    read: (reader) => wrapper.read(reader).values,
    json: (values) => wrapper.json({ values: values as T }),
  };
}

const ENTITY_REF = message<EntityRef>({
  schemaUrl: field(STRING, ''),
  type: field(STRING, ''),
  idKeys: list(STRING),
  descriptionKeys: list(STRING),
});

export const RESOURCE: Kind<Resource> = message<Resource>({
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
  entityRefs: list(ENTITY_REF),
});

export const SCOPE: Kind<Scope> = message<Scope>({
  name: field(STRING, ''),
  version: field(STRING, ''),
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
});
