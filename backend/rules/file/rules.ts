// A rule file to groups of rules, or all that is wrong with it. Nothing is half read: a group with
// a wrong rule is left out, and whoever asked decides what then counts. docs/rules.md has the
// format; it is that of Prometheus' files, with other sources.

import { isDeepStrictEqual } from 'node:util';
import { parse as parseYaml, stringify } from 'yaml';
import type { ConfigPath, ConfigProblem } from '../../../config/errors.ts';
import { parseWith, valueAt } from '../../../config/parse.ts';
import { parseSource, type Source } from '../../../config/source.ts';
import { createTree, type ConfigNode } from '../../../config/tree.ts';
import { ALERT_NAME, fingerprintOf } from '../../labels/labels.ts';
import type { Rule, RuleGroup } from '../model.ts';
import { compositeFaults } from './composite.ts';
import { levelsOf } from './levels.ts';
import type { ReadRulesOptions } from './options.ts';
import { fileSchema, groupSchema, limits, ruleSchema, type GroupShape, type RuleShape }
  from './shape.ts';
import { Sheet } from './sheet.ts';
import { sliceAt } from './slice.ts';
import { sourceOf, type Spot } from './sources.ts';
import { labelsFit, labelsOf, textsOf } from './texts.ts';

export interface ReadRules {
  /** Without those that have a problem. */
  readonly groups: readonly RuleGroup[];
  /** In the order of the file. */
  readonly problems: readonly ConfigProblem[];
}

/** Reads `groups: [{ name, rules: […] }]`. Never throws. An empty file has no rules. */
export function readRules(source: Source, options: ReadRulesOptions): ReadRules {
  const { root, problems } = parseSource(source, null);
  if (root === null) return { groups: [], problems };
  return readRuleTree(source, root, { ...options, problems });
}

/** The same of a file that is at hand as a tree, with what is known to be wrong with it. */
export function readRuleTree(
  source: Source,
  root: ConfigNode,
  options: ReadRulesOptions & { readonly problems: readonly ConfigProblem[] },
): ReadRules {
  const tree = createTree(root);
  const sheet = new Sheet(source, tree);
  sheet.problems.push(...options.problems);
  const parsed = parseWith(fileSchema(), tree);
  if (!parsed.ok) return { groups: [], problems: [...sheet.problems, ...parsed.problems] };
  const reader = new FileReader(sheet, source, options);
  const groups = parsed.value.groups.flatMap((_, index) => reader.group(index) ?? []);
  const good = options.compositesLater === true ? groups
    : reader.withoutFaults(groups, options.others ?? []);
  return { groups: good, problems: sheet.problems.toSorted((one, other) =>
    one.line - other.line || one.column - other.column) };
}

/** Labels that every alert may have. */
const GIVEN = [ALERT_NAME, 'severity'];

/** The same file, group, name, and number among equal names: the same id. */
export function ruleIdOf(file: string, group: string, name: string, occurrence: number): string {
  return fingerprintOf({ file, group, name, occurrence: String(occurrence) });
}

/** Made once: to make one takes longer than to read a rule. */
const GROUP = groupSchema();
const RULE = ruleSchema();

class FileReader {
  private readonly sheet: Sheet;
  private readonly hasAnchors: boolean;
  private readonly options: ReadRulesOptions;
  private readonly origin: string;
  private readonly names = new Set<string>();
  /** Where rules stand, by id. */
  private readonly paths = new Map<string, ConfigPath>();

  constructor(sheet: Sheet, source: Source, options: ReadRulesOptions) {
    this.sheet = sheet;
    this.hasAnchors = /(?:^|\s)[&*]\w/.test(source.text);
    this.options = options;
    this.origin = options.origin ?? source.file;
  }

  /** Null when something is wrong with it. */
  group(index: number): RuleGroup | null {
    const { sheet } = this;
    const path = ['groups', index];
    const before = sheet.problems.length;
    const shape = this.groupShape(path);
    const seen = new Map<string, number>();
    const rules = shape.rules.flatMap((_, at) => this.rule(shape, [...path, 'rules', at], seen)
      ?? []);
    if (sheet.problems.length > before) return null;
    return { file: this.origin, name: shape.name, intervalMs: shape.interval,
      queryOffsetMs: shape.query_offset, limit: shape.limit, rules };
  }

  /** Of a wrong group, which was reported, what its rules can be read with. */
  private groupShape(path: ConfigPath): GroupShape {
    const { sheet } = this;
    const parsed = parseWith(GROUP, sheet.tree, path);
    if (!parsed.ok) {
      sheet.problems.push(...parsed.problems);
      const { name, rules } = (valueAt(sheet.tree.value, path) ?? {}) as Partial<GroupShape>;
      const least = GROUP.parse({ name: 'wrong' });
      return { ...least, name: typeof name === 'string' ? name : '',
        rules: Array.isArray(rules) ? rules.slice(0, limits.rulesMax) : [] };
    }
    const { name, labels } = parsed.value;
    if (this.names.has(name)) {
      sheet.report([...path, 'name'], { why: `there is a group ${name} above`,
        hint: 'give it another name, or put its rules there' });
    }
    this.names.add(name);
    labelsFit(labels, { sheet, options: this.options, path: [...path, 'labels'] });
    return parsed.value;
  }

  private rule(group: GroupShape, path: ConfigPath, seen: Map<string, number>): Rule | null {
    const { sheet, options } = this;
    const parsed = parseWith(RULE, sheet.tree, path);
    if (!parsed.ok) {
      sheet.problems.push(...parsed.problems);
      return null;
    }
    const shape = parsed.value;
    if (shape.alert === undefined) {
      sheet.report(path, { why: 'has no name', hint: 'write alert: and a name' });
      return null;
    }
    const spot = { sheet, path, options };
    const occurrence = seen.get(shape.alert) ?? 0;
    seen.set(shape.alert, occurrence + 1);
    const parts = this.parts(shape, group, spot);
    if (parts === null) return null;
    const id = ruleIdOf(this.origin, group.name, shape.alert, occurrence);
    this.paths.set(id, path);
    const { file, line } = sheet.where(path);
    return { id, name: shape.alert, ...parts, keepFiringForMs: shape.keep_firing_for,
      noData: shape.no_data, onError: shape.on_error, runbook: shape.runbook, owner: shape.owner,
      text: this.textOf(path), position: { file, line } };
  }

  private parts(shape: RuleShape, group: GroupShape, spot: Spot) {
    const source = sourceOf(shape, spot);
    if (source === null) return null;
    const levels = levelsOf(shape, source, spot);
    const added = [...Object.keys(group.labels), ...Object.keys(shape.labels)];
    const measured = labelsOf(source);
    const all = measured === null ? null : new Set([...measured, ...added, ...GIVEN]);
    const inside = (key: string) => ({ ...spot, path: [...spot.path, key] });
    const fits = labelsFit(shape.labels, inside('labels'));
    const groupPath = [...spot.path.slice(0, 2), 'labels'];
    const ofGroup = textsOf(group.labels, null, { ...spot, path: groupPath });
    const labels = textsOf(shape.labels, measured, inside('labels'));
    const annotations = textsOf(shape.annotations, all, inside('annotations'));
    if (levels === null || !fits || ofGroup === null || labels === null || annotations === null) {
      return null;
    }
    const joined = { ...ofGroup, ...labels };
    // The levels say it, unless it is a template.
    if (levels[0].severity !== '') delete joined['severity'];
    return { source, levels, labels: joined, annotations };
  }

  /** The rule's own lines; what leans on other parts of the file is written out. */
  private textOf(path: ConfigPath): string {
    const value = valueAt(this.sheet.tree.value, path);
    const at = this.sheet.where(path);
    const text = sliceAt(this.sheet.lines, at);
    const before = this.sheet.lines[at.line - 1]!.slice(0, at.column - 1);
    if (!this.hasAnchors && before.trim() === '-') return text;
    try {
      if (isDeepStrictEqual(parseYaml(text, { logLevel: 'silent' }), value)) return text;
    } catch {
      // It is no YAML by itself.
    }
    return stringify(value).trimEnd();
  }

  /** Without groups in which a composite cannot be. */
  withoutFaults(groups: readonly RuleGroup[], others: readonly RuleGroup[]): readonly RuleGroup[] {
    // A name may be missing only because its rule has a problem of its own.
    if (this.sheet.problems.length > 0) return groups;
    const faults = compositeFaults([...groups, ...others])
      .filter(({ rule }) => this.paths.has(rule.id));
    for (const { rule, why, hint } of faults) {
      this.sheet.report([...this.paths.get(rule.id)!, 'composite'], { why, hint });
    }
    const wrong = new Set(faults.map(({ rule }) => rule.id));
    return groups.filter(({ rules }) => rules.every(({ id }) => !wrong.has(id)));
  }
}
