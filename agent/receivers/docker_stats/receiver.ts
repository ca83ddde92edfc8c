// `docker_stats`: CPU, memory, network and disk of the containers that run, from the Docker engine,
// every `collection_interval`. Each container is a resource; counters begin at its start.
//
// Each collection asks for the list, and for each container for its numbers at this moment
// (`one-shot`); the engine would take a second look after a second otherwise, and the look before
// this one is known here. What an engine that is away, or a container that ends meanwhile, does not
// answer is left out and said; the next collection asks again.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import type { Attributes } from '../../../proto/otlp/model.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { createMatcher } from '../../docker_engine/choice.ts';
import {
  parseDetails, parseSummaries, type ContainerDetails, type ContainerSummary,
} from '../../docker_engine/container.ts';
import { createEngine, EngineError } from '../../docker_engine/engine.ts';
import { createOutbox } from '../readings/outbox.ts';
import { encodeReadings, text, type Reading } from '../readings/readings.ts';
import { createTicker } from '../readings/ticker.ts';
import {
  dockerStatsSchema, RESOURCE_ATTRIBUTES, type DockerStatsConfig, type ResourceAttribute,
} from './config.ts';
import { containerMetrics } from './metrics.ts';
import { detailSamples, statsSamples, type CpuMoment } from './samples.ts';

export const limits = {
  /** Containers of one collection; others are left out, and it is said. */
  containersMax: 2000,
  /** Containers that the engine is asked for at the same time. */
  askedAtOnce: 8,
} as const;

const SCOPE = 'binnacle/agent/docker_stats';
const WARNING_INTERVAL_MS = 300_000;
const RETRY_MS_MAX = 30_000;
const CONTAINER_GONE = 404;

export const dockerStatsReceiver: ReceiverFactory<DockerStatsConfig> = {
  kind: 'receiver',
  type: 'docker_stats',
  aliases: ['dockerstats'],
  signals: ['metrics'],
  get schema() {
    return dockerStatsSchema();
  },
  create: createDockerStats,
};

function createDockerStats(
  config: DockerStatsConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const { world } = context;
  const meter = createMeter(context);
  const collect = createCollection(config, context, meter);
  const outbox = createOutbox({
    next, world,
    retryMsMax: Math.min(RETRY_MS_MAX, config.collection_interval),
    dropped: meter.dropped,
  });
  const stopping = new AbortController();
  const ticker = createTicker({
    clock: world.clock,
    initialDelayMs: config.initial_delay,
    intervalMs: config.collection_interval,
    run: async () => {
      const batch = await collect(stopping.signal);
      if (batch !== null) outbox.add(batch);
    },
    skipped: meter.skipped,
    outbox,
  });
  return {
    start: ticker.start,
    stop: async (deadline) => {
      stopping.abort();
      await ticker.stop(deadline);
    },
  };
}

type Collect = (abort: AbortSignal) => Promise<Batch<'metrics'> | null>;

function createCollection(
  config: DockerStatsConfig, { world: { clock } }: ComponentContext, meter: Meter,
): Collect {
  const engine = createEngine({
    address: config.endpoint, apiVersion: config.api_version, timeoutMs: config.timeout, clock,
  });
  const excluded = createMatcher(config.excluded_images);
  const definitions = containerMetrics.filter(({ name }) => config.metrics[name]!.enabled);
  const before = new Map<string, CpuMoment>();

  const readOne = async ({ id }: ContainerSummary, abort: AbortSignal): Promise<Reading> => {
    const path = `/containers/${encodeURIComponent(id)}`;
    const details = parseDetails(await engine.json(`${path}/json`, abort));
    const stats = await engine.json(`${path}/stats?stream=false&one-shot=true`, abort);
    const timeNs = clock.nowNs();
    const { samples, moment } = statsSamples(stats, before.get(id) ?? null);
    before.set(id, moment);
    const { startedMs } = details;
    const startNs = Number.isNaN(startedMs) ? timeNs : BigInt(startedMs) * 1_000_000n;
    return {
      resource: resourceOf(details, config), startNs, timeNs,
      samples: [...samples, ...detailSamples(details, clock.nowMs())],
    };
  };
  const list = async (abort: AbortSignal): Promise<ContainerSummary[]> => {
    const all = parseSummaries(await engine.json('/containers/json', abort))
      .filter(({ image }) => !excluded(image));
    if (all.length > limits.containersMax) {
      meter.trouble(`only ${limits.containersMax} of ${all.length} containers are looked at`);
    }
    return all.slice(0, limits.containersMax);
  };
  return async (abort) => {
    const containers = await list(abort).catch((error: unknown) => {
      if (!abort.aborted) meter.trouble(errorMessage(error));
      return null;
    });
    if (containers === null) return null;
    const known = new Set(containers.map(({ id }) => id));
    for (const id of before.keys()) if (!known.has(id)) before.delete(id);
    const readings = await readAll(containers, (one) => readOne(one, abort), (error) => {
      const gone = error instanceof EngineError && error.status === CONTAINER_GONE;
      if (!gone && !abort.aborted) meter.trouble(errorMessage(error));
    });
    const [batch] = encodeReadings([{ name: SCOPE, readings, definitions }], Infinity);
    if (batch === undefined) return null;
    meter.collected(batch.itemCount);
    return batch;
  };
}

/** Some at a time, in any order; those that fail are left out. */
async function readAll(
  containers: readonly ContainerSummary[],
  read: (container: ContainerSummary) => Promise<Reading>,
  failed: (error: unknown) => void,
): Promise<Reading[]> {
  const readings: Reading[] = [];
  const queue = containers.values();
  await Promise.all(Array.from({ length: limits.askedAtOnce }, async () => {
    for (const container of queue) {
      try {
        readings.push(await read(container));
      } catch (error) {
        failed(error);
      }
    }
  }));
  return readings;
}

function resourceOf(container: ContainerDetails, config: DockerStatsConfig): Attributes {
  const values: Record<ResourceAttribute, string> = {
    'container.runtime': 'docker',
    'container.hostname': container.hostname,
    'container.id': container.id,
    'container.image.name': container.image,
    'container.name': container.name,
    'container.image.id': container.imageId,
    'container.command_line': container.commandLine,
  };
  const own = (Object.keys(RESOURCE_ATTRIBUTES) as ResourceAttribute[])
    .filter((name) => config.resource_attributes[name].enabled)
    .map((name): [string, string] => [name, values[name]]);
  const labels = Object.entries(config.container_labels_to_metric_labels)
    .map(([label, name]): [string, string] => [name, container.labels[label] ?? '']);
  const variables = Object.entries(config.env_vars_to_metric_labels)
    .map(([variable, name]): [string, string] => [name, container.env.get(variable) ?? '']);
  return [...own, ...labels, ...variables]
    .filter(([, value]) => value !== '').map(([name, value]) => text(name, value));
}

interface Meter {
  collected(points: number): void;
  skipped(): void;
  dropped(points: number, reason: string, why: string): void;
  trouble(why: string): void;
}

function createMeter({ id, counters, log, world }: ComponentContext): Meter {
  const limited = rateLimited(log, world.clock, WARNING_INTERVAL_MS);
  const receiver = { receiver: id };
  const points = counters.counter('binnacle_docker_stats_points_total',
    'Data points read of containers.', receiver);
  const skipped = counters.counter('binnacle_docker_stats_skipped_collections_total',
    'Collections left out because the one before was still running.', receiver);
  const errors = counters.counter('binnacle_docker_stats_errors_total',
    'Times that the Docker engine did not tell something.', receiver);
  return {
    collected: points.add,
    skipped: () => {
      skipped.add(1);
      limited.warn(`${id}: a collection is left out: the one before is still running`);
    },
    dropped: (count, reason, why) => {
      counters.counter('binnacle_docker_stats_dropped_points_total',
        'Data points read but not delivered.', { ...receiver, reason }).add(count);
      limited.warn(`${id}: data points are dropped: ${reason}`, { points: count, cause: why });
    },
    trouble: (why) => {
      errors.add(1);
      limited.warn(`${id}: cannot read containers: ${why}`);
    },
  };
}
