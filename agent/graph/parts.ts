// The parts of a graph: components at their places, with the outlets behind which the others
// stand, what is counted in front of them and behind, and how they are started and stopped.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { ComponentConfig } from '../../config/components.ts';
import type { Origin } from '../../proto/contract/batch.ts';
import type {
  Component, ComponentContext, Consumer, Exporter, Extension, Host, PartView, PipelineEntry,
} from '../../proto/contract/component.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage, OperatorError, systemCause } from '../../runtime/errors.ts';
import type { Log, LogFields } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { extensionKey, keyOf, type Layout, type Spec } from './layout.ts';
import {
  countConnector, countExporter, countProcessor, countQueue, countReceiver, type CountedPlace,
} from './throughput.ts';
import { Outlet, type Tap } from './wiring.ts';

/** A component that has not returned from `stop` so long after the deadline is left behind. */
const STOP_GRACE_MS = 1000;

export interface Part {
  readonly spec: Spec;
  /** For messages: `receiver file_log/nginx`. */
  readonly name: string;
  readonly folder: string;
  readonly component: Component;
  /** What hands batches to it; null of receivers and extensions. */
  readonly inlet: Consumer | null;
  /** Where it hands on; null of exporters and extensions. */
  readonly outlet: Outlet | null;
  /** Of a connector: one for each pipeline that it begins, by id. */
  readonly entries: ReadonlyMap<string, Outlet>;
  /** Calls of `consume` that have no answer yet. */
  calls(): number;
  /** Sees what leaves it, or enters it when it is an exporter; returns what ends that. */
  tap(see: Tap): () => void;
  /** The last warning or error of its log. */
  problem(): PartView['problem'];
  /** Forgets what it showed of itself. */
  release(): void;
}

export interface PartOptions {
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  /** Holds the folders of the components. */
  readonly folder: string;
  readonly agentId: string;
  readonly host: Host;
  /** The parts among which this one will stand, as far as they are built: extensions are first. */
  readonly parts: ReadonlyMap<string, Part>;
  readonly layout: Layout;
}

export function buildPart(spec: Spec, options: PartOptions): Part {
  const { kind, id, pipeline, defined } = spec;
  const { world, log, parts, agentId, host } = options;
  const counters = options.counters.scope();
  const labels = pipeline === undefined ? { [kind]: id } : { [kind]: id, pipeline: pipeline.id };
  const folder = join(options.folder, kind, folderName(defined),
    ...(pipeline?.id ?? '').split('/'));
  const outlet = kind === 'exporter' || kind === 'extension' ? null : new Outlet();
  const entries = new Map(kind !== 'connector' ? []
    : spec.begins.map((one) => [one.id, new Outlet()] as const));
  const count = countersOf(spec, options);
  const extension = (name: string) => {
    const key = extensionKey(name, options.layout);
    return key === null ? undefined : parts.get(key)?.component as Extension | undefined;
  };
  let last: PartView['problem'];
  const context: ComponentContext = {
    id, world, counters, host, agentId, folder,
    storage: (name) => extension(name)?.storage ?? null,
    authenticator: (name) => extension(name)?.authenticator ?? null,
    log: remembering(log.child(labels), world, (problem) => {
      last = problem;
    }),
    ...(kind === 'receiver' ? { durable: () => durableFor(id, options) } : {}),
    ...(kind === 'connector' ? { pipelines: entriesOf(spec, entries, count.outgoing) } : {}),
  };
  const next = outlet === null ? NOTHING_BEHIND : count.outgoing(outlet);
  const component = spec.factory.create(defined.config, context, next);
  const takes = kind !== 'receiver' && kind !== 'extension';
  const callers = createCallers();
  return {
    spec, folder, component, outlet, entries,
    name: `${kind} ${id}`,
    inlet: takes ? callers.watch(count.incoming(component as Component & Consumer)) : null,
    calls: callers.underWay,
    tap: (see) => {
      const places = [...(outlet === null ? [] : [outlet]), ...entries.values()];
      const ends = kind === 'exporter' ? [callers.tap(see)] : places.map((one) => one.tap(see));
      return () => ends.forEach((end) => end());
    },
    problem: () => last,
    release: () => counters.release(),
  };
}

interface Counting {
  incoming(consumer: Consumer): Consumer;
  outgoing(consumer: Consumer): Consumer;
}

const UNCOUNTED = (consumer: Consumer): Consumer => consumer;

function countersOf({ kind, id, pipeline }: Spec, { counters, layout }: PartOptions): Counting {
  const place = (section: 'receivers' | 'exporters'): CountedPlace => {
    const named = layout.config.pipelines.filter((one) => one[section].includes(id));
    return { id, counters, signals: new Set(named.map(({ signal }) => signal)) };
  };
  switch (kind) {
    case 'receiver':
      return { incoming: UNCOUNTED, outgoing: (next) => countReceiver(next, place('receivers')) };
    case 'processor':
      return countProcessor(id, pipeline!.signal, counters);
    case 'connector':
      return countConnector(id, counters);
    case 'exporter': {
      const incoming = (exporter: Consumer) => ((exporter as Exporter).queued === true
        ? countQueue(exporter, place('exporters')) : countExporter(exporter, place('exporters')));
      return { incoming, outgoing: UNCOUNTED };
    }
    case 'extension':
      return { incoming: UNCOUNTED, outgoing: UNCOUNTED };
  }
}

function entriesOf(
  { begins }: Spec,
  entries: ReadonlyMap<string, Outlet>,
  counted: Counting['outgoing'],
): ReadonlyMap<string, PipelineEntry> {
  return new Map(begins.map(({ id, signal }) => {
    const { consume } = counted(entries.get(id)!);
    return [id, { signal: signal as Signal, consume }];
  }));
}

/**
 * By exporter. Where a queue is reached in two ways, or a connector stands between, nobody can tell
 * by which a batch came, or whether all of it did.
 */
function durableFor(receiver: string, { layout, parts }: PartOptions): (readonly Origin[])[] {
  const { pipelines, connectors } = layout.config;
  const behind = pipelines.filter(({ receivers }) => receivers.includes(receiver))
    .flatMap(({ exporters }) => exporters);
  if (new Set(behind).size < behind.length) return [];
  if (behind.some((id) => connectors.has(id))) return [];
  return behind.map((id) => {
    const exporter = parts.get(keyOf('exporter', id))?.component as Exporter | undefined;
    return exporter?.origins?.(receiver) ?? [];
  });
}

/** What exporters and extensions are given: nothing may be handed on. */
const NOTHING_BEHIND: Consumer = {
  consume: async () => assert.fail('there is no consumer behind this component'),
};

/** Keeps the last warning or error besides writing it. */
function remembering(
  log: Log,
  world: World,
  keep: (problem: NonNullable<PartView['problem']>) => void,
): Log {
  const write = (level: 'warn' | 'error') => (message: string, fields?: LogFields) => {
    keep({ level, message, atMs: world.clock.nowMs() });
    log[level](message, fields);
  };
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => log.info(message, fields),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => remembering(log.child(fields), world, keep),
  };
}

function createCallers() {
  let underWay = 0;
  const taps = new Set<Tap>();
  return {
    underWay: () => underWay,
    tap: (see: Tap) => {
      taps.add(see);
      return () => void taps.delete(see);
    },
    watch: (consumer: Consumer): Consumer => ({
      consume: async (batch, abort) => {
        underWay += 1;
        if (taps.size > 0) for (const tap of taps) tap(batch);
        try {
          return await consumer.consume(batch, abort);
        } finally {
          underWay -= 1;
        }
      },
    }),
  };
}

/** The same for both spellings of a type: `filelog/nginx` → `file_log-nginx`. */
function folderName({ id, type }: ComponentConfig): string {
  const slash = id.indexOf('/');
  return slash === -1 ? type : `${type}-${id.slice(slash + 1)}`;
}

/** Throws what the component throws, and OperatorError when its folder cannot be made. */
export async function startPart({ name, folder, component }: Part, world: World): Promise<void> {
  try {
    await world.files.makeFolder(folder);
  } catch (error) {
    throw new OperatorError(`cannot create the folder of the ${name}: ${systemCause(error)}`,
      `make ${folder} a folder that this user may write, or set data_dir to another one`);
  }
  await component.start();
}

/** Never throws, and returns a while after the deadline at the latest. */
export async function stopPart(
  { name, component, release }: Part,
  deadline: AbortSignal,
  { world, log }: { readonly world: World; readonly log: Log },
): Promise<void> {
  const over = new AbortController();
  const late = async () => {
    if (!deadline.aborted) {
      await new Promise<void>((resolve) => {
        deadline.addEventListener('abort', () => resolve(), { once: true, signal: over.signal });
        over.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    await world.clock.sleep(STOP_GRACE_MS, over.signal);
    if (!over.signal.aborted) log.error(`cannot stop ${name}: it did not end in time`);
  };
  try {
    await Promise.race([component.stop(deadline), late()]);
  } catch (error) {
    // A broken component must not keep the others from stopping.
    log.error(`cannot stop ${name}: ${errorMessage(error)}`);
  } finally {
    over.abort();
    release();
  }
}
