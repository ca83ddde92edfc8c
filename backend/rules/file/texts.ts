// Labels and annotations of a rule: templates, and which labels they can speak of.

import { closestWord, type ConfigPath } from '../../../config/errors.ts';
import { ALERT_NAME } from '../../labels/labels.ts';
import type { Use } from '../../template/node.ts';
import { parseTemplate } from '../../template/parse.ts';
import type { Template } from '../../template/template.ts';
import type { RuleSource } from '../model.ts';
import { limits } from './shape.ts';
import type { Spot } from './sources.ts';

type Written = Readonly<Record<string, string | number | boolean>>;
type Templates = Readonly<Record<string, Template>>;

/**
 * Null when something is wrong with one; then it was reported. `known`: labels that alerts can
 * have, null when nobody can tell.
 */
export function textsOf(
  written: Written,
  known: ReadonlySet<string> | null,
  spot: Spot,
): Templates | null {
  const { sheet, path } = spot;
  const names = Object.keys(written);
  if (names.length > limits.textsMax) {
    sheet.report(path, { part: 'key', why: `has more than ${limits.textsMax} entries`,
      hint: 'leave some out' });
    return null;
  }
  const pairs = names.flatMap((name) => {
    const template = templateOf(String(written[name]), [...path, name], known, spot);
    return template === null ? [] : [[name, template] as const];
  });
  return pairs.length === names.length ? Object.fromEntries(pairs) : null;
}

function templateOf(
  text: string,
  path: ConfigPath,
  known: ReadonlySet<string> | null,
  { sheet }: Spot,
): Template | null {
  const parsed = parseTemplate(text);
  if (!parsed.ok) {
    sheet.report(path, { ...parsed, offset: parsed.at });
    return null;
  }
  const wrong = known === null ? undefined : parsed.uses.find((use) => !isKnown(use, known));
  if (wrong === undefined) return parsed.template;
  const name = wrong.path.join('.');
  const closest = closestWord(name, [...known!]);
  const listed = [...known!].filter((label) => label !== ALERT_NAME).sort().join(', ');
  sheet.report(path, {
    why: `the rule has no label ${name}`, offset: wrong.at,
    hint: closest !== null ? `did you mean $labels.${closest}?`
      : listed === '' ? 'write it behind by' : `write it behind by, or use one of ${listed}`,
  });
  return null;
}

/** A label's name may be followed by nothing: what is behind it would be a field of a text. */
function isKnown({ variable, path }: Use, known: ReadonlySet<string>): boolean {
  return variable !== 'labels' || path.length === 0 || known.has(path.join('.'));
}

/** Labels that Binnacle gives an alert by itself, or that would make it another one. */
export function labelsFit(written: Written, { sheet, path }: Spot): boolean {
  const wrong = Object.keys(written).find((name) => name === ALERT_NAME || name.startsWith('__'));
  if (wrong === undefined) return true;
  sheet.report([...path, wrong], { part: 'key',
    why: wrong === ALERT_NAME ? 'is the name of the rule' : 'names that begin with __ are reserved',
    hint: wrong === ALERT_NAME ? 'write it behind alert' : 'write another name' });
  return false;
}

/** Those that what is measured has; null for statements, whose columns are not known here. */
export function labelsOf(source: RuleSource): ReadonlySet<string> | null {
  switch (source.type) {
    case 'sql': return null;
    case 'slo': return new Set(source.slo.groupBy);
    case 'composite': return new Set(source.on);
    default: return new Set(source.query.groupBy);
  }
}
