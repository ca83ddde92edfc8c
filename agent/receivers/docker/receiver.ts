// The receiver `docker`: follows the logs of all containers of this host by way of the Docker
// engine.
//
// Promises:
// - Containers are found by themselves; one that appears while the agent runs is read from its
//   beginning, also when it has ended already but was not removed.
// - No line is lost that the engine still has: a place moves only over what the next part took, or
//   refused for good, which is counted. After a stop, a crash or a kill -9 the rest is read again,
//   but for what the disk queues behind have taken (places.ts).
// - Lines of one stream of a container keep their order. Long ones, which the engine cuts, are
//   whole again (records.ts).
// - What is in memory is bounded, whatever the number of containers. An engine that is away is
//   asked again for as long as it takes: it may start after the agent.
//
// Keys: config.ts.

import type { Batch, Origin } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import { parseSummaries, type ContainerSummary } from '../../docker_engine/container.ts';
import { createEngine, EngineError, type Engine } from '../../docker_engine/engine.ts';
import { createEntryBatches } from '../../operators/batches.ts';
import { createDelivery, type Delivery, type StopSignals } from '../sending/delivery.ts';
import { deliveryOptions } from '../sending/settings.ts';
import { createEnding } from '../sending/stop.ts';
import { createDocumentWriter, type DocumentWriter } from '../sending/document.ts';
import { dockerSchema, type DockerConfig } from './config.ts';
import {
  createFollower, type Follower, type FollowerParts, type Move, type Source,
} from './follower.ts';
import { placeAt } from './place.ts';
import {
  encodeState, loadPlaces, placesPath, placesText, type Places,
} from './places.ts';
import { createResource, createSelection } from './selection.ts';
import { watchContainers } from './watch.ts';

export const limits = {
  /** Containers followed at the same time; others are left out, and it is said. */
  containersMax: 1000,
  /** Bytes of records of all containers that wait for their verdict. */
  waitingBytesMax: 32 * 1024 * 1024,
} as const;

const LOG_INTERVAL_MS = 60_000;
/** Between two tries to read a log that cannot be read, or breaks off. */
const AGAIN_MS = 1000;
/** The engine cannot read the log of this container: its driver keeps none. */
const NOT_READABLE = [404, 409, 500, 501];

export const dockerReceiver: ReceiverFactory<DockerConfig> = {
  kind: 'receiver',
  type: 'docker',
  signals: ['logs'],
  get schema() {
    return dockerSchema();
  },
  create: createDocker,
};

export function createDocker(
  config: DockerConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const ending = createEnding();
  let following: Following | undefined;
  let watching: Promise<void> = Promise.resolve();
  const stop = async (): Promise<void> => {
    ending.begin();
    await watching;
    await following?.stop();
  };
  return {
    start: async () => {
      const { world: { clock, random } } = context;
      following = await startFollowing(config, context, next, ending);
      const { engine, look, trouble } = following;
      watching = watchContainers({
        engine, clock, random, look, trouble,
        pollMs: config.poll_interval,
        stopping: ending.stopping,
      });
    },
    stop: ending.stop(stop),
  };
}

interface Following {
  readonly engine: Engine;
  /** Begins to follow containers that are new. */
  look(): Promise<void>;
  trouble(why: string): void;
  stop(): Promise<void>;
}

interface Followed {
  readonly follower: Follower;
  /** Undefined: its log was read to its end. */
  reading: Promise<void> | undefined;
}

async function startFollowing(
  config: DockerConfig, context: ComponentContext, next: Consumer, signals: StopSignals,
): Promise<Following> {
  const { world, counters, id, folder } = context;
  const log = rateLimited(context.log, world.clock, LOG_INTERVAL_MS);
  const engine = createEngine({
    address: config.endpoint, apiVersion: config.api_version, timeoutMs: config.timeout,
    clock: world.clock,
  });
  const run = world.random.uuid();
  const followed = new Map<string, Followed>();
  const labels = { receiver: id };
  const errors = counters.counter('binnacle_docker_errors_total',
    'Times that the Docker engine did not tell something.', labels);
  counters.gauge('binnacle_docker_followed_containers', 'Containers whose logs are followed.',
    () => [...followed.values()].filter(({ reading }) => reading !== undefined).length, labels);
  const trouble = (why: string): void => {
    errors.add(1);
    log.warn(`${id}: cannot follow containers: ${why}`);
  };
  const places = await loadPlaces(context) ?? {
    beganNs: config.start_at === 'end' ? world.clock.nowNs() : 0n, containers: new Map(),
  };
  const writer = createDocumentWriter({
    world, log,
    path: placesPath(folder),
    text: () => placesText(run, places.beganNs, savedOf(followed, places)),
  });
  // Where a first start begins must be known before anything is sent.
  await writer.save();
  const delivery = createDelivery(next, context, deliveryOptions(config.retry_on_failure), signals);
  const parts: FollowerParts = {
    config, engine, delivery,
    batches: createEntryBatches(config.operators, context),
    clock: world.clock,
    room: { bytesMax: limits.waitingBytesMax, bytes: 0 },
    stopping: signals.stopping,
    resourceOf: createResource(config),
    bytes: counters.counter('binnacle_docker_read_bytes_total',
      'Bytes of logs that the Docker engine sent.', labels).add,
    mark: (batch, source, move) => marked(batch, source, move, { receiver: id, run }),
    moved: writer.touch,
  };
  const look = createLook({ config, parts, followed, places, log, trouble });
  await look();
  return { engine, look, trouble, stop: () => stopAll(followed, delivery, writer) };
}

async function stopAll(
  followed: ReadonlyMap<string, Followed>, delivery: Delivery, writer: DocumentWriter,
): Promise<void> {
  await Promise.all([...followed.values()].map(({ reading }) => reading));
  await Promise.all([...followed.values()].map(({ follower }) => follower.idle()));
  await delivery.idle();
  await writer.stop();
}

function marked(
  batch: Batch<'logs'>, { id, content }: Source, { before, after }: Move,
  run: Pick<Origin, 'receiver' | 'run'>,
): Batch<'logs'> {
  // Nothing is done with it alone.
  if (after.count === before.count) return batch;
  const state = encodeState(id, after.place);
  return batch.from([{ ...run, content, from: before.count, to: after.count, state }]);
}

/** More than there are containers of a run: of those that were not found again yet. */
const CONTENT_UNKNOWN = 1_000_000_000;

function* savedOf(followed: ReadonlyMap<string, Followed>, { containers }: Places) {
  let content = CONTENT_UNKNOWN;
  for (const [id, { follower }] of followed) {
    const { place, count } = follower.course();
    yield [id, { content: follower.source.content, messages: count, place }] as const;
  }
  for (const [id, place] of containers) {
    if (!followed.has(id)) yield [id, { content: content++, messages: 0, place }] as const;
  }
}

interface LookParts {
  readonly config: DockerConfig;
  readonly parts: FollowerParts;
  readonly followed: Map<string, Followed>;
  /** Of the last run. */
  readonly places: Places;
  readonly log: Log;
  readonly trouble: (why: string) => void;
}

function createLook(look: LookParts): () => Promise<void> {
  const { config, parts, followed, places, trouble } = look;
  const chosen = createSelection(config);
  let contents = 0;
  const begin = ({ id, state }: ContainerSummary): void => {
    let one = followed.get(id);
    // It was read to its end, and nothing is written unless it runs again.
    if (one?.reading !== undefined || (one !== undefined && !RUNNING.includes(state))) return;
    if (one === undefined) {
      const place = places.containers.get(id) ?? placeAt(places.beganNs);
      const follower = createFollower({ id, content: contents++ }, place, parts);
      one = { follower, reading: undefined };
      followed.set(id, one);
    }
    const { follower } = one;
    one.reading = readOn(follower, look).finally(() => {
      followed.get(id)!.reading = undefined;
    });
  };
  const forget = (all: readonly ContainerSummary[]): void => {
    const there = new Set(all.map(({ id }) => id));
    for (const [id, { reading, follower }] of followed) {
      if (reading === undefined && follower.done() && !there.has(id)) followed.delete(id);
    }
    for (const id of places.containers.keys()) if (!there.has(id)) places.containers.delete(id);
  };
  return async () => {
    let all: ContainerSummary[];
    try {
      all = parseSummaries(await parts.engine.json('/containers/json?all=1', parts.stopping));
    } catch (error) {
      if (!parts.stopping.aborted) trouble(errorMessage(error));
      return;
    }
    if (parts.stopping.aborted) return;
    forget(all);
    const wanted = all.filter(chosen);
    if (wanted.length > limits.containersMax) {
      trouble(`only ${limits.containersMax} of ${wanted.length} containers are followed`);
    }
    for (const one of wanted) {
      if (followed.size < limits.containersMax || followed.has(one.id)) begin(one);
    }
  };
}

const RUNNING = ['running', 'paused', 'restarting'];

/** Reads a log to its end; what breaks off is read on. */
async function readOn(follower: Follower, { parts, log, trouble }: LookParts): Promise<void> {
  const { clock, stopping } = parts;
  while (!stopping.aborted) {
    try {
      return await follower.read();
    } catch (error) {
      if (stopping.aborted) return;
      if (error instanceof EngineError && NOT_READABLE.includes(error.status)) {
        if (error.status !== 404) {
          log.warn(`cannot follow container ${follower.source.id.slice(0, 12)}: ${error.message}`);
        }
        return;
      }
      trouble(errorMessage(error));
    }
    await clock.sleep(AGAIN_MS, stopping);
  }
}
