// Looks into a zod schema: which keys it knows at a path, and which texts are secret. Wrappers
// (defaults, options, pipes) are looked through; of a union all alternatives count.

import { z } from 'zod';
import type { ConfigPath } from './errors.ts';

/** The keys that `schema` knows at `path`; empty where any key goes, and where none does. */
export function knownKeys(schema: z.ZodType, path: ConfigPath = []): string[] {
  const keys = schemasAt(schema, path).flatMap((one) => Object.keys(shapeOf(one) ?? {}));
  return [...new Set(keys)];
}

/** True when the value at `path` must never be shown. */
export function isSecret(schema: z.ZodType, path: ConfigPath): boolean {
  return schemasAt(schema, path).some((one) => z.globalRegistry.get(one)?.['writeOnly'] === true);
}

type Schema = z.core.$ZodType;

function schemasAt(schema: Schema, path: ConfigPath): Schema[] {
  return path.reduce<Schema[]>((found, part) =>
    found.flatMap((one) => childrenOf(one, part)).flatMap(layersOf), layersOf(schema));
}

/** The schema itself and whatever it wraps, down to objects, records, lists and scalars. */
function layersOf(schema: Schema): Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return [schema, ...layersOf(def.innerType)];
    case 'pipe': {
      const { type } = (def.in as z.core.$ZodTypes)._zod.def;
      return [schema, ...layersOf(type === 'transform' ? def.out : def.in)];
    }
    case 'lazy':
      return [schema, ...layersOf(def.getter())];
    case 'union':
      return [schema, ...def.options.flatMap(layersOf)];
    case 'intersection':
      return [schema, ...layersOf(def.left), ...layersOf(def.right)];
    default:
      return [schema];
  }
}

function childrenOf(schema: Schema, part: string | number): Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'array') return [def.element];
  if (def.type === 'record') return [def.valueType];
  if (def.type !== 'object') return [];
  const child = Object.hasOwn(def.shape, part) ? def.shape[part] : undefined;
  return child === undefined ? [] : [child];
}

function shapeOf(schema: Schema): Record<string, unknown> | null {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === 'object' ? def.shape : null;
}
