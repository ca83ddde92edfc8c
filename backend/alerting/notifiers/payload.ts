// JSON of one's own, with templates in its keys and values. What comes out is JSON whatever alerts
// hold: a value becomes text of JSON. A value that is one action ending in `toJson` becomes what it
// is: a list, a group of keys, a number.

import * as z from 'zod';
import { fault } from '../../../config/schema.ts';
import { parseTemplate } from '../../template/parse.ts';
import type { Template, TemplateData } from '../../template/template.ts';

export const limits = {
  /** Lists and groups inside each other; more are refused. */
  depthMax: 20,
} as const;

/** A value of JSON in which texts are templates. */
export type Payload =
  | { readonly type: 'text'; readonly template: Template; readonly isJson: boolean }
  | { readonly type: 'list'; readonly items: readonly Payload[] }
  | { readonly type: 'keys'; readonly pairs: ReadonlyArray<readonly [Template, Payload]> }
  | { readonly type: 'value'; readonly value: number | boolean | null };

const IS_JSON = /^\s*\{\{(?:(?!\}\}).)*\btoJson\s*-?\}\}\s*$/s;

export const payload = () => z.unknown().transform((value, ctx): Payload =>
  read(value, ctx, []) ?? z.NEVER)
  .describe('The JSON to send instead; templates stand in its keys and values.');

function read(value: unknown, ctx: z.core.$RefinementCtx<unknown>, path: (string | number)[],
): Payload | null {
  if (path.length > limits.depthMax) {
    fault(ctx, `has more than ${limits.depthMax} levels`, '', path);
    return null;
  }
  if (typeof value === 'string') {
    const template = readText(value, ctx, path);
    return template === null ? null : { type: 'text', template, isJson: IS_JSON.test(value) };
  }
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => read(item, ctx, [...path, index]));
    return items.includes(null) ? null : { type: 'list', items: items as Payload[] };
  }
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, item]) =>
      [readText(key, ctx, [...path, key]), read(item, ctx, [...path, key])] as const);
    const isBroken = pairs.some(([key, item]) => key === null || item === null);
    return isBroken ? null : { type: 'keys', pairs: pairs as [Template, Payload][] };
  }
  return { type: 'value', value: typeof value === 'number' || typeof value === 'boolean'
    ? value : null };
}

function readText(text: string, ctx: z.core.$RefinementCtx<unknown>, path: (string | number)[],
): Template | null {
  const parsed = parseTemplate(text, []);
  if (parsed.ok) return parsed.template;
  fault(ctx, `is not a template: ${parsed.why}`, parsed.hint, path);
  return null;
}

export function renderPayload(own: Payload, data: TemplateData): unknown {
  switch (own.type) {
    case 'value': return own.value;
    case 'list': return own.items.map((item) => renderPayload(item, data));
    case 'keys': return Object.fromEntries(own.pairs.map(([key, item]) =>
      [key.render(data), renderPayload(item, data)]));
    case 'text': return own.isJson ? parsed(own.template.render(data)) : own.template.render(data);
  }
}

/** A text that is no JSON after all stays a text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
