// What rules and alerting remember, and share with the other backends: things of several kinds,
// each with a key. The newest version of a thing is what it is now; every version stays in the
// history.
//
// Promises:
// - What is written together is there together or not at all, and stays over kill -9 once `write`
//   has resolved.
// - Every change is told to whoever follows its kind: one's own before `write` resolves, those of
//   other backends within `limits.followMs`. State in memory is a fold over what is followed, so
//   there is one way in which it changes.
// - The last writer wins. Kinds are cut so that two backends do not write the same thing at once:
//   what the evaluation knows of an alert and what people say of it are two things.

import type { Labels } from '../labels/labels.ts';

/**
 * - `alert`: an alert of a rule, by rule id and fingerprint; written by the evaluator alone.
 * - `evaluation`: when the evaluator was last at work while alerts were pending; one thing.
 * - `posted`: an alert that an app or Prometheus handed in, by fingerprint.
 * - `rule`: a rule that was made over the API, by id.
 * - `silence`: by id.
 * - `acknowledgement`: what people say of a group or an alert (acknowledged, snoozed, resolved by
 *   hand, notes), by fingerprint or group key.
 * - `escalation`: how far a chain has come, by group key.
 * - `notification`: what was last decided and sent, by group key and receiver.
 * - `dead_letter`: a notification that no channel took, by id.
 */
export const KINDS = ['alert', 'evaluation', 'posted', 'rule', 'silence', 'acknowledgement',
  'escalation', 'notification', 'dead_letter'] as const;
export type Kind = (typeof KINDS)[number];

export interface Draft {
  readonly kind: Kind;
  readonly key: string;
  /** When it became so, milliseconds since 1970. */
  readonly atMs: number;
  /** It is no more: `load` leaves it out, the history keeps it. */
  readonly deleted?: boolean;
  /** For people who ask in SQL; '' and NaN unless given. */
  readonly name?: string;
  readonly state?: string;
  readonly severity?: string;
  readonly labels?: Labels;
  readonly value?: number;
  /** Who did it; '' for Binnacle itself. */
  readonly actor?: string;
  readonly note?: string;
  /** All of it; a value that JSON can hold. */
  readonly data: unknown;
}

export interface Entry extends Required<Draft> {
  /** Nanoseconds since 1970; of two entries of the same thing the higher one counts. */
  readonly version: bigint;
}

export interface HistoryQuestion {
  readonly kinds?: readonly Kind[];
  readonly key?: string;
  /** `alertname`, or the name of a rule. */
  readonly name?: string;
  readonly fromMs: number;
  /** Not inside. */
  readonly toMs: number;
  /** Entries before this one, in the order of the answer. */
  readonly before?: { readonly atMs: number; readonly version: bigint };
  readonly limit: number;
}

export interface Journal {
  /** The things of the kinds as they are now, without the deleted ones. Throws QueryError. */
  load(kinds: readonly Kind[], abort: AbortSignal): Promise<Entry[]>;
  /** Resolves when all of them are stored for good. Throws QueryError: then some may be stored. */
  write(drafts: readonly Draft[], abort: AbortSignal): Promise<void>;
  /** Calls `heard` with every change from now on; the function that is returned ends it. */
  follow(kinds: readonly Kind[], heard: (entries: readonly Entry[]) => void): () => void;
  /** What things were before, the newest first. Throws QueryError. */
  history(question: HistoryQuestion, abort: AbortSignal): Promise<Entry[]>;
}

export const limits = {
  /** Time after which changes of other backends are known at the latest. */
  followMs: 2000,
} as const;

/** A draft with everything that may be left out. */
export const entryOf = (draft: Draft, version: bigint): Entry => ({
  deleted: false, name: '', state: '', severity: '', labels: {}, value: NaN, actor: '', note: '',
  ...draft, version,
});
