// Looks into the schemas of components, for the files that tests write from them.

import { z } from 'zod';

export type Schema = z.core.$ZodType;

/** The keys of an object and their schemas; none for anything else. */
export function shapeOf(schema: Schema): Record<string, Schema> {
  const { def } = (layersOf(schema).at(-1) as z.core.$ZodTypes)._zod;
  return def.type === 'object' ? def.shape : {};
}

export const typeOf = (schema: Schema) => (schema as z.core.$ZodTypes)._zod.def.type;

/** What stands where nobody wrote anything; null when nothing does. */
export function defaultOf(layers: readonly Schema[]): { value: unknown } | null {
  for (const layer of layers) {
    const { def } = (layer as z.core.$ZodTypes)._zod;
    if (def.type === 'default' || def.type === 'prefault') return { value: def.defaultValue };
  }
  return null;
}

/** The schema and what it wraps, from the outside in. */
export function layersOf(schema: Schema): Schema[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if ('innerType' in def) return [schema, ...layersOf(def.innerType as Schema)];
  if (def.type !== 'pipe') return [schema];
  return [schema, ...layersOf(typeOf(def.in) === 'transform' ? def.out : def.in)];
}

/** What the author of a schema says about it. */
export function describe(schema: Schema): string | undefined {
  return layersOf(schema).map((one) => z.globalRegistry.get(one)?.description)
    .find((one) => one !== undefined);
}
