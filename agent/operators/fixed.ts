// What every record of a receiver gets: `attributes` and `resource` as they are written. Texts are
// known once and for all; those with EXPR(…) in them are asked of each record, before the
// operators.

import * as z from 'zod';
import { parseTemplate, type Template } from './expression/expression.ts';
import type { OperatorConfig } from './pipeline.ts';

export type Fixed = Readonly<Record<string, string | Template>>;

/** The schema of `attributes` and of `resource`. */
export const fixedTexts = (): z.ZodType<Fixed> => z.record(
  z.string().min(1),
  z.union([z.string(), z.number(), z.boolean()])
    .transform((value, ctx): string | Template => parseTemplate(String(value), ctx)
      ?? String(value)),
) as unknown as z.ZodType<Fixed>;

/** The texts among them. */
export const textsOf = (fixed: Fixed): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(fixed).filter((pair): pair is [string, string] =>
    typeof pair[1] === 'string'));

/** The operators that set the others, to stand before those of the receiver. */
export function settersOf(attributes: Fixed, resource: Fixed): OperatorConfig[] {
  const setters = (root: 'attributes' | 'resource', fixed: Fixed) =>
    Object.entries(fixed).filter(([, value]) => typeof value !== 'string')
      .map(([key, value]): OperatorConfig & Record<string, unknown> => ({
        type: 'add', id: `${root}.${key}`, on_error: 'send', field: { root, keys: [key] }, value,
      }));
  return [...setters('attributes', attributes), ...setters('resource', resource)];
}
