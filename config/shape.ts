// Looks into a zod schema: which keys it knows at a path, which texts are secret, and what the
// defaults are as a person would write them. Wrappers (defaults, options, pipes) are looked
// through; of a union all alternatives count.

import * as z from 'zod';
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

/**
 * `value` as written, with the defaults of all keys that nobody wrote, as the schema's author wrote
 * them. Within a union nothing is added: only parsing would tell which alternative it is.
 */
export function withDefaults(schema: z.core.$ZodType, value: unknown): unknown {
  const layers = layersOf(schema);
  const filled = value === undefined ? defaultOf(layers) : value;
  if (layers.some((one) => typeOf(one) === 'union')) return filled;
  const inner = layers.at(-1)!;
  const shape = shapeOf(inner);
  if (Array.isArray(filled)) {
    return filled.map((item, index) => childrenOf(inner, index)
      .reduce<unknown>((result, child) => withDefaults(child, result), item));
  }
  if (filled === undefined || (filled === null && shape === null)) return filled;
  if (filled !== null && typeof filled !== 'object') return filled;
  const written = { ...filled } as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(shape ?? {}), ...Object.keys(written)])];
  const pairs = keys.map((key) => {
    const item = Object.hasOwn(written, key) ? written[key] : undefined;
    const [child] = childrenOf(inner, key);
    return [key, child === undefined ? item : withDefaults(child, item)] as const;
  });
  return Object.fromEntries(pairs.filter(([, item]) => item !== undefined));
}

type Schema = z.core.$ZodType;

const typeOf = (schema: Schema) => (schema as z.core.$ZodTypes)._zod.def.type;

function defaultOf(layers: readonly Schema[]): unknown {
  for (const layer of layers) {
    const { def } = (layer as z.core.$ZodTypes)._zod;
    if (def.type === 'default' || def.type === 'prefault') return def.defaultValue;
  }
  return undefined;
}

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
    case 'pipe':
      return [schema, ...layersOf(typeOf(def.in) === 'transform' ? def.out : def.in)];
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
