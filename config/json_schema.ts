// JSON Schema (draft 2020-12) of both configurations, for editors: completion, help at the cursor,
// and red lines before the program ever runs. Made from the schemas that the program itself uses.
//
// Values may also be written as `${env:NAME}`; an editor must not call that wrong, so what is not
// text allows it as an alternative.

import { z } from 'zod';
import { backendSchema } from './backend.ts';
import { SECTIONS, type ComponentSchema, type SectionName } from './components.ts';
import { agentSchema } from './pipelines.ts';

/** A JSON Schema document or a part of one. */
export type JsonSchema = { [keyword: string]: unknown };

export function backendJsonSchema(): JsonSchema {
  return { ...toJson(backendSchema), title: 'Binnacle backend' };
}

/** The file with the settings of every component in `known`, under each spelling of its type. */
export function agentJsonSchema(known: readonly ComponentSchema[]): JsonSchema {
  const whole = toJson(agentSchema);
  const properties = { ...(whole['properties'] as Record<string, JsonSchema>) };
  const definitions: Record<string, JsonSchema> = {};
  for (const name of Object.keys(SECTIONS) as SectionName[]) {
    const patterns: Record<string, JsonSchema> = {};
    for (const one of known.filter(({ kind }) => kind === SECTIONS[name])) {
      const reference = `${one.kind}.${one.type}`;
      const { $schema: _, ...settings } = toJson(one.schema);
      // A component with nothing behind its name has all its defaults.
      definitions[reference] = { anyOf: [settings, { type: 'null' }] };
      const types = [one.type, ...(one.aliases ?? [])].join('|');
      patterns[`^(${types})(/.+)?$`] = { $ref: `#/$defs/${reference}` };
    }
    const { additionalProperties: _, propertyNames: __, ...rest } = properties[name] ?? {};
    properties[name] = { ...rest, patternProperties: patterns, additionalProperties: false };
  }
  return { ...whole, title: 'Binnacle agent', properties, $defs: definitions };
}

function toJson(schema: z.ZodType): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => loosen(jsonSchema as JsonSchema),
  });
  return { ...json, type: 'object' };
}

/** The schemas describe what is parsed; a file holds what becomes that. */
function loosen(json: JsonSchema): void {
  // A key with nothing behind it is a section with its defaults.
  if (json['type'] === 'object' && 'properties' in json) json['type'] = ['object', 'null'];
  allowVariable(json);
}

const VARIABLE = '\\$\\{[^}]+\\}';

/** Lets a number, a truth value, a choice or a text of a certain form be `${env:NAME}` instead. */
function allowVariable(json: JsonSchema): void {
  const { type } = json;
  const types = Array.isArray(type) ? (type as string[]) : [type];
  const scalar = types.some((one) =>
    one === 'string' || one === 'number' || one === 'integer' || one === 'boolean');
  const narrow = ['enum', 'const', 'pattern', 'format'].some((keyword) => keyword in json);
  if (!scalar || (types.includes('string') && !narrow) || json['format'] === 'password') return;
  const { description, default: fallback, ...rest } = json;
  for (const keyword of Object.keys(json)) delete json[keyword];
  Object.assign(json, {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, { type: 'string', pattern: VARIABLE }],
  });
}
