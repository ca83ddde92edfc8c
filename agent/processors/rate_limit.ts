// Lets pass so many records, or bytes, in a second: of all that comes, or for each value of some
// attributes. Ours; the Collector has none.
//
// What is beyond the rate (`action`):
// - drop     is left out, and counted
// - sample   is left out by chance: what passes carries the weight of what does not, so that counts
//            stay right (sampling/rate.ts); data points cannot carry one and are dropped
// - wait     stays with its sender: the batch is answered `retryable`, and says when to come again
//
// Rules:
// - A bucket of tokens holds `burst` of the rate; a record passes while there are any, and may take
//   more than there are: so the rate holds, and what is larger than a bucket is not stuck.
// - Keys are bounded by `max_keys`; beyond it new ones share a bucket. Full ones are forgotten.
// - What the next one refuses for now has taken nothing: it comes again.

import * as z from 'zod';
import { count, duration, fault, section } from '../../config/schema.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type {
  Attributes, LogRecord, Metric, RecordOf, Resource, Signal, Span,
} from '../../proto/otlp/model.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import type { Random } from '../../runtime/random.ts';
import { createDropCounter, editPoints, editRecords } from './edit/records.ts';
import { createBuckets, type Buckets } from './sampling/buckets.ts';
import { sampledRecord, sampledSpan } from './sampling/chance.ts';

const createSchema = () => section({
  records_per_second: count({ min: 1 })
    .describe('Spans, log records or data points that pass in a second.').optional(),
  bytes_per_second: count({ min: 1 })
    .describe('Bytes that pass in a second; a record has its share of its batch.').optional(),
  burst: duration({ min: '10ms', max: '1h' })
    .describe('What may pass at once: the rate for so long.').prefault('2s'),
  action: z.enum(['drop', 'sample', 'wait'])
    .describe('What becomes of the rest: it is dropped, sampled with weight, or comes again.')
    .default('drop'),
  by_resource_attributes: z.array(z.string().min(1))
    .describe('Each value of these attributes of the resource has a rate of its own.').default([]),
  by_attributes: z.array(z.string().min(1))
    .describe('Each value of these attributes of the record has a rate of its own.').default([]),
  max_keys: count({ min: 1, max: 1_000_000 })
    .describe('Rates of their own; what comes beyond it shares one.').default(10_000),
}).superRefine((config, ctx) => {
  const given = [config.records_per_second, config.bytes_per_second];
  if (given.filter((one) => one !== undefined).length !== 1) {
    fault(ctx, 'needs one rate', 'write records_per_second or bytes_per_second',
      ['records_per_second']);
  }
});

export type RateLimitConfig = z.output<ReturnType<typeof createSchema>>;

export const rateLimitProcessor: ProcessorFactory<RateLimitConfig> = {
  kind: 'processor',
  type: 'rate_limit',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: createRateLimit,
};

function createRateLimit(
  config: RateLimitConfig, context: ComponentContext, next: Consumer,
): Processor {
  const { id, world, counters } = context;
  const perSecond = config.records_per_second ?? config.bytes_per_second!;
  const buckets = createBuckets({
    perSecond, burst: (perSecond * config.burst) / 1000, keysMax: config.max_keys,
    clock: world.clock,
  });
  counters.gauge('binnacle_rate_limit_keys', 'Values with a rate of their own.',
    () => buckets.size(), { processor: id });
  const dropped = createDropCounter(context, 'rate_limit');
  const waits = counters.counter('binnacle_rate_limit_deferred_items_total',
    'Items whose sender was told to come again.', { processor: id });
  const keyOf = createKey(config);
  const limit = config.action === 'wait' ? admitWhole : admitEach;
  return {
    start: async () => {},
    stop: async () => {},
    consume: async (batch, abort) => {
      let admitted: Admitted;
      try {
        admitted = limit(batch, { config, buckets, keyOf, random: world.random });
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      if ('waitMs' in admitted) {
        waits.add(batch.itemCount);
        return retryable('the rate limit is reached', admitted.waitMs);
      }
      const { passing, undo } = admitted;
      const outcome: Outcome = passing === null ? ACCEPTED : await next.consume(passing, abort);
      if (outcome.status === 'retryable') undo();
      else dropped(batch.signal, batch.itemCount - (passing?.itemCount ?? 0));
      return outcome;
    },
  };
}

interface Limiting {
  readonly config: RateLimitConfig;
  readonly buckets: Buckets;
  readonly keyOf: KeyOf;
  readonly random: Random;
}

type Admitted =
  | { readonly passing: Batch | null; readonly undo: () => void }
  | { readonly waitMs: number };

type KeyOf = (resource: Resource | undefined, attributes: Attributes) => string;

function createKey(config: RateLimitConfig): KeyOf {
  const { by_resource_attributes: ofResource, by_attributes: ofRecord } = config;
  if (ofResource.length === 0 && ofRecord.length === 0) return () => '';
  const textOf = (attributes: Attributes, key: string): string => {
    const value = attributes.find((one) => one.key === key)?.value;
    return value === undefined || value.type === 'array' || value.type === 'kvlist' ? ''
      : String(value.value);
  };
  return (resource: Resource | undefined, attributes: Attributes): string => [
    ...ofResource.map((key) => textOf(resource?.attributes ?? [], key)),
    ...ofRecord.map((key) => textOf(attributes, key)),
  ].join('\0');
}

const costOf = (batch: Batch, { bytes_per_second: bytes }: RateLimitConfig): number =>
  (bytes === undefined || batch.itemCount === 0 ? 1 : batch.bytes.length / batch.itemCount);

/** The batch passes as a whole, or waits. */
function admitWhole(batch: Batch, { config, buckets, keyOf }: Limiting): Admitted {
  const cost = costOf(batch, config);
  const costs = new Map<string, number>();
  const add = (key: string, more: number) => costs.set(key, (costs.get(key) ?? 0) + more);
  if (config.by_attributes.length + config.by_resource_attributes.length === 0) {
    add('', batch.itemCount * cost);
  } else {
    editRecords(batch, (record, { resource }) => {
      eachItem(batch.signal, record, (attributes) => add(keyOf(resource, attributes), cost));
      return record;
    });
  }
  const all = [...costs].map(([key, sum]) => ({ bucket: buckets.of(key), sum }));
  const waitMs = Math.max(0, ...all.map(({ bucket }) => bucket.waitMs()));
  if (waitMs > 0) return { waitMs: Math.ceil(waitMs) };
  for (const { bucket, sum } of all) bucket.take(sum);
  return {
    passing: batch,
    undo: () => {
      for (const { bucket, sum } of all) bucket.take(-sum);
    },
  };
}

function eachItem(
  signal: Signal, record: unknown, each: (attributes: Attributes) => void,
): void {
  if (signal !== 'metrics') return each((record as Span | LogRecord).attributes);
  const points = (record as Metric).data?.dataPoints ?? [];
  for (const { attributes } of points) each(attributes);
}

/** Each record passes, is left out, or is left to chance. */
function admitEach<S extends Signal>(batch: Batch<S>, limiting: Limiting): Admitted {
  const { config, buckets, keyOf, random } = limiting;
  const cost = costOf(batch, config);
  const undone: (() => void)[] = [];
  const passes = (key: string): boolean => {
    const bucket = buckets.of(key);
    if (bucket.waitMs() > 0) return false;
    bucket.take(cost);
    undone.push(() => bucket.take(-cost));
    return true;
  };
  /** Null: left out; else with its weight. */
  const chosen = <R extends Span | LogRecord>(
    key: string, choose: (chance: number) => R | null,
  ): R | null => {
    const { rate } = buckets.of(key);
    const kept = choose(rate.chance(cost));
    rate.settle(cost, kept !== null);
    undone.push(() => rate.settle(-cost, kept !== null));
    return kept;
  };
  const admit = (record: unknown, resource: Resource | undefined): unknown => {
    if (batch.signal === 'metrics') {
      return editPoints(record as Metric, (point) =>
        (passes(keyOf(resource, point.attributes)) ? point : null));
    }
    const key = keyOf(resource, (record as Span | LogRecord).attributes);
    if (config.action === 'drop') return passes(key) ? record : null;
    return batch.signal === 'traces'
      ? chosen(key, (chance) => sampledSpan(record as Span, chance, random))
      : chosen(key, (chance) => sampledRecord(record as LogRecord, chance, random));
  };
  const passing = editRecords(batch, (record, { resource }) =>
    admit(record, resource) as RecordOf<S> | null);
  return {
    passing,
    undo: () => {
      for (const one of undone) one();
    },
  };
}
