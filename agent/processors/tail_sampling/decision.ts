// The decision about a trace, and the weight that its spans get by it.
//
// Where spans say that they were sampled before (`th`, `rv` in the tracestate), the trace has one
// random place for all policies, that of the earlier samplers: a trace that one of them kept with
// threshold T0 is kept here with T ≥ T0, and a span with a threshold of its own with the greater of
// both. Else the place is a hash of the trace id and the policy's salt, as the Collector has it.

import type { Span } from '../../../proto/otlp/model.ts';
import { hash64, placeOf } from '../sampling/hash.ts';
import {
  ALWAYS, probabilityOf, randomnessAbove, thresholdOf, traceRandomness, type Threshold,
} from '../sampling/threshold.ts';
import {
  formatTraceState, NO_STATE, parseTraceState, type SamplingState,
} from '../sampling/trace_state.ts';
import type { NamedPolicy } from './policies.ts';
import { anyOf, type SpanAround, type TraceView, type Vote } from './policy.ts';
import type { TraceSummary } from './walk.ts';

export interface Decision {
  readonly kind: 'sampled' | 'not_sampled' | 'dropped';
  /** How likely the trace was to be kept, of those that came here; 1 when nothing was by chance. */
  readonly chance: number;
  /** Where its spans say how they were sampled before: the threshold that says all of it. */
  readonly threshold: Threshold | null;
}

/** Digits with which thresholds are written: a weight is right to a millionth. */
const DIGITS = 6;

export const NOT_KEPT: Decision = { kind: 'not_sampled', chance: 1, threshold: null };
const DROPPED: Decision = { kind: 'dropped', chance: 1, threshold: null };
/** Also DROPPED, and counted apart. */
export const TOO_LARGE: Decision = { ...DROPPED };
export const AT_SHUTDOWN: Decision = { ...DROPPED };

/** Told of each vote that counts. */
export type Tally = (policy: NamedPolicy, vote: Vote) => void;

/** Asks the policies in their order; drop policies must come first. */
export function decide(
  policies: readonly NamedPolicy[],
  trace: TraceView,
  { firstMatch, tally }: { readonly firstMatch: boolean; readonly tally: Tally },
): Decision {
  const votes: Vote[] = [];
  let isOver = false;
  for (const policy of policies) {
    const vote = policy.vote(trace);
    votes.push(vote);
    // Those behind the one that ended it are asked for their chances alone.
    if (isOver) continue;
    tally(policy, vote);
    policy.settle?.(trace, vote);
    if (vote.kind === 'dropped') return DROPPED;
    isOver = firstMatch && vote.kind === 'sampled';
    if (isOver && vote.chance >= 1) break;
  }
  if (!isKept(votes)) return NOT_KEPT;
  const chance = chanceOf(votes, policies);
  const before = placeBefore(trace.id, trace.summary);
  return {
    kind: 'sampled', chance,
    threshold: before === null || chance >= 1 ? null
      : thresholdOf(probabilityOf(trace.summary.threshold!) * chance, DIGITS),
  };
}

/** The Collector's order: what vetoes comes before what samples. */
function isKept(votes: readonly Vote[]): boolean {
  const has = (kind: Vote['kind']) => votes.some((vote) => vote.kind === kind);
  if (has('inverted_not_sampled')) return false;
  return has('sampled') || (has('inverted_sampled') && !has('not_sampled'));
}

function chanceOf(votes: readonly Vote[], policies: readonly NamedPolicy[]): number {
  if (!votes.some((vote) => vote.kind === 'sampled')) return 1;
  const sampling = votes.filter((vote, index) =>
    policies[index]!.isDrop !== true && vote.kind !== 'inverted_sampled');
  let kept = anyOf(sampling);
  const sources = new Set(sampling.filter(({ chance }) => chance > 0).map(({ source }) => source));
  for (const [index, { chance, source }] of votes.entries()) {
    if (policies[index]!.isDrop !== true || chance === 0) continue;
    // Dropping and sampling by one place: what is between the two is kept.
    kept = sources.size === 1 && sources.has(source) ? kept - chance : kept * (1 - chance);
  }
  return Math.min(1, Math.max(kept, 2 ** -56));
}

/** The random place that earlier samplers gave the trace; null when none did, or it is not so. */
function placeBefore(id: string, { threshold, randomness }: TraceSummary): number | null {
  if (threshold === null || (threshold === ALWAYS && randomness === null)) return null;
  const given = randomness ?? traceRandomness(id);
  if (given === null) return null;
  const place = probabilityOf(given) / probabilityOf(threshold);
  return place <= 1 ? place : null;
}

export function viewOf(
  id: string, summary: TraceSummary, spans: readonly SpanAround[],
): TraceView {
  const before = placeBefore(id, summary);
  const bytes = Buffer.from(id, 'hex');
  return {
    id, summary, spans,
    place: (salt) => before ?? placeOf(hash64(bytes, hash64(Buffer.from(salt)))),
  };
}

/** Salt of the randomness that kept spans get where they have none. */
const RANDOMNESS_SALT = hash64(Buffer.from('binnacle randomness'));

/** The span with the weight of its trace. */
export function weighed(span: Span, { chance, threshold }: Decision): Span {
  if (chance >= 1) return span;
  const before = parseTraceState(span.traceState) ?? NO_STATE;
  const state = threshold === null
    ? independent(span.traceId, before, chance)
    : { ...before, threshold: greater(before.threshold ?? ALWAYS, threshold) };
  return { ...span, traceState: formatTraceState(span.traceState, state) };
}

const greater = (a: Threshold, b: Threshold): Threshold => (a > b ? a : b);

/** Also says a randomness that samplers further on can go by. */
function independent(traceId: string, before: SamplingState, chance: number): SamplingState {
  const threshold = thresholdOf(probabilityOf(before.threshold ?? ALWAYS) * chance, DIGITS);
  const place = placeOf(hash64(Buffer.from(traceId, 'hex'), RANDOMNESS_SALT));
  return { threshold, randomness: before.randomness ?? randomnessAbove(threshold, place) };
}
