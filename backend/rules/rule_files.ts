// Rules in files, as they are now: read at the start, and again when what is in them changes.
//
// Promises:
// - A file with any problem changes nothing: its old rules go on, the log and `problems` say what
//   is wrong, with line and column. The other files are read all the same.
// - A file counts when it has rested between two looks, so that nobody reads half of one.
// - A file that is gone takes its rules with it. One that was named without stars must be there.
// - What cannot be checked now, as the store is away, is checked again.

import { describeProblem, type ConfigProblem } from '../../config/errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { systemCause } from '../../runtime/errors.ts';
import type { Files } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import { compositeFaults } from './file/composite.ts';
import { readRules, type ReadRules } from './file/rules.ts';
import { readThresholds } from './file/thresholds.ts';
import { filesOf } from './globs.ts';
import type { Rule, RuleFault, RuleGroup } from './model.ts';

export const limits = {
  /** Characters of a file; a larger one is refused. */
  charactersMax: 4 * 1024 * 1024,
  /** Time after which what the store has refused is asked again. */
  checkAgainMs: 30_000,
  /** Problems of one check that are told. */
  problemsMax: 1000,
} as const;

export interface RuleFilesOptions {
  readonly files: Pick<Files, 'list' | 'stat' | 'readText'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  /** Globs of rule files. */
  readonly patterns: readonly string[];
  /** JSON; '' for none. */
  readonly thresholdsFile: string;
  readonly retentionMs: number;
  readonly check: (rule: Rule) => Promise<RuleFault | null>;
  /** Rules that come from elsewhere, which composites may name. */
  readonly others: () => readonly RuleGroup[];
}

export interface RuleFiles {
  groups(): readonly RuleGroup[];
  problems(): readonly ConfigProblem[];
  /** Reads all of them at once. Never throws. */
  read(): Promise<void>;
  /** Reads what has changed and rested. True when other rules count now. Never throws. */
  look(): Promise<boolean>;
}

/** What a file holds, or why it cannot be read. */
type Content = { readonly text: string } | { readonly why: string; readonly hint: string };

interface Taken {
  readonly content: Content;
  /** Those that count, maybe of an earlier content. */
  readonly groups: readonly RuleGroup[];
  readonly problems: readonly ConfigProblem[];
  /** The store refused a rule, which may change without the file. */
  readonly isUnsure: boolean;
}

export function createRuleFiles(options: RuleFilesOptions): RuleFiles {
  return new WatchedFiles(options);
}

class WatchedFiles implements RuleFiles {
  private readonly options: RuleFilesOptions;
  private readonly taken = new Map<string, Taken>();
  private seen: ReadonlyMap<string, Content> = new Map();
  private checkAtMs = Infinity;

  constructor(options: RuleFilesOptions) {
    this.options = options;
  }

  groups = (): readonly RuleGroup[] => [...this.taken.values()].flatMap(({ groups }) => groups);

  problems = (): readonly ConfigProblem[] =>
    [...this.taken.values()].flatMap(({ problems }) => problems);

  async read(): Promise<void> {
    this.seen = await this.contents();
    await this.take(this.seen);
  }

  async look(): Promise<boolean> {
    const before = this.seen;
    this.seen = await this.contents();
    const isDue = this.options.clock.monotonicMs() >= this.checkAtMs;
    if (!isSame(before, this.seen) || (!isDue && !this.isNews(this.seen))) return false;
    const old = textOf(this.groups());
    await this.take(this.seen);
    return textOf(this.groups()) !== old;
  }

  private isNews(contents: ReadonlyMap<string, Content>): boolean {
    return !isSame(contents, new Map([...this.taken].map(([file, one]) => [file, one.content])));
  }

  private async contents(): Promise<Map<string, Content>> {
    const { files, patterns, thresholdsFile } = this.options;
    const contents = new Map<string, Content>();
    for (const pattern of patterns) {
      try {
        for (const file of await filesOf(files, [pattern])) {
          contents.set(file, await contentOf(files, file));
        }
      } catch (error) {
        contents.set(pattern, { why: `cannot be read: ${systemCause(error)}`, hint: '' });
      }
    }
    if (thresholdsFile !== '') {
      contents.set(thresholdsFile, await contentOf(files, thresholdsFile));
    }
    return contents;
  }

  private async take(contents: ReadonlyMap<string, Content>): Promise<void> {
    const { log } = this.options;
    for (const file of this.taken.keys()) {
      if (contents.has(file)) continue;
      this.taken.delete(file);
      log.info('the rules of a file are gone with it', { file });
    }
    const fresh = new Map<string, Taken>();
    for (const [file, content] of contents) {
      const known = this.taken.get(file);
      const isKnown = known !== undefined && !known.isUnsure && isEqual(known.content, content);
      const isWhole = isKnown && known.problems.length === 0;
      fresh.set(file, isWhole ? known : this.parsed(file, content));
    }
    this.joinComposites(fresh);
    await this.checkAll(fresh);
    for (const [file, one] of fresh) this.tell(file, one);
    for (const [file, one] of fresh) this.taken.set(file, one);
    const isUnsure = [...fresh.values()].some((one) => one.isUnsure);
    this.checkAtMs = isUnsure
      ? this.options.clock.monotonicMs() + limits.checkAgainMs : Infinity;
  }

  private parsed(file: string, content: Content): Taken {
    const read = this.readOne(file, content, null);
    return this.result(file, content, read);
  }

  private readOne(file: string, content: Content, others: readonly RuleGroup[] | null): ReadRules {
    if (!('text' in content)) {
      return { groups: [], problems: [{ file, line: 0, column: 0, path: '', ...content }] };
    }
    const { retentionMs, thresholdsFile } = this.options;
    const read = file === thresholdsFile ? readThresholds : readRules;
    return read({ file, text: content.text }, others === null
      ? { retentionMs, compositesLater: true } : { retentionMs, others });
  }

  /** With the old rules when there is a problem. */
  private result(file: string, content: Content, { groups, problems }: ReadRules): Taken {
    return { content, problems: problems.slice(0, limits.problemsMax), isUnsure: false,
      groups: problems.length === 0 ? groups : this.taken.get(file)?.groups ?? [] };
  }

  /** Composites may name rules of any file, so they are looked at when all are known. */
  private joinComposites(fresh: Map<string, Taken>): void {
    const of = (skipped: string) => [...[...fresh].flatMap(([file, { groups }]) =>
      (file === skipped ? [] : groups)), ...this.options.others()];
    const wrong = new Set(compositeFaults(of('')).map(({ rule }) => rule));
    for (const [file, { content, groups, problems }] of fresh) {
      const isWrong = groups.some(({ rules }) => rules.some((rule) => wrong.has(rule)));
      if (!isWrong || problems.length > 0) continue;
      fresh.set(file, this.result(file, content, this.readOne(file, content, of(file))));
    }
  }

  private async checkAll(fresh: Map<string, Taken>): Promise<void> {
    for (const [file, { content, groups, problems }] of fresh) {
      const old = this.taken.get(file);
      if (problems.length > 0 || groups === old?.groups) continue;
      const known = new Set(old?.problems.length === 0
        ? old.groups.flatMap(({ rules }) => rules.map(sourceText)) : []);
      const found: ConfigProblem[] = [];
      for (const rule of groups.flatMap(({ rules }) => rules)) {
        if (known.has(sourceText(rule))) continue;
        const fault = await this.options.check(rule);
        if (fault !== null) found.push({ ...rule.position, column: 1, path: rule.name, ...fault });
      }
      if (found.length === 0) continue;
      const result = this.result(file, content, { groups, problems: found });
      fresh.set(file, { ...result, isUnsure: true });
    }
  }

  private tell(file: string, { content, groups, problems }: Taken): void {
    const { log, counters } = this.options;
    const old = this.taken.get(file);
    const isNews = old === undefined || !isEqual(old.content, content)
      || JSON.stringify(old.problems) !== JSON.stringify(problems);
    if (!isNews) return;
    const result = problems.length === 0 ? 'taken' : 'refused';
    counters.counter('binnacle_rule_files_read_total', 'Rule files that were read, by what came '
      + 'of it.', { result }).add(1);
    const rules = groups.reduce((sum, group) => sum + group.rules.length, 0);
    if (problems.length === 0) return log.info('rules were read', { file, rules });
    for (const problem of problems) log.error(describeProblem(problem));
    log.error('the rule file is not used: it has mistakes; its old rules go on', { file, rules });
  }
}

async function contentOf(files: Pick<Files, 'readText'>, file: string): Promise<Content> {
  try {
    const text = await files.readText(file);
    if (text === null) return { why: 'is not there', hint: 'write it, or take its name out' };
    if (text.length <= limits.charactersMax) return { text };
    return { why: `has more than ${limits.charactersMax} characters`, hint: 'make several of it' };
  } catch (error) {
    return { why: `cannot be read: ${systemCause(error)}`, hint: 'check its permissions' };
  }
}

const isEqual = (one: Content, other: Content): boolean =>
  ('text' in one && 'text' in other ? one.text === other.text
    : JSON.stringify(one) === JSON.stringify(other));

const isSame = (one: ReadonlyMap<string, Content>, other: ReadonlyMap<string, Content>): boolean =>
  one.size === other.size && [...one].every(([file, content]) => {
    const found = other.get(file);
    return found !== undefined && isEqual(content, found);
  });

const sourceText = (rule: Rule): string => JSON.stringify(rule.source);

/** Another text when other rules count. */
const textOf = (groups: readonly RuleGroup[]): string => JSON.stringify(groups);

