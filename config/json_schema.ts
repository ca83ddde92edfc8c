// JSON Schema (draft 2020-12) of both configurations, for editors: completion, help at the cursor,
// and red lines before the program ever runs. Made from the schemas that the program itself uses.
//
// Values may also be written as `${env:NAME}`; an editor must not call that wrong, so what is not
// text allows it as an alternative.

import * as z from 'zod';
import { backendSchema } from './backend.ts';
import { SECTIONS, type ComponentSchema, type SectionName } from './components.ts';
import { agentSchema } from './pipelines.ts';

/** A JSON Schema document or a part of one. */
export type JsonSchema = { [keyword: string]: unknown };

export function backendJsonSchema(): JsonSchema {
  return { ...toJson(backendSchema()), title: 'Binnacle backend' };
}

/** The file with the settings of every component in `known`, under each spelling of its type. */
export function agentJsonSchema(known: readonly ComponentSchema[]): JsonSchema {
  const whole = toJson(agentSchema());
  const properties = { ...(whole['properties'] as Record<string, JsonSchema>) };
  const definitions: Record<string, JsonSchema> = {};
  for (const name of Object.keys(SECTIONS) as SectionName[]) {
    const patterns: Record<string, JsonSchema> = {};
    for (const one of known.filter(({ kind }) => kind === SECTIONS[name])) {
      const reference = `${one.kind}.${one.type}`;
      Object.assign(definitions, componentDefinitions(reference, one.schema));
      const types = [one.type, ...(one.aliases ?? [])].join('|');
      patterns[`^(${types})(/.+)?$`] = { $ref: `#/$defs/${reference}` };
    }
    const { description } = properties[name] ?? {};
    const type = ['object', 'null'];
    properties[name] = {
      description, type, patternProperties: patterns, additionalProperties: false,
    };
  }
  return { ...whole, title: 'Binnacle agent', properties, $defs: definitions };
}

/** The settings of one component and what they refer to, under names that no other one has. */
function componentDefinitions(reference: string, schema: z.ZodType): Record<string, JsonSchema> {
  const text = JSON.stringify(toJson(schema))
    .replaceAll('"$ref":"#"', `"$ref":"#/$defs/${reference}"`)
    .replaceAll('"$ref":"#/$defs/__', `"$ref":"#/$defs/${reference}.__`);
  const { $schema: _, $defs, ...settings } = JSON.parse(text) as JsonSchema;
  const inner = Object.entries(($defs ?? {}) as Record<string, JsonSchema>)
    .map(([name, definition]) => [`${reference}.${name}`, definition] as const);
  // A component with nothing behind its name has all its defaults.
  const whole = { anyOf: [settings, { type: 'null' }] };
  return { ...Object.fromEntries(inner), [reference]: whole };
}

function toJson(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => loosen(jsonSchema as JsonSchema),
  }) as JsonSchema;
  const { pattern: _, ...root } = json;
  return { ...root, type: 'object' };
}

/** The schemas describe what is parsed; a file holds what becomes that. */
function loosen(json: JsonSchema): void {
  // A key with nothing behind it is a section with its defaults, or an empty list.
  if (json['type'] === 'object' || json['type'] === 'array') json['type'] = [json['type'], 'null'];
  const choice = 'enum' in json || 'const' in json;
  if (choice || (json['type'] === 'string' && json['format'] === 'regex')) allowBeside(json);
  else if (json['type'] !== undefined) allowWithin(json);
}

const VARIABLE = '\\$\\{[^}]+\\}';

/** Keywords speak of their own type only: a pattern restricts texts and leaves numbers alone. */
function allowWithin(json: JsonSchema): void {
  const types = [json['type']].flat();
  if (!types.includes('string')) {
    json['type'] = [...types, 'string'];
    json['pattern'] = VARIABLE;
  } else if (typeof json['pattern'] === 'string') {
    json['pattern'] = `(?:${json['pattern']})|${VARIABLE}`;
  }
}

function allowBeside(json: JsonSchema): void {
  const { description, default: fallback, ...rest } = json;
  for (const keyword of Object.keys(json)) delete json[keyword];
  Object.assign(json, {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, { type: 'string', pattern: VARIABLE }],
  });
}
