// The configuration of tail_sampling: the Collector's keys (processor/tailsampling), and where what
// waits is kept. Policies inside of others are read by the same schema, one level less each time.

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import {
  byteSize, count, duration, fault, ignoredKey, optionalSection, refusedKey, section, strictObject,
} from '../../../config/schema.ts';
import { errorMode, ottlConditions } from '../../ottl/schema.ts';

const STATUS_CODES = ['OK', 'ERROR', 'UNSET'] as const;
const SIMPLE_TYPES = [
  'always_sample', 'latency', 'numeric_attribute', 'probabilistic', 'status_code',
  'string_attribute', 'trace_state', 'trace_flags', 'rate_limiting', 'bytes_limiting',
  'span_count', 'boolean_attribute', 'ottl_condition',
] as const;
const NESTING_TYPES = ['and', 'not'] as const;
const TOP_TYPES = ['drop', 'composite'] as const;

export type PolicyType =
  (typeof SIMPLE_TYPES)[number] | (typeof NESTING_TYPES)[number] | (typeof TOP_TYPES)[number];

/** Types that have no section of their own. */
const BARE: readonly PolicyType[] = ['always_sample', 'trace_flags'];

/** So deep may `and` and `not` stand in each other. */
const DEPTH_MAX = 3;

const key = () => z.string().min(1).describe('The attribute, of the resource or of a span.');
const invert = () => z.boolean()
  .describe('Asks for traces in which nothing matches, and vetoes the others. Better: drop.')
  .default(false);
const perSecond = () => count({ min: 1 });

const simpleShape = () => ({
  latency: optionalSection({
    threshold_ms: z.number().min(0).describe('The trace lasted longer, in milliseconds.'),
    upper_threshold_ms: z.number().min(0).describe('And at most so long; 0: no bound.').default(0),
  }).describe('From the earliest start of a span to the latest end.'),
  numeric_attribute: optionalSection({
    key: key(),
    min_value: z.number().describe('The least value.').optional(),
    max_value: z.number().describe('The greatest value.').optional(),
    invert_match: invert(),
  }).describe('A number is in a range.'),
  probabilistic: optionalSection({
    sampling_percentage: z.number().min(0).describe('The share of traces, in percent.'),
    hash_salt: z.string().describe('The same on all agents that shall decide alike.').default(''),
  }).describe('A share of traces, by a hash of the trace id.'),
  status_code: optionalSection({
    status_codes: z.array(z.enum(STATUS_CODES)).min(1).describe('Of a span, any of these.'),
  }).describe('A span has one of these status codes.'),
  string_attribute: optionalSection({
    key: key(),
    values: z.array(z.string()).min(1).describe('Texts, or regular expressions; any of these.'),
    enabled_regex_matching: z.boolean().describe('Whether values are regular expressions.')
      .default(false),
    cache_max_size: count({ max: 1_000_000 })
      .describe('Texts whose result is remembered; 0 means 128.').default(0),
    invert_match: invert(),
  }).describe('A text is one of these, or matches one.'),
  trace_state: optionalSection({
    key: z.string().min(1).describe('The member of the tracestate.'),
    values: z.array(z.string()).min(1).describe('Its value, any of these.'),
  }).describe('The tracestate of a span says so.'),
  rate_limiting: optionalSection({
    spans_per_second: perSecond().describe('Spans of traces that are kept, in a second.'),
    burst_capacity: count({ min: 1 }).describe('Spans at once; twice the rate when absent.')
      .optional(),
  }).describe('So many spans in a second.'),
  bytes_limiting: optionalSection({
    bytes_per_second: perSecond().describe('Bytes of traces that are kept, in a second.'),
    burst_capacity: count({ min: 1 }).describe('Bytes at once; twice the rate when absent.')
      .optional(),
  }).describe('So many bytes of encoded spans in a second.'),
  span_count: optionalSection({
    min_spans: count().describe('The trace has at least so many spans.').default(0),
    max_spans: count().describe('And at most so many; 0: no bound.').default(0),
  }).describe('How many spans came of the trace.'),
  boolean_attribute: optionalSection({
    key: key(),
    value: z.boolean().describe('Its value.').default(false),
    invert_match: invert(),
  }).describe('A truth value is this one.'),
  ottl_condition: optionalSection({
    error_mode: errorMode().default('ignore'),
    span: ottlConditions({ context: 'span' }).describe('Conditions on spans, any of these.')
      .default([]),
    spanevent: ottlConditions({ context: 'spanevent' })
      .describe('Conditions on events of spans, any of these.').default([]),
  }).describe('A condition of OTTL holds.'),
});

/** Policies `depth` levels below the top. */
const subPolicies = (depth: number, what: string): z.ZodType<PolicyConfig[]> =>
  z.unknown().transform((list, ctx) => {
    if (!Array.isArray(list) || list.length === 0) {
      fault(ctx, 'must be a list of policies', 'write each policy behind a "- "');
      return z.NEVER;
    }
    return list.map((one, index) => nested(one, depth, [index], ctx));
  }).describe(`${what}, as under policies.`) as unknown as z.ZodType<PolicyConfig[]>;

const subPolicy = (depth: number): z.ZodType<PolicyConfig> =>
  z.unknown().transform((one, ctx) => nested(one, depth, [], ctx))
    .describe('The policy whose answer is turned round, as under policies.') as unknown as
      z.ZodType<PolicyConfig>;

function nested(
  value: unknown, depth: number, path: (string | number)[], ctx: z.core.$RefinementCtx<unknown>,
): PolicyConfig {
  if (depth > DEPTH_MAX) {
    fault(ctx, `is nested too deep: ${DEPTH_MAX} levels are read`, '', path);
    return z.NEVER;
  }
  const result = nestedPolicy(depth).safeParse(value, { reportInput: true });
  if (result.success) return result.data as PolicyConfig;
  for (const issue of result.error.issues) {
    ctx.addIssue({ ...issue, path: [...path, ...issue.path] } as never);
  }
  return z.NEVER;
}

const nestingShape = (depth: number) => ({
  and: optionalSection({
    and_sub_policy: subPolicies(depth + 1, 'All of these sample'),
  }).describe('All of several policies sample.'),
  not: optionalSection({ not_sub_policy: subPolicy(depth + 1) })
    .describe('Another policy does not sample.'),
});

const nestedPolicy = (depth: number) => strictObject({
  name: policyName(),
  type: z.enum([...SIMPLE_TYPES, ...NESTING_TYPES]).describe('What it looks at.'),
  ...simpleShape(),
  ...nestingShape(depth),
}).superRefine(checkPolicy);

const policyName = () => z.string().min(1).describe('For counters and logs.');

const topPolicy = () => strictObject({
  name: policyName(),
  type: z.enum([...SIMPLE_TYPES, ...NESTING_TYPES, ...TOP_TYPES]).describe('What it looks at.'),
  ...simpleShape(),
  ...nestingShape(0),
  drop: optionalSection({
    drop_sub_policy: subPolicies(1, 'All of these sample'),
  }).describe('Traces that are never kept: all of several policies sample.'),
  composite: optionalSection({
    max_total_spans_per_second: perSecond().describe('Spans of traces that are kept, in a second.'),
    policy_order: z.array(z.string()).describe('Names of policies; the first that samples counts.'),
    composite_sub_policy: subPolicies(1, 'What policy_order names'),
    rate_allocation: z.array(strictObject({
      policy: z.string().describe('The name of a policy.'),
      percent: z.number().min(0).max(100).describe('Its share of max_total_spans_per_second.'),
    })).describe('Shares; policies without one get an equal part.').default([]),
  }).describe('Policies in order, each with a share of a rate.'),
}).superRefine((policy, ctx) => {
  checkPolicy(policy, ctx);
  if (policy.composite === undefined) return;
  const { policy_order: order, composite_sub_policy: subs, rate_allocation: shares } =
    policy.composite;
  const names = new Set(Array.isArray(subs) ? subs.map((sub) => sub?.name) : []);
  const check = (name: string, path: (string | number)[]) => {
    if (!names.has(name)) fault(ctx, 'is no policy of composite_sub_policy', '', path);
  };
  order.forEach((name, index) => check(name, ['composite', 'policy_order', index]));
  shares.forEach(({ policy: name }, index) =>
    check(name, ['composite', 'rate_allocation', index, 'policy']));
});

/** The section of its type must be there, and no other. */
function checkPolicy(policy: object, ctx: z.core.$RefinementCtx<unknown>): void {
  const { name: _, type, ...sections } = policy as Record<string, unknown> & { type: PolicyType };
  if (!BARE.includes(type) && sections[type] === undefined) {
    fault(ctx, 'is required', `a policy of type ${type} says under ${type} what it looks for`,
      [type]);
  }
  for (const [name, value] of Object.entries(sections)) {
    if (name === type || value === undefined) continue;
    fault(ctx, `is not read by a policy of type ${type}`, `remove it, or write type: ${name}`,
      [name]);
  }
  const range = policy as SimpleConfig;
  if (range.numeric_attribute !== undefined && range.numeric_attribute.min_value === undefined
    && range.numeric_attribute.max_value === undefined) {
    fault(ctx, 'has no range', 'write min_value, max_value or both', ['numeric_attribute']);
  }
  if (range.ottl_condition?.span.length === 0 && range.ottl_condition.spanevent.length === 0) {
    fault(ctx, 'has no condition', 'write span, spanevent or both', ['ottl_condition']);
  }
  const texts = range.string_attribute;
  if (texts?.enabled_regex_matching !== true) return;
  texts.values.forEach((value, index) => {
    const result = pattern().safeParse(value);
    if (result.success) return;
    fault(ctx, result.error.issues[0]!.message, 'check its brackets',
      ['string_attribute', 'values', index]);
  });
}

type Simple = { [K in keyof ReturnType<typeof simpleShape>]:
  z.output<ReturnType<typeof simpleShape>[K]> };

interface SimpleConfig extends Simple {
  readonly name: string;
}

/** A policy at any level; what its type does not read is undefined. */
export interface PolicyConfig extends Partial<SimpleConfig> {
  readonly name: string;
  readonly type: PolicyType;
  readonly and?: { readonly and_sub_policy: PolicyConfig[] } | undefined;
  readonly not?: { readonly not_sub_policy: PolicyConfig } | undefined;
  readonly drop?: { readonly drop_sub_policy: PolicyConfig[] } | undefined;
  readonly composite?: CompositeConfig | undefined;
}

export interface CompositeConfig {
  readonly max_total_spans_per_second: number;
  readonly policy_order: string[];
  readonly composite_sub_policy: PolicyConfig[];
  readonly rate_allocation: { readonly policy: string; readonly percent: number }[];
}

export const createSchema = () => section({
  decision_wait: duration({ min: '1ms' })
    .describe('From the first span of a trace to the decision.').prefault('30s'),
  decision_wait_after_root_received: duration()
    .describe('From its root span to the decision, when that is earlier; 0s: not looked at.')
    .prefault('0s'),
  num_traces: count({ min: 1 })
    .describe('Traces that wait at the same time; beyond it the oldest is decided at once.')
    .default(50_000),
  block_on_overflow: z.boolean()
    .describe('Whether senders wait at num_traces, in place of early decisions.').default(false),
  expected_new_traces_per_sec: ignoredKey('nothing is allocated ahead'),
  num_shards: ignoredKey('one thread decides'),
  tail_storage: refusedKey('what waits is on disk by itself; storage says where'),
  policies: z.array(topPolicy()).min(1).describe('What is kept: what one of these samples.'),
  decision_cache: section({
    sampled_cache_size: count()
      .describe('Decisions to keep that late spans follow; 0 means num_traces, at most 100000.')
      .default(0),
    non_sampled_cache_size: count()
      .describe('As many not to keep; 0 means num_traces, at most 100000.').default(0),
  }).describe('What was decided, for spans that come later.'),
  sample_on_first_match: z.boolean()
    .describe('Whether the first policy that samples ends the look for others.').default(false),
  sampling_strategy: z.enum(['trace-complete', 'span-ingest'])
    .describe('Whether policies see the trace at its end, or what of it comes, each time.')
    .default('trace-complete'),
  maximum_trace_size_bytes: byteSize()
    .describe('A trace that grows beyond it is dropped; 0: no bound.').prefault(0),
  drop_pending_traces_on_shutdown: z.boolean()
    .describe('Whether a stop drops what waits, in place of deciding it with what is there.')
    .default(false),
  keep_pending_traces_on_shutdown: z.boolean()
    .describe('Whether a stop leaves what waits on disk, for the next start.').default(false),
  memory_limit: byteSize({ min: '1MiB' })
    .describe('Memory for what waits; spans beyond it are on disk only.').prefault('64MiB'),
  storage_limit: byteSize({ min: '1MiB' })
    .describe('Disk for what waits, at most a tenth of it; senders wait when it is full.')
    .prefault('1GiB'),
  storage: z.string().min(1)
    .describe('The file_storage where what waits is kept; its own folder when absent.').optional(),
}).superRefine((config, ctx) => {
  const names = new Set<string>();
  config.policies.forEach(({ name }, index) => {
    const path = ['policies', index, 'name'];
    if (names.has(name)) fault(ctx, 'is the name of another policy', '', path);
    names.add(name);
  });
  if (config.drop_pending_traces_on_shutdown && config.keep_pending_traces_on_shutdown) {
    fault(ctx, 'contradicts drop_pending_traces_on_shutdown', 'set only one of them',
      ['keep_pending_traces_on_shutdown']);
  }
  if (config.sampling_strategy !== 'span-ingest') return;
  config.policies.forEach((policy, index) => {
    const type = needsWhole(policy as PolicyConfig);
    if (type === null) return;
    fault(ctx, `cannot be used with span-ingest: ${type} needs the whole trace`,
      'use sampling_strategy: trace-complete', ['policies', index]);
  });
});

/** A type in it that cannot decide by a part of a trace. */
function needsWhole(policy: PolicyConfig): string | null {
  const { type } = policy;
  if (['rate_limiting', 'bytes_limiting', 'composite', 'not'].includes(type)) return type;
  if ((policy.span_count?.max_spans ?? 0) > 0) return 'span_count with max_spans';
  if ((policy.latency?.upper_threshold_ms ?? 0) > 0) return 'latency with upper_threshold_ms';
  const subs = [...policy.and?.and_sub_policy ?? [], ...policy.drop?.drop_sub_policy ?? []];
  return subs.map(needsWhole).find((one) => one !== null) ?? null;
}

export type TailSamplingConfig = z.output<ReturnType<typeof createSchema>>;
