// What a policy answers about a trace, and how answers are put together.
//
// Besides its answer a policy says its chance: how likely it was to sample a trace of this content,
// and what the chance depends on (`source`). From the chances of all policies follows how likely
// the trace was to be kept, and so how many it stands for:
//
// - Policies with one source look at one random place of the trace, 0 to 1, and sample when it is
//   below their chance. Of several the greatest chance decides, of all that must agree the least.
// - Places of different sources are independent: chances multiply.
// - A policy without chance (source '') says 1 or 0 by the content alone.

import type { Resource, Scope, Span } from '../../../proto/otlp/model.ts';
import type { TraceSummary } from './walk.ts';

export interface SpanAround {
  readonly resource: Resource | undefined;
  readonly scope: Scope | undefined;
  readonly span: Span;
}

/** A trace as policies see it. */
export interface TraceView {
  readonly id: string;
  readonly summary: TraceSummary;
  /** Its spans, when a policy needs them; else none. */
  readonly spans: readonly SpanAround[];
  /** Its random place for a salt, from 0 to 1. */
  place(salt: string): number;
}

export type VoteKind =
  'sampled' | 'not_sampled' | 'inverted_sampled' | 'inverted_not_sampled' | 'dropped' | 'error';

export interface Chance {
  /** 0 to 1. */
  readonly chance: number;
  /** '' when nothing is left to chance. */
  readonly source: string;
}

export interface Vote extends Chance {
  readonly kind: VoteKind;
  /** Of the policies that it asked, in their order. */
  readonly parts?: readonly Vote[];
}

export interface Policy {
  /** False when the summary is enough for it. */
  readonly needsSpans: boolean;
  /** Changes nothing: a policy may be asked for its chance alone. */
  vote(trace: TraceView): Vote;
  /** Called after a vote that counts, with that vote. */
  settle?(trace: TraceView, vote: Vote): void;
}

/** The salt of all that has none of its own; the Collector's. */
export const DEFAULT_SALT = 'default-hash-seed';

export const SURE: Chance = { chance: 1, source: '' };
export const NEVER: Chance = { chance: 0, source: '' };
const SAMPLED: Vote = { kind: 'sampled', ...SURE };
const NOT_SAMPLED: Vote = { kind: 'not_sampled', ...NEVER };

/** The answer of a policy that looks at the content alone. */
export const certain = (isSampled: boolean): Vote => (isSampled ? SAMPLED : NOT_SAMPLED);

/** The answer of a policy that samples with this chance. */
export function byChance(trace: TraceView, chance: number, salt: string): Vote {
  if (chance >= 1) return SAMPLED;
  if (chance <= 0) return NOT_SAMPLED;
  const isSampled = trace.place(salt) < chance;
  return { kind: isSampled ? 'sampled' : 'not_sampled', chance, source: salt };
}

export const isSampling = ({ kind }: Vote): boolean =>
  kind === 'sampled' || kind === 'inverted_sampled';

/** The chance that all of them come true. */
export function allOf(chances: readonly Chance[]): Chance {
  return chances.reduce((a, b) => {
    if (a.source === '' || b.source === '') {
      const source = a.source === '' ? b.source : a.source;
      const chance = a.chance * b.chance;
      return chance === 0 ? NEVER : { chance, source };
    }
    if (a.source === b.source) return a.chance < b.chance ? a : b;
    return { chance: a.chance * b.chance, source: `${a.source}&${b.source}` };
  }, SURE);
}

/** The chance that any of them comes true. */
export function anyOf(chances: readonly Chance[]): number {
  const greatest = new Map<string, number>();
  for (const { chance, source } of chances) {
    greatest.set(source, Math.max(greatest.get(source) ?? 0, chance));
  }
  let none = 1;
  for (const chance of greatest.values()) none *= 1 - chance;
  return 1 - none;
}
