// Chooses for each record the pipelines that it goes to, as the Collector's connector of this name.
//
// - Routes are asked in their order. A record goes to the pipelines of the first that takes it;
//   with `action: copy`, or without `match_once`, further ones are asked. What none has moved goes
//   to `default_pipelines`; without these it is dropped and counted. No pipeline gets one twice.
// - A batch of which all goes one way is handed on as it came. Its verdict is that of all parts:
//   retryable when one of them is, and when it comes again as the same object, parts that had
//   their final verdict are passed over.
// - A route whose context is not in the signal, such as span for logs, takes nothing. A pipeline of
//   another signal gets nothing.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Connector, ConnectorFactory, PipelineEntry,
} from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, worstOutcome, type Outcome } from
  '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { OttlFailure } from '../../ottl/fault.ts';
import { createConditions, type Condition } from '../../ottl/ottl.ts';
import {
  chosenPipelines, conditionOf, createSchema, type RouteConfig, type RoutingConfig,
} from './config.ts';
import { choose, CONTEXTS_OF, pick } from './units.ts';

export const routingConnector: ConnectorFactory<RoutingConfig> = {
  kind: 'connector',
  type: 'routing',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  chooses: chosenPipelines,
  create: createRouting,
};

interface Route extends RouteConfig {
  readonly holds: Condition;
}

/** A part of a batch on its way; its verdict once that is final. */
interface Delivery {
  readonly entry: PipelineEntry;
  readonly part: Batch;
  verdict?: Outcome;
}

function createRouting(config: RoutingConfig, context: ComponentContext): Connector {
  const { world, pipelines = new Map<string, PipelineEntry>() } = context;
  const failures = failureOptions(config.error_mode, context);
  const routes = config.table.map((route): Route => ({
    ...route,
    holds: createConditions([conditionOf(route)!], {
      context: route.context as Exclude<RouteConfig['context'], 'request'>, world, ...failures,
    }),
  }));
  const countDropped = createDropped(context);
  // Of batches that some pipeline has put off; held no longer than the batch itself.
  const open = new WeakMap<Batch, readonly Delivery[]>();
  return {
    start: async () => {},
    stop: async () => {},
    consume: async (batch, abort) => {
      let deliveries = open.get(batch);
      if (deliveries === undefined) {
        try {
          const { ways, dropped } = divide(batch, routes, config);
          countDropped(batch, dropped);
          deliveries = deliveriesOf(batch, ways, pipelines);
        } catch (error) {
          if (error instanceof DecodeError || error instanceof OttlFailure) {
            return rejected(error.message);
          }
          throw error;
        }
      }
      const outcomes = await Promise.all(deliveries.map(async (one) => {
        const outcome = one.verdict ?? await one.entry.consume(one.part, abort);
        if (outcome.status !== 'retryable') one.verdict = outcome;
        return outcome;
      }));
      if (outcomes.some(({ status }) => status === 'retryable')) open.set(batch, deliveries);
      else open.delete(batch);
      return verdictOf(batch, deliveries, outcomes);
    },
  };
}

/** By pipeline, which units it gets. */
type Ways = ReadonlyMap<string, boolean[]>;

function divide(
  batch: Batch,
  routes: readonly Route[],
  { default_pipelines: otherwise, match_once: once }: RoutingConfig,
): { ways: Ways; dropped: number } {
  const ways = new Map<string, boolean[]>();
  const left = Array.from({ length: batch.itemCount }, () => true);
  const give = (pipelines: readonly string[], taken: readonly boolean[]) => {
    for (const id of pipelines) {
      const way = ways.get(id) ?? left.map(() => false);
      taken.forEach((one, unit) => {
        if (one) way[unit] = true;
      });
      ways.set(id, way);
    }
  };
  const gone = left.map(() => false);
  for (const { context, holds, pipelines, action } of routes) {
    if (context === 'request' || !CONTEXTS_OF[batch.signal].includes(context)) continue;
    if (once && !left.includes(true)) break;
    const chosen = choose(batch, context, holds)
      .map((one, unit) => one && (!once || left[unit] === true));
    give(pipelines, chosen);
    if (action === 'copy') continue;
    chosen.forEach((one, unit) => {
      if (!one) return;
      gone[unit] = true;
      left[unit] = false;
    });
  }
  const rest = gone.map((one) => !one);
  give(otherwise, rest);
  const taken = (unit: number) => [...ways.values()].some((way) => way[unit]);
  const dropped = otherwise.length > 0 ? 0 : rest.filter((one, unit) => one && !taken(unit)).length;
  return { ways, dropped };
}

function deliveriesOf(
  batch: Batch,
  ways: Ways,
  pipelines: ReadonlyMap<string, PipelineEntry>,
): Delivery[] {
  return [...ways].flatMap(([id, taken]) => {
    const entry = pipelines.get(id);
    if (entry === undefined || entry.signal !== batch.signal) return [];
    const part = pick(batch, taken);
    return part === null ? [] : [{ entry, part }];
  });
}

/** What is refused in parts is refused in the batch; a record may be in several. */
function verdictOf(
  batch: Batch,
  deliveries: readonly Delivery[],
  outcomes: readonly Outcome[],
): Outcome {
  const worst = worstOutcome(outcomes);
  if (outcomes.length === 0) return ACCEPTED;
  if (worst.status === 'retryable') return worst;
  if (outcomes.every(({ status }) => status === 'rejected')) return worst;
  const refused = outcomes.reduce((sum, outcome, at) => sum + (outcome.status === 'accepted'
    ? outcome.rejected : deliveries[at]!.part.itemCount), 0);
  if (refused === 0) return ACCEPTED;
  const reason = outcomes.find((outcome) => outcome.reason !== undefined)?.reason;
  const count = Math.min(refused, batch.itemCount);
  return { status: 'accepted', rejected: count, ...(reason === undefined ? {} : { reason }) };
}

function createDropped({ id, counters }: ComponentContext) {
  return ({ signal }: Batch, items: number): void => {
    if (items === 0) return;
    counters.counter('binnacle_routing_dropped_items_total',
      'Items that no route took, where there are no default_pipelines.',
      { connector: id, otel_signal: signal }).add(items);
  };
}
