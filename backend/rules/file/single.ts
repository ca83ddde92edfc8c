// One rule by itself, as the API takes it: the keys of a rule, and beside them those of its group.
//
//   {"alert": "Errors", "logs": "level:error", "condition": "> 5", "group": "shop",
//    "interval": "1m"}

import type { ConfigProblem } from '../../../config/errors.ts';
import { parseSource } from '../../../config/source.ts';
import { nodeOf, type ConfigNode } from '../../../config/tree.ts';
import type { RuleGroup } from '../model.ts';
import type { ReadRulesOptions } from './options.ts';
import { readRuleTree } from './rules.ts';

export const API = 'api';

export type ReadRule =
  /** A group with nothing but the rule. */
  | { readonly ok: true; readonly group: RuleGroup }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

const OF_GROUP = ['interval', 'query_offset', 'limit'];

/** YAML or JSON. Positions are those in the text, whose file is `rule`. Never throws. */
export function readRule(text: string, options: ReadRulesOptions): ReadRule {
  const source = { file: 'rule', text };
  const { root, problems } = parseSource(source, null);
  if (root === null || root.kind !== 'map') {
    const at = { file: 'rule', line: 1, column: 1 };
    const none = { ...at, path: '', why: 'is no rule', hint: 'write alert: NAME and what it '
      + 'measures; docs/rules.md has the keys' };
    return { ok: false, problems: problems.length > 0 ? problems : [none] };
  }
  const read = readRuleTree(source, wholeOf(root), { ...options, origin: API, problems });
  const [group] = read.groups;
  if (group !== undefined && read.problems.length === 0) return { ok: true, group };
  return { ok: false, problems: read.problems.map((problem) => ({ ...problem,
    path: problem.path.replace(/^groups\[0\](?:\.rules\[0\])?\.?/, '')
      .replace(/^name$/, 'group') })) };
}

/** A file with a group with the rule, each thing where it was written. */
function wholeOf(root: ConfigNode & { readonly kind: 'map' }): ConfigNode {
  const { at } = root;
  const map = (entries: Iterable<readonly [string, ConfigNode]>): ConfigNode =>
    ({ kind: 'map', entries: new Map(entries), key: at, at });
  const list = (item: ConfigNode): ConfigNode => ({ kind: 'list', items: [item], key: at, at });
  const written = [...root.entries];
  const own = written.filter(([key]) => key !== 'group' && !OF_GROUP.includes(key));
  const group = map([
    ['name', root.entries.get('group') ?? nodeOf(API, { key: at, at })],
    ...written.filter(([key]) => OF_GROUP.includes(key)),
    ['rules', list(map(own))],
  ]);
  return map([['groups', list(group)]]);
}
