// Builds policies from their configuration, and those that ask others: and, not, drop, composite.

import type { ComponentContext } from '../../../proto/contract/component.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { createRate, type Rate } from '../sampling/rate.ts';
import type { CompositeConfig, PolicyConfig } from './config.ts';
import {
  createAlways, createBooleanAttribute, createLatency, createNumericAttribute, createSpanCount,
  createStatusCode, createStringAttribute, createTraceFlags, createTraceState,
} from './contents.ts';
import { createOttlCondition } from './ottl_condition.ts';
import {
  allOf, byChance, DEFAULT_SALT, isSampling, NEVER, type Policy, type TraceView, type Vote,
} from './policy.ts';
import { createBytesLimiting, createProbabilistic, createRateLimiting } from './shares.ts';

export interface NamedPolicy extends Policy {
  readonly name: string;
  /** It samples nothing: its chance is that of dropping. */
  readonly isDrop?: boolean;
}

export function createPolicy(config: PolicyConfig, context: ComponentContext): NamedPolicy {
  return { name: config.name, isDrop: config.type === 'drop', ...build(config, context) };
}

function build(config: PolicyConfig, context: ComponentContext): Policy {
  const { clock } = context.world;
  const all = (subs: readonly PolicyConfig[]) => subs.map((sub) => createPolicy(sub, context));
  switch (config.type) {
    case 'always_sample': return createAlways();
    case 'latency': return createLatency(config.latency!);
    case 'numeric_attribute': return createNumericAttribute(config.numeric_attribute!);
    case 'probabilistic': return createProbabilistic(config.probabilistic!);
    case 'status_code': return createStatusCode(config.status_code!);
    case 'string_attribute': return createStringAttribute(config.string_attribute!);
    case 'trace_state': return createTraceState(config.trace_state!);
    case 'trace_flags': return createTraceFlags();
    case 'rate_limiting': return createRateLimiting(config.rate_limiting!, clock);
    case 'bytes_limiting': return createBytesLimiting(config.bytes_limiting!, clock);
    case 'span_count': return createSpanCount(config.span_count!);
    case 'boolean_attribute': return createBooleanAttribute(config.boolean_attribute!);
    case 'ottl_condition': return createOttlCondition(config.ottl_condition!, context);
    case 'and': return createAnd(all(config.and!.and_sub_policy));
    case 'not': return createNot(createPolicy(config.not!.not_sub_policy, context));
    case 'drop': return createDrop(all(config.drop!.drop_sub_policy));
    case 'composite': {
      return createComposite(config.composite!, all(config.composite!.composite_sub_policy), clock);
    }
  }
}

const needSpans = (subs: readonly Policy[]): boolean => subs.some((sub) => sub.needsSpans);

/** Asks all, for their chances; tells those up to the first that does not sample. */
function askAll(subs: readonly Policy[], trace: TraceView): readonly Vote[] {
  return subs.map((sub) => sub.vote(trace));
}

function settleAll(subs: readonly Policy[], trace: TraceView, { parts = [] }: Vote): void {
  for (const [index, vote] of parts.entries()) {
    subs[index]!.settle?.(trace, vote);
    if (!isSampling(vote)) return;
  }
}

const failed = (parts: readonly Vote[]): boolean => parts.some(({ kind }) => kind === 'error');

function createAnd(subs: readonly Policy[]): Policy {
  return {
    needsSpans: needSpans(subs),
    vote: (trace) => {
      const parts = askAll(subs, trace);
      if (failed(parts)) return { kind: 'error', ...NEVER, parts };
      const kind = parts.every(isSampling) ? 'sampled' : 'not_sampled';
      return { kind, ...allOf(parts), parts };
    },
    settle: (trace, vote) => settleAll(subs, trace, vote),
  };
}

function createNot(sub: Policy): Policy {
  return {
    needsSpans: sub.needsSpans,
    vote: (trace) => {
      const vote = sub.vote(trace);
      const parts = [vote];
      if (failed(parts)) return { kind: 'error', ...NEVER, parts };
      const source = vote.source === '' ? '' : `not ${vote.source}`;
      const kind = isSampling(vote) ? 'not_sampled' : 'sampled';
      return { kind, chance: 1 - vote.chance, source, parts };
    },
    settle: (trace, { parts }) => sub.settle?.(trace, parts![0]!),
  };
}

/** Its chance is that of dropping. */
function createDrop(subs: readonly Policy[]): Policy {
  const and = createAnd(subs);
  return {
    ...and,
    vote: (trace) => {
      const vote = and.vote(trace);
      return vote.kind === 'sampled' ? { ...vote, kind: 'dropped' } : vote;
    },
  };
}

function createComposite(
  config: CompositeConfig, subs: readonly NamedPolicy[], clock: Clock,
): Policy {
  const { max_total_spans_per_second: total, rate_allocation: shares } = config;
  const rateOf = (name: string): Rate => {
    const share = shares.find(({ policy }) => policy === name)?.percent ?? 0;
    const rate = share > 0 ? (share / 100) * total : total / subs.length;
    return createRate(rate, rate, clock);
  };
  const ordered = config.policy_order.map((name) =>
    ({ sub: subs.find((one) => one.name === name)!, rate: rateOf(name) }));
  return {
    needsSpans: needSpans(subs),
    vote: (trace) => {
      const parts: Vote[] = [];
      for (const { sub, rate } of ordered) {
        const vote = sub.vote(trace);
        parts.push(vote);
        if (vote.kind === 'error') return { kind: 'error', ...NEVER, parts };
        if (!isSampling(vote)) continue;
        const allowed = byChance(trace, rate.chance(trace.summary.spans), DEFAULT_SALT);
        const kind = isSampling(allowed) ? 'sampled' : 'not_sampled';
        return { kind, ...allOf([vote, allowed]), parts };
      }
      return { kind: 'not_sampled', ...NEVER, parts };
    },
    settle: (trace, { kind, parts = [] }) => {
      for (const [index, vote] of parts.entries()) {
        const { sub, rate } = ordered[index]!;
        sub.settle?.(trace, vote);
        if (isSampling(vote)) rate.settle(trace.summary.spans, kind === 'sampled');
      }
    },
  };
}
