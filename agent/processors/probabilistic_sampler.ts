// Keeps a share of spans or log records, each judged by itself and all of a trace alike, and says
// on each that is kept which threshold it was kept with, so that counts and percentiles computed
// from weights (1 / probability) stay right.
//
// Modes, as in the Collector (processor/probabilisticsampler):
// - hash_seed     randomness is FNV-1a of the trace id or an attribute with a seed, 14 bits of it
// - proportional  randomness of the trace id; the share is of what comes in: thresholds multiply
// - equalizing    the same; items that were sampled more before pass as they are
//
// An item about which nothing can be decided (no trace id, a threshold that contradicts its
// randomness, a tracestate that cannot be read; in hash_seed any threshold or randomness of
// others) is dropped when `fail_closed` is set, and else passes.

import * as z from 'zod';
import { count, fault, section } from '../../config/schema.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, ProcessorFactory } from '../../proto/contract/component.ts';
import { ACCEPTED, rejected } from '../../proto/contract/outcome.ts';
import type { AnyValue, Attributes, LogRecord, Span } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import type { Counter } from '../../runtime/counters.ts';
import { setAttribute } from './edit/actions.ts';
import { createDropCounter, editRecords } from './edit/records.ts';
import { HASH_BUCKETS, hash32, hashedRandomness } from './sampling/hash.ts';
import {
  ALWAYS, formatThreshold, hasTraceId, NEVER, parseRandomness, parseThreshold, passes,
  probabilityOf, THRESHOLD_DIGITS, thresholdOf, traceRandomness, type Randomness, type Threshold,
} from './sampling/threshold.ts';
import { formatTraceState, parseTraceState, type SamplingState } from './sampling/trace_state.ts';

const MODES = ['hash_seed', 'proportional', 'equalizing'] as const;

export const limits = {
  /** Incoming thresholds whose product is remembered; others are computed each time. */
  productsMax: 1000,
} as const;

const createSchema = () => section({
  sampling_percentage: z.number().min(0)
    .describe('The share that is kept, in percent; 100 and more keep all, 0 keeps none.'),
  mode: z.enum(MODES).describe('What is compared with the threshold, and how thresholds combine.')
    .default('hash_seed'),
  hash_seed: count({ max: 0xffffffff })
    .describe('Seed of the hash; the same on all agents that shall decide alike.').default(0),
  fail_closed: z.boolean()
    .describe('Whether items about which nothing can be decided are dropped.').default(true),
  sampling_precision: count({ min: 1, max: THRESHOLD_DIGITS })
    .describe('Hexadecimal digits with which thresholds are written.').default(4),
  attribute_source: z.enum(['traceID', 'record'])
    .describe('Logs: whether the trace id is the randomness, or from_attribute.')
    .default('traceID'),
  from_attribute: z.string()
    .describe('Logs: the attribute that is hashed where the trace id is absent or not asked for.')
    .default(''),
  sampling_priority: z.string()
    .describe('Logs: an attribute that holds the percentage of its record; 0 drops it.')
    .default(''),
}).superRefine((config, ctx) => {
  if (config.attribute_source === 'record' && config.from_attribute === '') {
    fault(ctx, 'is required with attribute_source: record', 'name the attribute that is hashed',
      ['from_attribute']);
  }
});

export type ProbabilisticSamplerConfig = z.output<ReturnType<typeof createSchema>>;

export const probabilisticSamplerProcessor: ProcessorFactory<ProbabilisticSamplerConfig> = {
  kind: 'processor',
  type: 'probabilistic_sampler',
  signals: ['traces', 'logs'],
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => {
    const judge = createJudge(config);
    const countLeft = createDropCounter(context, 'sampling');
    const counted = createCounts(context);
    const sample = (batch: Batch): Batch | null => {
      if (batch.is('traces')) {
        return editRecords(batch, (span) => sampleSpan(span, judge, counted.traces));
      }
      if (!batch.is('logs')) return batch;
      return editRecords(batch, (record) => sampleRecord(record, config, judge, counted.logs));
    };
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        let kept: Batch | null;
        try {
          kept = sample(batch);
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          throw error;
        }
        const outcome = kept === null ? ACCEPTED : await next.consume(kept, abort);
        // What comes again is judged again, and alike.
        if (outcome.status !== 'retryable') {
          countLeft(batch.signal, batch.itemCount - (kept?.itemCount ?? 0));
        }
        return outcome;
      },
    };
  },
};

/** What is known about an item before it is judged. */
interface Item {
  /** What an earlier sampler has said of it; null when that cannot be read. */
  readonly state: SamplingState | null;
  readonly traceId: string;
  /** The bytes that are hashed in place of the trace id; undefined: there are none. */
  readonly source?: Uint8Array | undefined;
  /** Where to look: a log record may ask for its attribute first. */
  readonly usesTraceId: boolean;
  /** Its own threshold; null: that of the sampler. */
  readonly priority: Threshold | null;
}

interface Verdict {
  readonly isKept: boolean;
  /** What it says from now on; null: what it says already. */
  readonly state: SamplingState | null;
  /** What decided, for the counter. */
  readonly policy: string;
}

type Judge = (item: Item) => Verdict;

/** What is left of an item that cannot be judged. */
const DROPPED = (policy: string): Verdict => ({ isKept: false, state: null, policy });

function createJudge(config: ProbabilisticSamplerConfig): Judge {
  const findRandomness = config.mode === 'hash_seed' ? hashRandomness : givenRandomness;
  const decide = createDecide(config);
  return (item) => {
    const { state, priority } = item;
    const found = findRandomness(item, config.hash_seed);
    if (priority === null && config.sampling_percentage === 0) return DROPPED(found.policy);
    const failure = found.failure ?? contradiction(state, found.randomness);
    if (failure !== null) {
      if (config.fail_closed && priority !== ALWAYS) return DROPPED(failure);
      // A threshold that contradicts its randomness says nothing: it is taken away.
      const cleared = failure === 'inconsistent_threshold'
        ? { threshold: null, randomness: state!.randomness } : null;
      return { isKept: true, state: cleared, policy: failure };
    }
    const own = priority === ALWAYS ? ALWAYS : decide(state!.threshold);
    const threshold = priority !== null && priority < own ? priority : own;
    if (!passes(found.randomness!, threshold)) return DROPPED(found.policy);
    const before = state!.threshold;
    return {
      isKept: true,
      policy: found.policy,
      // One that was sampled more before keeps its weight.
      state: before !== null && threshold < before ? null : {
        threshold,
        randomness: found.isNew ? found.randomness : state!.randomness,
      },
    };
  };
}

interface Found {
  readonly randomness: Randomness | null;
  /** It is not yet in the item. */
  readonly isNew: boolean;
  readonly policy: string;
  readonly failure: string | null;
}

const scratch = Buffer.alloc(16);

function hashRandomness({ state, traceId, source, usesTraceId }: Item, seed: number): Found {
  let bytes = source;
  let policy = 'attribute_hash';
  if (usesTraceId && hasTraceId(traceId)) {
    scratch.write(traceId, 'hex');
    bytes = scratch;
    policy = 'trace_id_hash';
  }
  const randomness = bytes === undefined ? null : hashedRandomness(hash32(bytes, seed));
  let failure: string | null = null;
  if (state === null) failure = 'unreadable_state';
  else if (state.randomness !== null) failure = 'randomness_in_use';
  else if (state.threshold !== null) failure = 'threshold_in_use';
  return { randomness, isNew: true, policy, failure };
}

function givenRandomness({ state, traceId, source, usesTraceId }: Item, seed: number): Found {
  if (state === null) {
    return { randomness: null, isNew: false, policy: 'unreadable_state',
      failure: 'unreadable_state' };
  }
  const given = state.randomness;
  if (given !== null) {
    return { randomness: given, isNew: false, policy: 'sampling_randomness', failure: null };
  }
  const ofTrace = usesTraceId ? traceRandomness(traceId) : null;
  if (ofTrace !== null) {
    return { randomness: ofTrace, isNew: false, policy: 'trace_id_w3c', failure: null };
  }
  const randomness = source === undefined ? null : hashedRandomness(hash32(source, seed));
  return { randomness, isNew: true, policy: 'attribute_hash', failure: null };
}

function contradiction(state: SamplingState | null, randomness: Randomness | null): string | null {
  if (randomness === null) return 'missing_randomness';
  const before = state?.threshold ?? null;
  return before !== null && !passes(randomness, before) ? 'inconsistent_threshold' : null;
}

/** The threshold for an item that comes with this one. */
function createDecide(config: ProbabilisticSamplerConfig): (before: Threshold | null) => Threshold {
  // The Collector reads and multiplies it with 32 bits; to decide alike, so does this.
  const percent = Math.fround(Math.min(100, config.sampling_percentage));
  const ratio = percent / 100;
  const { sampling_precision: digits } = config;
  if (config.mode === 'hash_seed') {
    const buckets = Math.trunc(Math.fround(percent * Math.fround(HASH_BUCKETS / 100)));
    const threshold = thresholdOf(buckets / HASH_BUCKETS);
    return () => threshold;
  }
  const single = thresholdOf(ratio, digits);
  if (config.mode === 'equalizing') return () => single;
  const products = new Map<Threshold, Threshold>();
  return (before) => {
    if (before === null || before === ALWAYS) return single;
    const known = products.get(before);
    if (known !== undefined) return known;
    const product = thresholdOf(probabilityOf(before) * ratio, digits);
    if (products.size < limits.productsMax) products.set(before, product);
    return product;
  };
}

function sampleSpan(span: Span, judge: Judge, tally: Tally): Span | null {
  const priority = priorityOf(span.attributes);
  if (priority === NEVER) {
    tally('sampling_priority', false);
    return null;
  }
  const { isKept, state, policy } = judge({
    state: parseTraceState(span.traceState), traceId: span.traceId, usesTraceId: true, priority,
  });
  tally(priority === ALWAYS ? 'sampling_priority' : policy, isKept);
  if (!isKept) return null;
  return state === null ? span
    : { ...span, traceState: formatTraceState(span.traceState, state) };
}

const valueIn = (attributes: Attributes, key: string): AnyValue | undefined =>
  attributes.find((one) => one.key === key)?.value;

/** OpenTracing's hint: 0 asks to drop a span, a number above to keep it. */
function priorityOf(attributes: Attributes): Threshold | null {
  if (attributes.length === 0) return null;
  const value = valueIn(attributes, 'sampling.priority');
  if (value === undefined) return null;
  const isText = value.type === 'string' && value.value.trim() !== '';
  const number = value.type === 'int' || value.type === 'double' || isText
    ? Number(value.value) : NaN;
  if (number > 0) return ALWAYS;
  return number === 0 ? NEVER : null;
}

const THRESHOLD = 'sampling.threshold';
const RANDOMNESS = 'sampling.randomness';

function sampleRecord(
  record: LogRecord,
  config: ProbabilisticSamplerConfig,
  judge: Judge,
  tally: Tally,
): LogRecord | null {
  const { attributes, traceId } = record;
  const { from_attribute: key, sampling_priority: priorityKey } = config;
  const priority = priorityKey === '' ? null
    : recordPriority(valueIn(attributes, priorityKey), config.sampling_precision);
  if (priority === NEVER) {
    tally('sampling_priority', false);
    return null;
  }
  const { isKept, state, policy } = judge({
    state: recordState(attributes), traceId, priority,
    source: key === '' ? undefined : bytesOf(valueIn(attributes, key)),
    usesTraceId: config.attribute_source === 'traceID',
  });
  tally(policy, isKept);
  if (!isKept) return null;
  if (state === null) return record;
  return { ...record, attributes: withState(attributes, state) };
}

function recordPriority(value: AnyValue | undefined, digits: number): Threshold | null {
  if (value?.type !== 'int' && value?.type !== 'double') return null;
  const percent = Number(value.value);
  return percent >= 0 ? thresholdOf(percent / 100, digits) : null;
}

function recordState(attributes: Attributes): SamplingState | null {
  const textOf = (key: string) => {
    const value = valueIn(attributes, key);
    return value?.type === 'string' && value.value !== '' ? value.value : null;
  };
  const thresholdText = textOf(THRESHOLD);
  const randomnessText = textOf(RANDOMNESS);
  const threshold = thresholdText === null ? null : parseThreshold(thresholdText);
  const randomness = randomnessText === null ? null : parseRandomness(randomnessText);
  const isBroken = (thresholdText !== null && threshold === null)
    || (randomnessText !== null && randomness === null);
  return isBroken ? null : { threshold, randomness };
}

function withState(attributes: Attributes, { threshold, randomness }: SamplingState): Attributes {
  let changed = threshold === null ? attributes.filter(({ key }) => key !== THRESHOLD)
    : setAttribute(attributes, THRESHOLD, { type: 'string', value: formatThreshold(threshold) });
  if (randomness !== null) {
    changed = setAttribute(changed, RANDOMNESS, { type: 'string', value: randomness });
  }
  return changed;
}

/** What of a value is hashed: its bytes, or its text. */
function bytesOf(value: AnyValue | undefined): Uint8Array | undefined {
  if (value === undefined || value.type === 'empty') return undefined;
  if (value.type === 'bytes') return value.value;
  const isNested = value.type === 'array' || value.type === 'kvlist';
  return Buffer.from(isNested ? JSON.stringify(value.value, plainNumber) : String(value.value));
}

const plainNumber = (_key: string, value: unknown): unknown =>
  (typeof value === 'bigint' ? String(value) : value);

type Tally = (policy: string, isKept: boolean) => void;

/** The Collector's counters of what was judged, by what decided. */
function createCounts({ id, counters }: ComponentContext): { traces: Tally; logs: Tally } {
  const create = (name: string, help: string): Tally => {
    const known = new Map<string, Counter>();
    return (policy, isKept) => {
      const key = isKept ? policy : `!${policy}`;
      let counter = known.get(key);
      if (counter === undefined) {
        counter = counters.counter(name, help,
          { processor: id, policy, sampled: String(isKept) });
        known.set(key, counter);
      }
      counter.add(1);
    };
  };
  return {
    traces: create('otelcol_processor_probabilistic_sampler_count_traces_sampled_total',
      'Spans that were judged, by what decided and how.'),
    logs: create('otelcol_processor_probabilistic_sampler_count_logs_sampled_total',
      'Log records that were judged, by what decided and how.'),
  };
}
