// Rules that were made over the API: each is a thing of the journal, so that all backends have the
// same. A rule keeps its id whatever becomes of its name.

import type { ConfigProblem } from '../../config/errors.ts';
import type { Entry } from '../journal/journal.ts';
import { durationText } from './file/options.ts';
import { API, readRule } from './file/single.ts';
import type { Rule, RuleGroup } from './model.ts';

/** What the journal keeps of a rule. */
export interface WrittenRule {
  /** YAML or JSON, with the keys of its group. */
  readonly text: string;
}

export interface ApiRule {
  readonly id: string;
  readonly version: bigint;
  readonly text: string;
  /** Who changed it last, and when. */
  readonly actor: string;
  readonly atMs: number;
  /** With nothing but the rule; null when it cannot be read any more. */
  readonly group: RuleGroup | null;
  readonly problems: readonly ConfigProblem[];
}

export interface ApiRules {
  /** By id. */
  all(): ReadonlyMap<string, ApiRule>;
  groups(): readonly RuleGroup[];
  /** Takes what the journal says; the newest of a rule counts. True when something is new. */
  apply(entries: readonly Entry[]): boolean;
}

export function createApiRules({ retentionMs }: { readonly retentionMs: number }): ApiRules {
  const rules = new Map<string, ApiRule>();
  const deleted = new Map<string, bigint>();
  const versionOf = (id: string) => rules.get(id)?.version ?? deleted.get(id) ?? -1n;
  const apply = (entry: Entry): boolean => {
    const { key: id, version } = entry;
    if (version <= versionOf(id)) return false;
    if (entry.deleted) {
      deleted.set(id, version);
      // Forgetting one that is gone for long only costs what an old change would undo.
      if (deleted.size > limits.deletedMax) deleted.delete(deleted.keys().next().value!);
      return rules.delete(id);
    }
    rules.set(id, ruleOf(entry, retentionMs));
    return true;
  };
  return {
    all: () => rules,
    groups: () => groupsOf([...rules.values()]),
    apply: (entries) => entries.filter(apply).length > 0,
  };
}

export const limits = {
  /** Rules that were deleted whose version is remembered. */
  deletedMax: 10_000,
} as const;

function ruleOf({ key: id, version, data, actor, atMs }: Entry, retentionMs: number): ApiRule {
  const { text } = data as WrittenRule;
  const read = readRule(text, { retentionMs, compositesLater: true });
  const own = { id, version, text, actor, atMs };
  if (!read.ok) {
    const problems = read.problems.map((problem) => ({ ...problem, file: `${API}/${id}` }));
    return { ...own, group: null, problems };
  }
  return { ...own, group: withId(read.group, id), problems: [] };
}

/** The same group, whose one rule has the id. */
export function withId(group: RuleGroup, id: string): RuleGroup {
  const rules = group.rules.map((rule): Rule => ({ ...rule, id,
    position: { ...rule.position, file: API } }));
  return { ...group, rules };
}

const keyOf = ({ name, intervalMs, queryOffsetMs, limit }: RuleGroup): string =>
  JSON.stringify([name, intervalMs, queryOffsetMs, limit]);

/**
 * Rules of one name of a group together. Where two people have made a group at the same moment,
 * with other intervals, the later one has its interval in its name.
 */
function groupsOf(rules: readonly ApiRule[]): RuleGroup[] {
  const groups = new Map<string, RuleGroup>();
  const names = new Map<string, string>();
  const ordered = rules.flatMap(({ group, id }) => (group === null ? [] : [{ group, id }]))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
  for (const { group } of ordered) {
    const key = keyOf(group);
    const first = names.get(group.name) ?? key;
    names.set(group.name, first);
    const known = groups.get(key);
    const name = first === key ? group.name
      : `${group.name} ${durationText(group.intervalMs)} ${durationText(group.queryOffsetMs)}`;
    groups.set(key, { ...group, name, rules: [...known?.rules ?? [], ...group.rules] });
  }
  return [...groups.values()];
}
