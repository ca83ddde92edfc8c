// Relabelling as Prometheus has it: a list of rules that change the labels of a target before it
// is scraped (`relabel_configs`), or those of a series after it was read
// (`metric_relabel_configs`), or drop it. Rules run in the order of the list, once for each target
// and once for each new series, never again for a series that is known.
//
// Expressions fit the whole text, and `.` fits line ends, too. `$1`, `${1}` and `${name}` in a
// replacement are Go's: a name reaches as far as letters, digits and `_` go, so `$1_total` is the
// group `1_total`, which is not there and therefore empty.

import { createHash } from 'node:crypto';
import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import { count, fault, strictObject } from '../../../config/schema.ts';

/** The name of a series is the label `__name__`. */
export type LabelMap = Map<string, string>;

/** Changes the labels in place; false: the target or the series is dropped. */
export type Relabelling = (labels: LabelMap) => boolean;

export const limits = {
  /** Characters of a text that is given to an expression; a longer one fits none. */
  textCharsMax: 64 * 1024,
} as const;

const ACTIONS = ['replace', 'keep', 'drop', 'keepequal', 'dropequal', 'hashmod', 'labelmap',
  'labeldrop', 'labelkeep', 'lowercase', 'uppercase'] as const;

type Action = typeof ACTIONS[number];

/** An expression that fits whole texts. */
const anchored = () => pattern('s')
  .transform((found) => new RegExp(`^(?:${found.source})$`, found.flags))
  .describe('RE2; it must fit the whole text.');

const lowerCase = (value: unknown): unknown =>
  (typeof value === 'string' ? value.toLowerCase() : value);

const rule = () => strictObject({
  source_labels: z.array(z.string()).describe('Labels whose values are joined.').default([]),
  separator: z.string().describe('What stands between them.').default(';'),
  regex: anchored().prefault('(.*)'),
  modulus: count({ min: 1 }).optional().describe('For hashmod.'),
  target_label: z.string().optional().describe('The label that is set or compared.'),
  replacement: z.string().describe('The new value, with $1 for groups.').default('$1'),
  action: z.preprocess(lowerCase, z.enum(ACTIONS)).describe('What is done.').default('replace'),
}).superRefine((value, ctx) => {
  const { action, target_label: target, modulus } = value;
  const needs = NEED_TARGET.includes(action) && (target === undefined || target === '');
  if (needs) fault(ctx, `${action} needs target_label`, '', ['target_label']);
  if (action === 'hashmod' && modulus === undefined) {
    fault(ctx, 'hashmod needs modulus', 'write in how many parts to divide', ['modulus']);
  }
});

const NEED_TARGET: readonly Action[] = ['replace', 'hashmod', 'lowercase', 'uppercase',
  'keepequal', 'dropequal'];

export const relabelRules = (description: string) =>
  z.array(rule()).describe(description).default([]);

export type RelabelRule = z.output<ReturnType<typeof rule>>;

/** One function for all rules; it does nothing when there are none. */
export function compileRelabelling(rules: readonly RelabelRule[]): Relabelling {
  const steps = rules.map(compileRule);
  return (labels) => steps.every((step) => step(labels));
}

function compileRule(one: RelabelRule): Relabelling {
  const { source_labels: sources, separator, regex } = one;
  const target = one.target_label ?? '';
  const source = (labels: LabelMap): string =>
    (sources.length === 1 ? labels.get(sources[0]!) ?? ''
      : sources.map((name) => labels.get(name) ?? '').join(separator));
  switch (one.action) {
    case 'keep': return (labels) => fits(regex, source(labels));
    case 'drop': return (labels) => !fits(regex, source(labels));
    case 'keepequal': return (labels) => source(labels) === (labels.get(target) ?? '');
    case 'dropequal': return (labels) => source(labels) !== (labels.get(target) ?? '');
    case 'lowercase': return (labels) => set(labels, target, source(labels).toLowerCase());
    case 'uppercase': return (labels) => set(labels, target, source(labels).toUpperCase());
    case 'hashmod': {
      const modulus = BigInt(one.modulus!);
      return (labels) => set(labels, target, String(hashOf(source(labels)) % modulus));
    }
    case 'replace': return compileReplace(one, source);
    case 'labelmap': return compileMap(one);
    case 'labeldrop': return (labels) => removeNames(labels, (name) => fits(regex, name));
    case 'labelkeep': return (labels) => removeNames(labels, (name) => !fits(regex, name));
  }
}

const fits = (regex: RegExp, text: string): boolean =>
  text.length <= limits.textCharsMax && regex.test(text);

function set(labels: LabelMap, name: string, value: string): true {
  if (value === '') labels.delete(name);
  else labels.set(name, value);
  return true;
}

/** The last 8 bytes of the MD5, as Prometheus counts, so that both divide targets alike. */
const hashOf = (text: string): bigint =>
  createHash('md5').update(text).digest().readBigUInt64BE(8);

function compileReplace(one: RelabelRule, source: (labels: LabelMap) => string): Relabelling {
  const name = compileTemplate(one.target_label!);
  const value = compileTemplate(one.replacement);
  return (labels) => {
    const text = source(labels);
    const match = text.length <= limits.textCharsMax ? one.regex.exec(text) : null;
    if (match === null) return true;
    const target = name(match);
    return target === '' ? true : set(labels, target, value(match));
  };
}

function compileMap(one: RelabelRule): Relabelling {
  const name = compileTemplate(one.replacement);
  return (labels) => {
    for (const [key, value] of [...labels]) {
      const match = one.regex.exec(key);
      if (match !== null && name(match) !== '') set(labels, name(match), value);
    }
    return true;
  };
}

function removeNames(labels: LabelMap, gone: (name: string) => boolean): true {
  for (const name of [...labels.keys()]) if (gone(name)) labels.delete(name);
  return true;
}

type Template = (match: RegExpExecArray) => string;

/** Go's regexp.Expand. */
function compileTemplate(text: string): Template {
  const parts: (string | Template)[] = [];
  let position = 0;
  for (const found of text.matchAll(/\$(?:\$|(\w+)|\{(\w+)\})/g)) {
    parts.push(text.slice(position, found.index));
    const group = found[1] ?? found[2];
    parts.push(group === undefined ? '$' : (match) => groupOf(match, group));
    position = found.index + found[0].length;
  }
  parts.push(text.slice(position));
  if (parts.length === 1) return () => text;
  return (match) => parts.map((part) => (typeof part === 'string' ? part : part(match))).join('');
}

function groupOf(match: RegExpExecArray, group: string): string {
  const value = /^\d+$/.test(group) ? match[Number(group)] : match.groups?.[group];
  return value ?? '';
}
