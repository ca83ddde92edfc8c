// Counts spans, events of spans, metrics, data points and log records: all of them, or those for
// which a condition holds, by the values of attributes.
//
// Promises: each batch becomes one batch of counts (deltas, with the resources of what was
// counted), and its sender hears what became of those: nothing is kept, so nothing can be lost or
// counted twice here. A batch in which nothing is counted is accepted.

import { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Connector, ConnectorFactory, Consumer,
} from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable } from '../../../proto/contract/outcome.ts';
import {
  SIGNALS, type AnyValue, type Metric, type MetricsRequest,
} from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { createConditions } from '../../ottl/ottl.ts';
import {
  COUNTED, createSchema, type CountConfig, type CountedKind, type CountInfo,
} from './config.ts';
import {
  tallyBatch, type Counted, type CountedByKind, type ResourceTally, type Tally,
} from './tally.ts';

export const countConnector: ConnectorFactory<CountConfig> = {
  kind: 'connector',
  type: 'count',
  signals: SIGNALS,
  gives: () => ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createConnector,
};

const SCOPE = {
  name: 'binnacle/agent/count', version: '', attributes: [], droppedAttributesCount: 0,
};
const DELTA = 1;

function createConnector(
  config: CountConfig,
  context: ComponentContext,
  next: Consumer,
): Connector {
  const { clock } = context.world;
  const kinds = Object.fromEntries(Object.keys(COUNTED).map((kind) => [kind,
    Object.entries(config[kind as CountedKind]).map(([name, info]) =>
      countedOf(name, info, kind as CountedKind, context))])) as unknown as CountedByKind;
  // Counts are of what came since the ones before.
  let lastNs = clock.nowNs();
  let stopped = false;
  return {
    start: async () => {},
    stop: async () => {
      stopped = true;
    },
    consume: async (batch, abort) => {
      if (stopped || abort.aborted) return retryable(stopped ? 'stopping' : 'aborted');
      let tallies: ResourceTally[];
      try {
        tallies = tallyBatch(batch, kinds);
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      if (tallies.length === 0) return ACCEPTED;
      const stretch = { startNs: lastNs, timeNs: clock.nowNs() };
      lastNs = stretch.timeNs;
      const outcome = await next.consume(
        Batch.fromRequest('metrics', requestOf(tallies, stretch)), abort);
      // How many counts were refused is not how many records were.
      return outcome.status === 'accepted' ? ACCEPTED : outcome;
    },
  };
}

function countedOf(
  name: string,
  { description, conditions, attributes }: CountInfo,
  kind: CountedKind,
  context: ComponentContext,
): Counted {
  const condition = conditions.length === 0 ? undefined : createConditions(conditions, {
    context: COUNTED[kind], world: context.world, ...failureOptions('ignore', context),
  });
  return { name, description, condition,
    attributes: attributes.map(({ key, default_value: fallback }) => ({
      key, fallback: fallback === undefined ? undefined : valueOf(fallback),
    })) };
}

function valueOf(value: string | number | boolean): AnyValue {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  return Number.isSafeInteger(value) ? { type: 'int', value: BigInt(value) }
    : { type: 'double', value };
}

interface Stretch {
  readonly startNs: bigint;
  readonly timeNs: bigint;
}

function requestOf(tallies: readonly ResourceTally[], stretch: Stretch): MetricsRequest {
  return { resourceMetrics: tallies.map(({ resource, tallies: own }) => ({
    resource,
    scopeMetrics: [{ scope: SCOPE, schemaUrl: '',
      metrics: [...own].map(([counted, tally]) => metricOf(counted, tally, stretch)) }],
    schemaUrl: '',
  })) };
}

function metricOf({ name, description }: Counted, tally: Tally, stretch: Stretch): Metric {
  return { name, description, unit: '', metadata: [], data: {
    type: 'sum', aggregationTemporality: DELTA, isMonotonic: true,
    dataPoints: [...tally.values()].map(({ attributes, count }) => ({
      attributes, startTimeUnixNano: stretch.startNs, timeUnixNano: stretch.timeNs, flags: 0,
      value: { type: 'int', value: count }, exemplars: [],
    })),
  } };
}
