// The rules that count: those of files, of the file of thresholds, and those that were made over
// the API. Files win nothing over the API: they have other ids.
//
// Promises:
// - At the start all files are read before anybody is evaluated; what has a problem is left out.
// - `groups` changes as a whole, and every follower is told after it.
// - What is written over the API counts when `create`, `change` or `remove` resolves, and with the
//   other backends as soon as the journal tells them.

import type { ConfigProblem } from '../../config/errors.ts';
import type { Component } from '../../proto/contract/component.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { Files } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import type { Random } from '../../runtime/random.ts';
import type { Draft, Journal } from '../journal/journal.ts';
import { createApiRules, withId, type ApiRule } from './api_rules.ts';
import { durationText } from './file/options.ts';
import { readRules } from './file/rules.ts';
import { API, readRule } from './file/single.ts';
import { THRESHOLDS } from './file/thresholds.ts';
import type { Rule, RuleBook, RuleFault, RuleGroup } from './model.ts';
import { createRuleFiles } from './rule_files.ts';

export const limits = {
  /** Files are looked at so often; what changed and rested in between counts. */
  lookMs: 1000,
  /** Time until a journal that could not be read is read again. */
  retryMs: 5000,
  /** Rules that were made over the API; one more is refused. */
  apiRulesMax: 5000,
  /** Characters of a rule that comes over the API; more are refused. */
  ruleCharactersMax: 64 * 1024,
} as const;

export interface RuleBookOptions {
  readonly files: Pick<Files, 'list' | 'stat' | 'readText'>;
  readonly clock: Clock;
  readonly random: Pick<Random, 'uuid'>;
  readonly log: Log;
  readonly counters: Counters;
  /** Globs of rule files. */
  readonly patterns: readonly string[];
  /** JSON with simple thresholds; '' for none. */
  readonly thresholdsFile: string;
  readonly journal: Pick<Journal, 'load' | 'write' | 'follow'>;
  /** How long records are kept. */
  readonly retentionMs: number;
  /** What would keep a rule from being measured: the measurer's. Never throws. */
  readonly check: (rule: Rule) => Promise<RuleFault | null>;
}

export interface BookRule {
  readonly rule: Rule;
  readonly group: RuleGroup;
  readonly origin: 'file' | 'thresholds' | 'api';
  /** Who wrote it last and when; null for those of files. */
  readonly written: Pick<ApiRule, 'text' | 'actor' | 'atMs'> | null;
}

export type RuleWritten =
  | { readonly ok: true; readonly rule: BookRule }
  /** `problems` with `invalid` alone. */
  | { readonly ok: false; readonly cause: 'invalid' | 'missing' | 'read_only' | 'full';
      readonly problems: readonly ConfigProblem[] };

export interface WatchedRuleBook extends RuleBook, Component {
  /** What is wrong with files and rules now; they have no or their old rules. */
  problems(): readonly ConfigProblem[];
  /** Every rule that counts. */
  rules(): readonly BookRule[];
  rule(id: string): BookRule | null;
  /**
   * What is wrong with a text of a rule, of one that is to replace `id` or a new one; or with that
   * of a whole file, which begins with `groups`.
   */
  check(text: string, id?: string): Promise<readonly ConfigProblem[]>;
  /** These throw QueryError when the journal cannot be written. `text`: YAML or JSON. */
  create(text: string, actor: string): Promise<RuleWritten>;
  change(id: string, text: string, actor: string): Promise<RuleWritten>;
  remove(id: string, actor: string): Promise<'removed' | 'missing' | 'read_only'>;
}

export function createRuleBook(options: RuleBookOptions): WatchedRuleBook {
  return new Book(options);
}

type Checked = { readonly group: RuleGroup } | { readonly problems: readonly ConfigProblem[] };

const refused = (cause: Exclude<RuleWritten, { ok: true }>['cause'],
  problems: readonly ConfigProblem[] = []): RuleWritten => ({ ok: false, cause, problems });

class Book implements WatchedRuleBook {
  private readonly options: RuleBookOptions;
  private readonly api;
  private readonly fromFiles;
  private readonly followers = new Set<() => void>();
  private readonly ending = new AbortController();
  private current: readonly RuleGroup[] = [];
  private timer: Timer | null = null;
  private looking: Promise<void> | null = null;
  private unfollow: () => void = () => {};

  constructor(options: RuleBookOptions) {
    this.options = options;
    this.api = createApiRules(options);
    this.fromFiles = createRuleFiles({ ...options, others: () => this.api.groups() });
    const { counters } = options;
    counters.gauges('binnacle_rules', 'Rules that count, by where they come from.', () =>
      ORIGINS.map((origin) => [{ origin }, this.countOf(origin)] as const));
    counters.gauge('binnacle_rule_problems', 'Mistakes in rule files and rules.',
      () => this.problems().length);
  }

  groups = (): readonly RuleGroup[] => this.current;

  follow = (changed: () => void): (() => void) => {
    const own = () => changed();
    this.followers.add(own);
    return () => void this.followers.delete(own);
  };

  problems = (): readonly ConfigProblem[] => [...this.fromFiles.problems(),
    ...[...this.api.all().values()].flatMap(({ problems }) => problems)];

  rules(): readonly BookRule[] {
    return this.current.flatMap((group) => group.rules.map((rule) => this.shown(rule, group)));
  }

  rule(id: string): BookRule | null {
    for (const group of this.current) {
      const rule = group.rules.find((one) => one.id === id);
      if (rule !== undefined) return this.shown(rule, group);
    }
    return null;
  }

  async start(): Promise<void> {
    const { journal, clock } = this.options;
    this.unfollow = journal.follow(['rule'], (entries) => {
      if (this.api.apply(entries)) this.renew();
    });
    await this.loadApi();
    await this.fromFiles.read();
    this.renew();
    this.timer = clock.every(limits.lookMs, () => void this.look());
  }

  async stop(): Promise<void> {
    this.unfollow();
    this.timer?.cancel();
    this.ending.abort();
    await this.looking;
  }

  async check(text: string, id?: string): Promise<readonly ConfigProblem[]> {
    if (isFile(text)) return this.checkedFile(text);
    const checked = await this.checked(text, id ?? null);
    return 'problems' in checked ? checked.problems : [];
  }

  private async checkedFile(text: string): Promise<readonly ConfigProblem[]> {
    const { retentionMs, check } = this.options;
    const file = 'rules';
    const read = readRules({ file, text }, { retentionMs, others: this.current });
    const found = [...read.problems];
    for (const rule of read.groups.flatMap(({ rules }) => rules)) {
      const fault = await check(rule);
      if (fault !== null) found.push({ ...rule.position, column: 1, path: rule.name, ...fault });
    }
    return found;
  }

  async create(text: string, actor: string): Promise<RuleWritten> {
    if (this.api.all().size >= limits.apiRulesMax) return refused('full');
    return this.write(this.options.random.uuid(), text, actor, null);
  }

  async change(id: string, text: string, actor: string): Promise<RuleWritten> {
    const found = this.found(id);
    return found === null ? this.write(id, text, actor, id) : refused(found);
  }

  async remove(id: string, actor: string): Promise<'removed' | 'missing' | 'read_only'> {
    const found = this.found(id);
    if (found !== null) return found;
    const { text } = this.api.all().get(id)!;
    const name = this.rule(id)?.rule.name ?? '';
    await this.journal({ key: id, name, actor, data: { text }, deleted: true });
    return 'removed';
  }

  /** Why a rule cannot be changed here; null when it can. */
  private found(id: string): 'missing' | 'read_only' | null {
    if (this.api.all().has(id)) return null;
    return this.rule(id) === null ? 'missing' : 'read_only';
  }

  private async write(id: string, text: string, actor: string,
    replaced: string | null): Promise<RuleWritten> {
    const checked = await this.checked(text, replaced);
    if ('problems' in checked) return refused('invalid', checked.problems);
    const { name } = checked.group.rules[0]!;
    await this.journal({ key: id, name, actor, data: { text } });
    const rule = this.rule(id);
    // Somebody else may have deleted it in this moment.
    return rule === null ? refused('missing') : { ok: true, rule };
  }

  private journal(draft: Omit<Draft, 'kind' | 'atMs'>): Promise<void> {
    const { journal, clock } = this.options;
    return journal.write([{ ...draft, kind: 'rule', atMs: clock.nowMs() }], this.ending.signal);
  }

  private async checked(text: string, replaced: string | null): Promise<Checked> {
    if (text.length > limits.ruleCharactersMax) {
      return { problems: [problem(`has more than ${limits.ruleCharactersMax} characters`,
        'make several rules of it')] };
    }
    const others = withoutRule(this.current, replaced);
    const read = readRule(text, { retentionMs: this.options.retentionMs, others });
    if (!read.ok) return { problems: read.problems };
    const group = withId(read.group, replaced ?? 'new');
    const clash = clashOf(group, others);
    if (clash !== null) return { problems: [clash] };
    const fault = await this.options.check(group.rules[0]!);
    return fault === null ? { group } : { problems: [problem(fault.why, fault.hint)] };
  }

  private async loadApi(): Promise<void> {
    const { journal, log, clock } = this.options;
    try {
      if (this.api.apply(await journal.load(['rule'], this.ending.signal))) this.renew();
    } catch (error) {
      if (this.ending.signal.aborted) return;
      log.warn('cannot read the rules that were made over the API: trying again',
        { cause: errorMessage(error) });
      clock.after(limits.retryMs, () => void this.loadApi());
    }
  }

  /** One look at a time. */
  private look(): Promise<void> {
    this.looking ??= this.fromFiles.look().then((isNew) => {
      if (isNew) this.renew();
    }).finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  private renew(): void {
    this.current = [...this.fromFiles.groups(), ...this.api.groups()];
    for (const changed of this.followers) changed();
  }

  private shown(rule: Rule, group: RuleGroup): BookRule {
    const written = group.file === API ? this.api.all().get(rule.id) ?? null : null;
    return { rule, group, origin: originOf(group), written };
  }

  private countOf(origin: BookRule['origin']): number {
    return this.current.filter((group) => originOf(group) === origin)
      .reduce((sum, group) => sum + group.rules.length, 0);
  }
}

const ORIGINS = ['file', 'thresholds', 'api'] as const;

const originOf = ({ file }: RuleGroup): BookRule['origin'] =>
  (file === API || file === THRESHOLDS ? file : 'file');

/** A map whose first key is `groups`, in YAML or JSON. */
const isFile = (text: string): boolean => /^(?:\s|#.*\n)*\{?\s*["']?groups["']?\s*:/.test(text);

const problem = (why: string, hint: string): ConfigProblem =>
  ({ file: 'rule', line: 1, column: 1, path: '', why, hint });

const withoutRule = (groups: readonly RuleGroup[], id: string | null): readonly RuleGroup[] =>
  groups.map((group) => ({ ...group, rules: group.rules.filter((rule) => rule.id !== id) }))
    .filter(({ rules }) => rules.length > 0);

/** A group that is there has its own interval. */
function clashOf(group: RuleGroup, others: readonly RuleGroup[]): ConfigProblem | null {
  const other = others.find(({ file, name }) => file === API && name === group.name);
  const isSame = other === undefined || (other.intervalMs === group.intervalMs
    && other.queryOffsetMs === group.queryOffsetMs && other.limit === group.limit);
  return isSame ? null : {
    ...problem(`the group ${group.name} has an interval of ${durationText(other.intervalMs)}, a `
      + `query_offset of ${durationText(other.queryOffsetMs)} and a limit of ${other.limit}`,
    'write the same, or another group'), path: 'group',
  };
}
