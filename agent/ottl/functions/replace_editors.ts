// replace_pattern, replace_match and their forms for all values of a map. A pattern replaces what
// matches of a text, a match (a glob) the whole text. In a replacement of a pattern `$1`, `${1}`,
// `${name}` stand for groups and `$$` for a dollar sign, as in Go.

import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import { OttlFault } from '../fault.ts';
import { stringAny } from '../value.ts';
import { editor, type FunctionSpec, type Parameter } from './function.ts';
import { parseGlob } from './glob.ts';
import { changeValues } from './map_editors.ts';
import {
  literalText, literalWord, mapTarget, optional, pattern, searchable, target, text, textFunction,
  type TextFunction,
} from './parameters.ts';
import { expandReplacement } from './expand.ts';

/** `prefix %s suffix`, around what a function made. */
const format = (): Parameter<(made: string) => string> => ({
  type: 'string with %s',
  optional: false,
  bind: (node, binder) => {
    const parts = literalText().bind(node, binder).split('%s');
    if (parts.length === 2) return (made) => parts[0] + made + parts[1];
    throw new OttlFault(node.at, 'a replacement format has exactly one %s');
  },
});

const glob = (): Parameter<RegExp> => ({
  type: 'glob',
  optional: false,
  bind: (node, binder) => {
    const found = parseGlob(literalText().bind(node, binder));
    if (found !== null) return found;
    throw new OttlFault(node.at, 'this is no glob', 'close its brackets');
  },
});

interface Making {
  readonly function?: TextFunction | undefined;
  readonly replacementFormat?: ((made: string) => string) | undefined;
}

const making = { function: optional(textFunction()), replacementFormat: optional(format()) };

/** Replaces what matches; the replacement of each match may run through a function. */
function replacePatternIn(
  input: string, expression: RegExp, replacement: string,
  { function: make, replacementFormat }: Making,
): string {
  expression.lastIndex = 0;
  if (!expression.test(searchable(input))) return input;
  expression.lastIndex = 0;
  const expanded = expandReplacement(replacement);
  return input.replace(expression, (...found: unknown[]) => {
    const made = expanded(found);
    if (make === undefined) return made;
    const result = make(made);
    return replacementFormat === undefined ? result : replacementFormat(result);
  });
}

/** The replacement of a whole text. */
function matchReplacement(replacement: string, making: Making): string {
  const { function: make, replacementFormat } = making;
  if (make === undefined) return replacement;
  const result = make(replacement);
  return replacementFormat === undefined ? result : replacementFormat(result);
}

const replacePattern = editor('replace_pattern', {
  target: target(), regex: pattern('g'), replacement: text(), ...making,
}, ({ target: path, regex, replacement, ...how }) => (view) => {
  const before = path.get(view);
  if (typeof before !== 'string') return;
  const after = replacePatternIn(before, regex(view), replacement(view), how);
  if (after !== before) path.set(view, after);
});

const replaceAllPatterns = editor('replace_all_patterns', {
  target: mapTarget(), mode: literalWord(['key', 'value']), regex: pattern('g'),
  replacement: text(), ...making,
}, ({ target: path, mode, regex, replacement, ...how }) => (view) => {
  const expression = regex(view);
  const replaced = replacement(view);
  const change = (input: string) => replacePatternIn(input, expression, replaced, how);
  if (mode === 'value') {
    changeValues(view, path, (value) => changedText(value, change));
    return;
  }
  const pairs = path.get(view);
  const renamed = new Map<string, AnyValue>(pairs.map(({ key, value }) => [change(key), value]));
  const keys = [...renamed.keys()];
  if (keys.length === pairs.length && pairs.every(({ key }, index) => key === keys[index])) return;
  path.set(view, [...renamed].map(([key, value]) => ({ key, value })) as Attributes);
});

function changedText(value: AnyValue, change: (input: string) => string): AnyValue {
  if (value.type !== 'string') return value;
  const after = change(value.value);
  return after === value.value ? value : stringAny(after);
}

const replaceMatch = editor('replace_match', {
  target: target(), pattern: glob(), replacement: text(), ...making,
}, ({ target: path, pattern: matches, replacement, ...how }) => (view) => {
  const before = path.get(view);
  if (typeof before !== 'string' || !matches.test(searchable(before))) return;
  path.set(view, matchReplacement(replacement(view), how));
});

const replaceAllMatches = editor('replace_all_matches', {
  target: mapTarget(), pattern: glob(), replacement: text(), ...making,
}, ({ target: path, pattern: matches, replacement, ...how }) => (view) => {
  const replaced = matchReplacement(replacement(view), how);
  changeValues(view, path, (value) => {
    const found = value.type === 'string' && matches.test(searchable(value.value));
    return found ? stringAny(replaced) : value;
  });
});

export const REPLACE_EDITORS: readonly FunctionSpec[] = [
  replacePattern, replaceAllPatterns, replaceMatch, replaceAllMatches,
];
