// Joins the components of a configuration to pipelines, and starts and stops them in an order in
// which no data is lost.
//
//     receiver ─> route by signal ─┬─> [processor ─> …] ─> fan-out ─┬─> exporter
//                                  └─> [processor ─> …] ─> fan-out ─┴─> exporter
//
// - A receiver and an exporter exist once for each id, whichever pipelines name them. A processor
//   exists once for each pipeline that names it.
// - A batch that goes to several pipelines or exporters is answered with the worst of their
//   verdicts. What is retryable anywhere comes again; when it is the same Batch object, as from a
//   receiver that reads files, those that had given their final verdict are passed over. A client
//   that sends its request again, and a processor that makes new batches, bring another object:
//   all get it, those that had accepted it twice. Batches are immutable and are not copied.
// - Start: extensions, exporters, processors from last to first, receivers. Stop: receivers,
//   processors from first to last, exporters, extensions. So each has its consumer while it works.
// - When one cannot start, those that did are stopped.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { ComponentConfig } from '../config/components.ts';
import type { AgentConfig, PipelineConfig } from '../config/pipelines.ts';
import type { Batch, Origin } from '../proto/contract/batch.ts';
import type {
  AnyFactory, Component, ComponentContext, ComponentKind, Consumer, Exporter, Extension, Host,
  Storage,
} from '../proto/contract/component.ts';
import { rejected, worstOutcome, type Outcome } from '../proto/contract/outcome.ts';
import type { Signal } from '../proto/otlp/model.ts';
import type { Counters } from '../runtime/counters.ts';
import { errorMessage, OperatorError, systemCause } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { World } from '../runtime/world.ts';
import {
  countExporter, countProcessor, countQueue, countReceiver, type CountedPlace,
} from './throughput.ts';

export interface GraphOptions {
  readonly config: Pick<AgentConfig, 'receivers' | 'processors' | 'exporters' | 'extensions'
    | 'pipelines'>;
  readonly factories: readonly AnyFactory[];
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  /** Holds the folders of the components. */
  readonly folder: string;
  readonly agentId: string;
}

export interface Graph {
  /** Throws what the component that could not start threw. */
  start(): Promise<void>;
  /** Drains from the receivers on, until `deadline` fires. Safe before start and more than once. */
  stop(deadline: AbortSignal): Promise<void>;
  /** True while all components run. */
  ready(): boolean;
  /** Where the components listen, by protocol. */
  addresses(): Readonly<Record<string, string>>;
}

/** A component that has not returned from `stop` so long after the deadline is left behind. */
const STOP_GRACE_MS = 1000;

interface Part {
  /** For messages: `receiver file_log/nginx`. */
  readonly name: string;
  readonly folder: string;
  readonly component: Component;
}

/** Parts that start and stop together; those of an inner list one after the other. */
interface Stages {
  readonly extensions: readonly Part[];
  readonly exporters: readonly Part[];
  /** One list for each pipeline, in the order in which data passes them. */
  readonly processors: readonly (readonly Part[])[];
  readonly receivers: readonly Part[];
}

export function createGraph(options: GraphOptions): Graph {
  let ready = false;
  let stopping = false;
  const stages = buildStages(options, { ready: () => ready });
  const started = new Set<Part>();
  const start = async (parts: readonly Part[]) => {
    for (const part of parts) {
      if (stopping) return;
      // Also the one that fails may have something to stop.
      started.add(part);
      await makeFolder(part, options.world);
      await part.component.start();
    }
  };
  const stopPart = async (part: Part, deadline: AbortSignal) => {
    if (started.has(part)) await stopOne(part, deadline, options);
  };
  const stopAll = async (deadline: AbortSignal) => {
    await Promise.all(stages.receivers.map((part) => stopPart(part, deadline)));
    await Promise.all(stages.processors.map(async (parts) => {
      for (const part of parts) await stopPart(part, deadline);
    }));
    await Promise.all(stages.exporters.map((part) => stopPart(part, deadline)));
    await Promise.all(stages.extensions.map((part) => stopPart(part, deadline)));
  };
  const all = [...stages.extensions, ...stages.exporters, ...stages.processors.flat(),
    ...stages.receivers];
  return {
    start: async () => {
      try {
        await start(stages.extensions);
        await start(stages.exporters);
        for (const parts of stages.processors) await start([...parts].reverse());
        await start(stages.receivers);
      } catch (error) {
        await stopAll(AbortSignal.abort());
        throw error;
      }
      ready = !stopping;
    },
    stop: async (deadline) => {
      ready = false;
      stopping = true;
      await stopAll(deadline);
    },
    ready: () => ready,
    addresses: () => Object.assign({}, ...all.map(({ component }) => component.addresses?.())),
  };
}

async function stopOne(part: Part, deadline: AbortSignal, { world, log }: GraphOptions) {
  const over = new AbortController();
  const late = async () => {
    if (!deadline.aborted) {
      await new Promise<void>((resolve) => {
        deadline.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
        over.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    await world.clock.sleep(STOP_GRACE_MS, over.signal);
    if (!over.signal.aborted) log.error(`cannot stop ${part.name}: it did not end in time`);
  };
  try {
    await Promise.race([part.component.stop(deadline), late()]);
  } catch (error) {
    // A broken component must not keep the others from stopping.
    log.error(`cannot stop ${part.name}: ${errorMessage(error)}`);
  } finally {
    over.abort();
  }
}

async function makeFolder({ name, folder }: Part, { files }: World): Promise<void> {
  try {
    await files.makeFolder(folder);
  } catch (error) {
    throw new OperatorError(`cannot create the folder of the ${name}: ${systemCause(error)}`,
      `make ${folder} a folder that this user may write, or set data_dir to another one`);
  }
}

function buildStages(options: GraphOptions, host: Host): Stages {
  const { config } = options;
  const storages = new Map<string, Storage>();
  const build = createBuilder(options, host, storages);
  const extensions = [...config.extensions.keys()].map((id) => {
    const part = build('extension', config.extensions, id, NOTHING_BEHIND);
    const { storage } = part.component as Extension;
    if (storage !== undefined) storages.set(id, storage);
    return part;
  });
  const exporters = usedIds(config.pipelines, 'exporters')
    .map((id) => [id, build('exporter', config.exporters, id, NOTHING_BEHIND)] as const);
  const place = (section: 'receivers' | 'exporters', id: string): CountedPlace => {
    const named = config.pipelines.filter((pipeline) => pipeline[section].includes(id));
    const signals = new Set(named.map(({ signal }) => signal));
    return { id, signals, counters: options.counters };
  };
  const exits = new Map(exporters.map(([id, part]) =>
    [id, countExit(part.component as Exporter, place('exporters', id))]));
  const pipelines = config.pipelines.map((pipeline) =>
    buildPipeline(pipeline, pipeline.exporters.map((id) => exits.get(id)!), options, build));
  const receivers = usedIds(config.pipelines, 'receivers').map((id) => {
    const fed = pipelines.filter(({ pipeline }) => pipeline.receivers.includes(id));
    const next = countReceiver(createRouter(id, fed), place('receivers', id));
    const behind = fed.flatMap(({ pipeline }) => pipeline.exporters.map((exporter) =>
      exporters.find(([name]) => name === exporter)![1].component as Exporter));
    return build('receiver', config.receivers, id, next, { durable: () => durableIn(behind, id) });
  });
  return {
    extensions,
    exporters: exporters.map(([, part]) => part),
    processors: pipelines.map(({ parts }) => parts),
    receivers,
  };
}

/** By exporter. A queue that is reached in two ways cannot tell in which of them a batch came. */
function durableIn(exporters: readonly Exporter[], receiver: string): (readonly Origin[])[] {
  if (new Set(exporters).size < exporters.length) return [];
  return exporters.map((exporter) => exporter.origins?.(receiver) ?? []);
}

const countExit = (exporter: Exporter, place: CountedPlace): Consumer =>
  (exporter.queued === true ? countQueue(exporter, place) : countExporter(exporter, place));

const usedIds = (pipelines: readonly PipelineConfig[], section: 'receivers' | 'exporters') =>
  [...new Set(pipelines.flatMap((pipeline) => pipeline[section]))];

interface Pipeline {
  readonly pipeline: PipelineConfig;
  readonly entry: Consumer;
  /** Its processors, in the order in which data passes them. */
  readonly parts: readonly Part[];
}

function buildPipeline(
  pipeline: PipelineConfig,
  exits: readonly Consumer[],
  options: GraphOptions,
  build: Build,
): Pipeline {
  const parts: Part[] = [];
  let next = fanOut(exits);
  for (const id of [...pipeline.processors].reverse()) {
    const counted = countProcessor(id, pipeline.signal, options.counters);
    const part = build('processor', options.config.processors, id, counted.outgoing(next),
      { pipelineId: pipeline.id });
    parts.unshift(part);
    next = counted.incoming(part.component as Component & Consumer);
  }
  return { pipeline, entry: next, parts };
}

/** Hands each batch to all pipelines of its signal. */
function createRouter(id: string, pipelines: readonly Pipeline[]): Consumer {
  const routes = new Map<Signal, Consumer>();
  for (const { pipeline: { signal } } of pipelines) {
    if (routes.has(signal)) continue;
    const same = pipelines.filter(({ pipeline }) => pipeline.signal === signal);
    routes.set(signal, fanOut(same.map(({ entry }) => entry)));
  }
  return {
    consume: async (batch, abort) => {
      const route = routes.get(batch.signal);
      if (route !== undefined) return route.consume(batch, abort);
      return rejected(`no pipeline of ${batch.signal} has the receiver ${id}`);
    },
  };
}

/** One consumer for several; each gets every batch until it has given its final verdict. */
export function fanOut(consumers: readonly Consumer[]): Consumer {
  assert(consumers.length > 0);
  if (consumers.length === 1) return consumers[0]!;
  // By consumer, of batches that another one has put off; held no longer than the batch itself.
  const finalVerdicts = new WeakMap<Batch, readonly (Outcome | undefined)[]>();
  return {
    consume: async (batch, abort) => {
      const earlier = finalVerdicts.get(batch) ?? [];
      const outcomes = await Promise.all(consumers.map((one, index) =>
        earlier[index] ?? one.consume(batch, abort)));
      const verdicts = outcomes.map((outcome) =>
        (outcome.status === 'retryable' ? undefined : outcome));
      if (verdicts.includes(undefined)) finalVerdicts.set(batch, verdicts);
      else finalVerdicts.delete(batch);
      return worstOutcome(outcomes);
    },
  };
}

/** What exporters and extensions are given: nothing may be handed on. */
const NOTHING_BEHIND: Consumer = {
  consume: async () => assert.fail('there is no consumer behind this component'),
};

type Build = (
  kind: ComponentKind,
  section: ReadonlyMap<string, ComponentConfig>,
  id: string,
  next: Consumer,
  more?: { readonly pipelineId?: string; readonly durable?: ComponentContext['durable'] },
) => Part;

function createBuilder(
  options: GraphOptions,
  host: Host,
  storages: ReadonlyMap<string, Storage>,
): Build {
  const { factories, world, log, counters, folder, agentId } = options;
  return (kind, section, id, next, { pipelineId, durable } = {}) => {
    const defined = section.get(id);
    assert(defined !== undefined, `${kind} ${id} is not defined`);
    const factory = factories.find((one) => one.kind === kind && one.type === defined.type);
    assert(factory !== undefined, `there is no ${kind} of type ${defined.type}`);
    const labels = pipelineId === undefined ? { [kind]: id } : { [kind]: id, pipeline: pipelineId };
    const context: ComponentContext = {
      id, world, counters, host, agentId,
      storage: (extensionId) => storages.get(extensionId) ?? null,
      log: log.child(labels),
      folder: join(folder, kind, folderName(defined), ...(pipelineId ?? '').split('/')),
      ...(durable === undefined ? {} : { durable }),
    };
    const component = factory.create(defined.config, context, next);
    return { name: `${kind} ${id}`, folder: context.folder, component };
  };
}

/** The same for both spellings of a type: `filelog/nginx` → `file_log-nginx`. */
function folderName({ id, type }: ComponentConfig): string {
  const slash = id.indexOf('/');
  return slash === -1 ? type : `${type}-${id.slice(slash + 1)}`;
}
