// The paths of a resource and of an instrumentation scope.

import { Opaque } from '../value.ts';
import { draftOf } from '../view.ts';
import {
  expectText, mapField, smallField, textField, wrongType, type Field, type Fields,
} from './field.ts';

const schemaUrl = (key: 'resourceSchemaUrl' | 'scopeSchemaUrl'): Field => ({
  type: 'string',
  get: (view) => view[key],
  set: (view, value) => {
    if (value !== null) view[key] = expectText(value);
  },
});

/** A whole resource or scope, which can be copied over another. */
const whole = (key: 'resource' | 'scope'): Field => ({
  type: key,
  get: (view) => (view[key] === undefined ? null : new Opaque(key, view[key])),
  set: (view, value) => {
    if (value === null) return;
    const same = value instanceof Opaque && value.kind === key;
    Object.assign(draftOf(view, key), same ? value.content : wrongType(key, value));
  },
});

export const RESOURCE_FIELDS: Fields = {
  '': whole('resource'),
  attributes: mapField('resource', 'attributes', (view) => view.resource?.attributes ?? []),
  dropped_attributes_count: smallField('resource', 'droppedAttributesCount',
    (view) => view.resource?.droppedAttributesCount ?? 0),
  schema_url: schemaUrl('resourceSchemaUrl'),
};

export const SCOPE_FIELDS: Fields = {
  '': whole('scope'),
  name: textField('scope', 'name', (view) => view.scope?.name ?? ''),
  version: textField('scope', 'version', (view) => view.scope?.version ?? ''),
  attributes: mapField('scope', 'attributes', (view) => view.scope?.attributes ?? []),
  dropped_attributes_count: smallField('scope', 'droppedAttributesCount',
    (view) => view.scope?.droppedAttributesCount ?? 0),
  schema_url: schemaUrl('scopeSchemaUrl'),
};
