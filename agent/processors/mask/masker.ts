// Decides what becomes of a text, and of a value under a name.
//
// One scan over the bytes of a text says which rules can find something in it; for most that is
// none, and they are not even decoded. Rules then run one after the other, each on what the one
// before left, so each secret is found and counted once.

import { createScanner, type Scanner } from '../../../config/regex/scanner.ts';
import { parseRegex } from '../../../config/regex/tree.ts';
import { decodeText, type TextBuffer } from '../../../proto/protobuf/text.ts';
import type { Counters } from '../../../runtime/counters.ts';
import type { MaskConfig } from './config.ts';
import { meaningOf, NAME_TRIGGERS, USER_TRIGGER } from './keys.ts';
import { createOwnRule, nameTest, type OwnRule } from './own.ts';
import { createPseudonyms } from './pseudonyms.ts';
import { LEVELS, STARS, type Hide, type Meaning, type Rule } from './rule.ts';
import { NAME_RULES, RULES } from './rules.ts';
import { endsInKey, endsKey, hideAll, isKeyLine } from './secrets.ts';

export const limits = {
  /** Names of attributes whose meaning is remembered; with one more all are forgotten. */
  namesMax: 5000,
  /** Records behind one in which a private key begins that are looked at for its other lines. */
  keyRecordsMax: 200,
  /** Automatons that are kept for processors with the same rules; with one more all are let go. */
  scannersMax: 8,
} as const;

/** What is to be done with the value under a name. */
export interface Verdict {
  readonly meaning: Meaning;
  /** Nothing is hidden in it. */
  readonly isIgnored: boolean;
  /** The rule that takes all of it. */
  readonly whole: OwnRule | null;
  /** Rules that look into it because of its name. */
  readonly scoped: readonly OwnRule[];
}

export const PLAIN: Verdict = { meaning: 'none', isIgnored: false, whole: null, scoped: [] };

interface Applied {
  readonly rule: Rule;
  readonly bit: number;
  readonly hide: Hide;
}

/** Rules from this one on share a bit: all look at a text in which one may find something. */
const LAST_BIT = 29;
const NAME_BIT = 1 << 30;

export interface MaskerOptions {
  readonly config: MaskConfig;
  readonly counters: Counters;
  /** Its id, for counters. */
  readonly processor: string;
  /** Null: no pseudonyms. */
  readonly pseudonymKey: Uint8Array | null;
}

export class Masker {
  private readonly isDry: boolean;
  private readonly rules: readonly Applied[];
  private readonly hides: ReadonlyMap<string, Hide>;
  private readonly named: readonly OwnRule[];
  private readonly texts: Scanner;
  private readonly names: Scanner;
  private readonly verdicts = new Map<string, Verdict>();
  private readonly isIgnored: (name: string) => boolean;
  private readonly asksEveryName: boolean;
  /** Records that are still looked at for the lines of a private key. */
  private keyRecords = 0;

  constructor(options: MaskerOptions) {
    const { config } = options;
    const chosen = chosenRules(config);
    const own = config.rules.map(createOwnRule);
    const everywhere = [...own.filter(({ scope }) => scope === 'everywhere'),
      ...RULES.filter(({ name }) => chosen.has(name))];
    this.isDry = config.dry_run;
    this.hides = createHides([...own.map(({ name }) => name), ...chosen], options);
    this.rules = everywhere.map((rule, index) =>
      ({ rule, bit: 1 << Math.min(index, LAST_BIT), hide: this.hides.get(rule.name)! }));
    this.named = own.filter(({ scope }) => scope !== 'everywhere');
    this.isIgnored = nameTest(config.ignored_keys);
    this.asksEveryName = config.ignored_keys.length > 0 || this.named.length > 0;
    const wanted = this.rules.flatMap(({ rule, bit }) =>
      rule.triggers.map((trigger) => ({ trigger, bit })));
    const names = chosen.has('user_name') ? [...NAME_TRIGGERS, USER_TRIGGER] : NAME_TRIGGERS;
    this.texts = sharedScanner(wanted);
    this.names = sharedScanner([...wanted,
      ...names.map((trigger) => ({ trigger, bit: NAME_BIT }))]);
  }

  /** What a text becomes; null: it stays as it is. */
  text(bytes: TextBuffer, start: number, end: number, verdict: Verdict): string | null {
    if (verdict !== PLAIN) {
      const text = decodeText(bytes, start, end);
      return this.changed(text, this.valueOf(text, verdict, this.texts.scan(bytes, start, end)));
    }
    const bits = this.texts.scan(bytes, start, end);
    if (bits === 0) return null;
    const text = decodeText(bytes, start, end);
    return this.changed(text, this.apply(text, bits, 'none'));
  }

  /**
   * As `text`, for the bodies of log records in the order in which they were written: the lines of
   * a private key may come one by one.
   */
  body(bytes: TextBuffer, start: number, end: number): string | null {
    if (this.keyRecords > 0) {
      const text = decodeText(bytes, start, end);
      if (isKeyLine(text)) {
        if (endsKey(text)) this.keyRecords = 0;
        return this.changed(text, STARS);
      }
      this.keyRecords -= 1;
    }
    const masked = this.text(bytes, start, end, PLAIN);
    if (masked !== null && this.hides.has('private_key')) {
      if (endsInKey(decodeText(bytes, start, end))) this.keyRecords = limits.keyRecordsMax;
    }
    return masked;
  }

  /** Records that follow are of another source. */
  beginSource(): void {
    this.keyRecords = 0;
  }

  /** What a number becomes; null: it stays a number. */
  number(text: string, verdict: Verdict): string | null {
    if (verdict.meaning === 'weak' && verdict.whole === null) return null;
    return this.changed(text, this.valueOf(text, verdict, 0));
  }

  /** What a name says about its value, and what it becomes itself; null: it stays as it is. */
  name(bytes: TextBuffer, start: number, end: number): { verdict: Verdict; name: string | null } {
    const bits = this.names.scan(bytes, start, end);
    if (bits === 0 && !this.asksEveryName) return UNNAMED;
    const name = decodeText(bytes, start, end);
    const verdict = this.verdictOf(name);
    if (verdict.isIgnored || (bits & ~NAME_BIT) === 0) return { verdict, name: null };
    return { verdict, name: this.changed(name, this.apply(name, bits, 'none')) };
  }

  private verdictOf(name: string): Verdict {
    const known = this.verdicts.get(name);
    if (known !== undefined) return known;
    if (this.verdicts.size >= limits.namesMax) this.verdicts.clear();
    const found = meaningOf(name);
    const named = this.named.filter(({ isNamed }) => isNamed(name));
    const verdict: Verdict = {
      meaning: this.hides.has(ruleOf(found)) ? found : 'none',
      isIgnored: this.isIgnored(name),
      whole: named.find(({ scope }) => scope === 'whole') ?? null,
      scoped: named.filter(({ scope }) => scope === 'names'),
    };
    const isPlain = verdict.meaning === 'none' && !verdict.isIgnored && named.length === 0;
    this.verdicts.set(name, isPlain ? PLAIN : verdict);
    return isPlain ? PLAIN : verdict;
  }

  private valueOf(text: string, verdict: Verdict, bits: number): string {
    const { meaning, isIgnored, whole, scoped } = verdict;
    if (isIgnored || text === '') return text;
    if (whole !== null) {
      return text === whole.replacement ? text
        : this.hides.get(whole.name)!(text, whole.replacement);
    }
    const own = scoped.reduce((before, rule) =>
      rule.apply(before, this.hides.get(rule.name)!, meaning), text);
    const hide = this.hides.get(ruleOf(meaning));
    switch (meaning) {
      case 'secret': return hideAll(own, hide!);
      case 'weak': return /^-?[\d.]+$/.test(own) ? own : hideAll(own, hide!);
      case 'user': return hideUser(own, hide!);
      default: return this.apply(own, bits, meaning);
    }
  }

  /** The rules whose bits are set, and that of the meaning. */
  private apply(text: string, bits: number, meaning: Meaning): string {
    const named = meaning === 'none' ? '' : ruleOf(meaning);
    let masked = text;
    for (const { rule, bit, hide } of this.rules) {
      if ((bits & bit) === 0 && rule.name !== named) continue;
      masked = rule.apply(masked, hide, meaning);
    }
    return masked;
  }

  private changed(before: string, after: string): string | null {
    return this.isDry || before === after ? null : after;
  }
}

const UNNAMED = { verdict: PLAIN, name: null };

/** The rule that hides values of this meaning. */
function ruleOf(meaning: Meaning): string {
  if (meaning === 'weak') return 'secret';
  return meaning === 'user' ? 'user_name' : meaning;
}

const hideUser = (text: string, hide: Hide): string =>
  (text.endsWith('***') || text.startsWith('[user_name:') ? text : hide(text, `${text[0]}***`));

const scanners = new Map<string, Scanner>();

/** Processors of several pipelines have the same rules, and one automaton. */
function sharedScanner(wanted: readonly { trigger: string; bit: number }[]): Scanner {
  const name = JSON.stringify(wanted);
  const known = scanners.get(name);
  if (known !== undefined) return known;
  const scanner = createScanner(wanted.map(({ trigger, bit }) =>
    ({ regex: parseRegex(trigger), bits: bit })));
  if (scanners.size >= limits.scannersMax) scanners.clear();
  scanners.set(name, scanner);
  return scanner;
}

/** The names of the built-in rules that are on. */
function chosenRules({ level, enable, disable }: MaskConfig): ReadonlySet<string> {
  const chosen = [...RULES, ...NAME_RULES]
    .filter((rule) => LEVELS.indexOf(rule.level) <= LEVELS.indexOf(level))
    .map(({ name }) => name);
  return new Set([...chosen, ...enable].filter((name) => !disable.includes(name)));
}

function createHides(
  names: readonly string[],
  { config, counters, processor, pseudonymKey }: MaskerOptions,
): Map<string, Hide> {
  const mode = config.dry_run ? 'dry_run' : 'mask';
  const pseudonym = createPseudonyms(pseudonymKey, config.pseudonyms?.rules ?? []);
  return new Map(names.map((rule) => {
    const matches = counters.counter('binnacle_mask_matches_total',
      'Secrets that the mask processor found.', { processor, rule, mode });
    const hide: Hide = (found, mask = STARS, plain = found) => {
      matches.add(1);
      return pseudonym(rule, plain) ?? mask;
    };
    return [rule, hide];
  }));
}
