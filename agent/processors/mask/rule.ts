// What a rule of the mask processor is.

/** What stands in the place of all of a secret. */
export const STARS = '********';

/**
 * Counts a finding and answers what stands in its place: `mask`, or its pseudonym where the rule
 * has them. `plain` is the finding without what may be written in several ways, for the pseudonym.
 */
export type Hide = (found: string, mask?: string, plain?: string) => string;

/** What the name of a value says that it is. */
export type Meaning =
  | 'none' | 'secret'
  /** A secret, unless it is a number. */
  | 'weak'
  | 'card' | 'iban' | 'ssn' | 'email' | 'phone' | 'user';

/** Levels, from that which hides least to that which hides most. */
export const LEVELS = ['public', 'internal', 'confidential', 'restricted'] as const;
export type Level = typeof LEVELS[number];

export interface Rule {
  readonly name: string;
  /** The lowest level at which it is on. */
  readonly level: Level;
  /**
   * Regular expressions of config/regex/tree.ts: a text in which none of them occurs has nothing
   * for this rule. They run over every byte, so they should occur seldom.
   */
  readonly triggers: readonly string[];
  /**
   * The text with what the rule finds hidden; the same text when it finds nothing. Masked text has
   * nothing more to find. Takes time linear in the text. `meaning` is that of the value's name.
   */
  apply(text: string, hide: Hide, meaning: Meaning): string;
}
