// Silences: who may not be told of which alerts, from when to when (Alertmanager 0.34). They are a
// fold over the journal's kind `silence`; of two versions the one that was changed last counts.
//
// - Pending before its start, active until its end, then expired. Expired ones are kept for a
//   while; to remove one is to let it expire.
// - A silence may be changed as long as it means the same alerts: an active one its end, a pending
//   one both. Any other change lets it expire and makes a new one, so that what was silenced when
//   stays known.

import type { Draft, Entry } from '../journal/journal.ts';
import type { Labels } from '../labels/labels.ts';
import { compileMatchers, fitsEmpty, matcherProblem, printMatchers } from './matchers.ts';
import type { Matcher, Silence } from './model.ts';

export const limits = {
  /** Silences that are kept; a new one beyond it is refused. */
  silencesMax: 10_000,
  /** So long after its end a silence is kept, as Alertmanager's `--data.retention`. */
  keptMs: 120 * 3_600_000,
  /** Characters of comment and author; longer ones are refused. */
  textMax: 10_000,
} as const;

export type SilenceState = 'pending' | 'active' | 'expired';

export interface SilenceBook {
  fold(entries: readonly Entry[]): void;
  get(id: string): Silence | undefined;
  all(): Silence[];
  /** Ids of the active ones that mean the labels. */
  mutedBy(labels: Labels, nowMs: number): string[];
  /** What is to be written so that the silence counts, and its id. Throws SilenceError. */
  set(
    silence: Omit<Silence, 'updatedAtMs'>,
    by: { readonly actor: string; readonly nowMs: number; readonly newId: string },
  ): { readonly id: string; readonly drafts: readonly Draft[] };
  /** Null when there is none; empty when it is over already. */
  expire(id: string, by: { readonly actor: string; readonly nowMs: number }): Draft[] | null;
  /** What removes those that ended long ago. */
  collect(nowMs: number): Draft[];
}

/** A silence that cannot be, for people. */
export class SilenceError extends Error {}

export function silenceState({ startsAtMs, endsAtMs }: Silence, nowMs: number): SilenceState {
  if (nowMs < startsAtMs) return 'pending';
  return nowMs < endsAtMs ? 'active' : 'expired';
}

/** What keeps a silence from being made; null when it can be. */
export function silenceProblem(silence: Omit<Silence, 'updatedAtMs'>): string | null {
  const { matchers, startsAtMs, endsAtMs, createdBy, comment } = silence;
  if (matchers.length === 0) return 'needs at least one matcher';
  for (const matcher of matchers) {
    const why = matcherProblem(matcher);
    if (why !== null) return why;
  }
  if (matchers.every(fitsEmpty)) return 'needs a matcher that does not fit the empty text';
  if (!Number.isFinite(startsAtMs) || !Number.isFinite(endsAtMs)) return 'needs start and end';
  if (endsAtMs < startsAtMs) return 'must not end before it starts';
  if (createdBy.length + comment.length > limits.textMax) return 'has too long a comment';
  return null;
}

export function createSilenceBook(): SilenceBook {
  const known = new Map<string, Known>();
  const stateOf = (id: string, nowMs: number) => silenceState(known.get(id)!.silence, nowMs);
  const expire = (id: string, { actor, nowMs }: { actor: string; nowMs: number }): Draft[] => {
    const { silence } = known.get(id)!;
    const startsAtMs = Math.min(silence.startsAtMs, nowMs);
    return [draftOf({ ...silence, startsAtMs, endsAtMs: nowMs, updatedAtMs: nowMs },
      { actor, nowMs, state: 'expired' })];
  };
  return {
    fold: (entries) => entries.forEach((entry) => fold(known, entry)),
    get: (id) => known.get(id)?.silence,
    all: () => [...known.values()].map(({ silence }) => silence),
    mutedBy: (labels, nowMs) => [...known]
      .filter(([id, { fits }]) => stateOf(id, nowMs) === 'active' && fits(labels))
      .map(([id]) => id),
    set: (silence, { actor, nowMs, newId }) => {
      const why = silenceProblem(silence);
      if (why !== null) throw new SilenceError(`the silence ${why}`);
      const before = known.get(silence.id);
      const by = { actor, nowMs };
      if (before !== undefined && canChange(before.silence, silence, nowMs)) {
        const changed = { ...silence, updatedAtMs: nowMs };
        return { id: silence.id, drafts: [draftOf(changed, { ...by, state: 'changed' })] };
      }
      if (known.size >= limits.silencesMax) {
        throw new SilenceError(`there are ${limits.silencesMax} silences, which is the limit`);
      }
      const created: Silence = { ...silence, id: newId, updatedAtMs: nowMs,
        startsAtMs: Math.max(silence.startsAtMs, nowMs) };
      const over = before === undefined || stateOf(silence.id, nowMs) === 'expired'
        ? [] : expire(silence.id, by);
      return { id: newId, drafts: [...over, draftOf(created, { ...by, state: 'created' })] };
    },
    expire: (id, by) => {
      if (!known.has(id)) return null;
      return stateOf(id, by.nowMs) === 'expired' ? [] : expire(id, by);
    },
    collect: (nowMs) => [...known.values()]
      .filter(({ silence }) => silence.endsAtMs + limits.keptMs <= nowMs)
      .map(({ silence }) => ({ ...draftOf(silence, { actor: '', nowMs, state: 'forgotten' }),
        deleted: true })),
  };
}

interface Known {
  readonly silence: Silence;
  readonly version: bigint;
  readonly fits: (labels: Labels) => boolean;
}

function fold(known: Map<string, Known>, { key, version, deleted, data }: Entry): void {
  const before = known.get(key);
  const silence = data as Silence;
  if (before !== undefined && !deleted) {
    const { updatedAtMs } = before.silence;
    if (silence.updatedAtMs < updatedAtMs) return;
    if (silence.updatedAtMs === updatedAtMs && version < before.version) return;
  }
  if (deleted) known.delete(key);
  else known.set(key, { silence, version, fits: fitsOf(silence.matchers) });
}

/** A silence that another version of the program wrote may hold what this one cannot read. */
function fitsOf(matchers: readonly Matcher[]): (labels: Labels) => boolean {
  return matchers.some((matcher) => matcherProblem(matcher) !== null) ? () => false
    : compileMatchers(matchers);
}

function canChange(
  before: Silence,
  { matchers, startsAtMs, endsAtMs }: Omit<Silence, 'updatedAtMs'>,
  nowMs: number,
): boolean {
  if (printMatchers(before.matchers) !== printMatchers(matchers)) return false;
  const second = (ms: number) => Math.floor(ms / 1000);
  switch (silenceState(before, nowMs)) {
    case 'active': return second(before.startsAtMs) === second(startsAtMs) && endsAtMs >= nowMs;
    case 'pending': return startsAtMs >= nowMs;
    case 'expired': return false;
  }
}

function draftOf(
  silence: Silence,
  { actor, nowMs, state }: { actor: string; nowMs: number; state: string },
): Draft {
  return { kind: 'silence', key: silence.id, atMs: nowMs, state, actor,
    name: printMatchers(silence.matchers), note: silence.comment, data: silence };
}
