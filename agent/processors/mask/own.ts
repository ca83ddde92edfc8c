// Rules that a configuration brings along.

import { createFinder } from '../../../config/regex/finder.ts';
import { parseRegex } from '../../../config/regex/tree.ts';
import type { MaskConfig } from './config.ts';
import type { Rule } from './rule.ts';

export interface OwnRule extends Rule {
  readonly replacement: string;
  /** Where it looks: everywhere, only in values of its names, or it takes these whole. */
  readonly scope: 'everywhere' | 'names' | 'whole';
  readonly isNamed: (name: string) => boolean;
}

export function createOwnRule(config: MaskConfig['rules'][number]): OwnRule {
  const { name, pattern, keys, replacement } = config;
  const find = pattern === undefined ? () => [] : createFinder(parseRegex(pattern));
  return {
    name,
    level: 'public',
    triggers: pattern === undefined ? [] : [pattern],
    replacement,
    scope: keys === undefined ? 'everywhere' : pattern === undefined ? 'whole' : 'names',
    isNamed: nameTest(keys ?? []),
    apply: (text, hide) => {
      let result = '';
      let copied = 0;
      for (const { start, end } of find(text)) {
        result += text.slice(copied, start) + hide(text.slice(start, end), replacement);
        copied = end;
      }
      return copied === 0 ? text : result + text.slice(copied);
    },
  };
}

/** Whether a name is one of these; `*` stands for any characters, case does not matter. */
export function nameTest(names: readonly string[]): (name: string) => boolean {
  if (names.length === 0) return () => false;
  const parts = names.map((name) =>
    name.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*'));
  const pattern = new RegExp(`^(?:${parts.join('|')})$`, 'is');
  return (name) => pattern.test(name);
}
