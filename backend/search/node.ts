// What a search means, as a tree: what `parseSearch` makes of the text that a person writes
// (docs/search.md), what is compiled to SQL, and what a live tail asks of each record. All three
// promise the same answer for the same record.
//
// Invariants of a tree: `and` and `or` have at least two parts, none of which has their own type;
// everything is within `limits`.

export const limits = {
  /** Characters of a search; a longer one is refused. */
  charactersMax: 4096,
  /** Brackets and negations inside each other; more are refused. */
  depthMax: 32,
  /** Words, phrases and fields; more are refused. */
  termsMax: 200,
} as const;

export type SearchNode =
  | { readonly type: 'all' }
  | { readonly type: 'and' | 'or'; readonly parts: readonly SearchNode[] }
  | { readonly type: 'not'; readonly part: SearchNode }
  | SearchTerm;

export interface SearchTerm {
  readonly type: 'term';
  /** As it was written; '' for what has no field: words in the text of the record. */
  readonly field: string;
  readonly test: SearchTest;
  /** Where it stands in the search, for errors; no part of what it means. */
  readonly at: number;
}

export type SearchTest =
  | { readonly kind: 'text'; readonly text: string }
  /** `*` any characters, `?` one; these and `\` as themselves behind a `\`. */
  | { readonly kind: 'wildcard'; readonly pattern: string }
  /** As the person wrote it, between the slashes. */
  | { readonly kind: 'regex'; readonly source: string; readonly ignoresCase: boolean }
  /** At least one of them is not null. */
  | { readonly kind: 'range'; readonly from: SearchBound | null; readonly to: SearchBound | null }
  | { readonly kind: 'exists' };

export interface SearchBound {
  readonly value: string;
  /** Whether the value itself is inside. */
  readonly inclusive: boolean;
}

/** What is wrong with a search, for its author. */
export class SearchError extends Error {
  /** From 0, in characters of the search as JavaScript counts them. */
  readonly position: number;
  /** What to write instead; '' when there is nothing to say. */
  readonly suggestion: string;

  constructor(message: string, position: number, suggestion = '') {
    super(message);
    this.position = position;
    this.suggestion = suggestion;
  }
}
