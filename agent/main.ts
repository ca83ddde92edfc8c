// An agent process: configuration, data folder, pipelines, and the metrics of the agent itself.

import { describeProblem } from '../config/errors.ts';
import { loadAgentConfig, type AgentConfig } from '../config/pipelines.ts';
import { readPlugins, type NamedPlugins } from '../config/plugins.ts';
import type { Environment } from '../config/substitution.ts';
import type { AnyFactory } from '../proto/contract/component.ts';
import type { Clock, Timer } from '../runtime/clock.ts';
import { createCounters, type Counters } from '../runtime/counters.ts';
import type { Files } from '../runtime/files.ts';
import { forgetStart, tendHeap } from '../runtime/heap.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createProcessLog } from '../runtime/log.ts';
import { formatEndpoint } from '../runtime/net.ts';
import { createWorld, type World } from '../runtime/world.ts';
import { loadComponents } from './components.ts';
import { openDataFolder } from './data_folder.ts';
import { createGraph, type Graph } from './graph/graph.ts';
import { lookAt, startReloading, type ReadAgent, type Reloading } from './reloading.ts';
import { startTextServer, type TextServer } from './text_server.ts';

/** After this time the start is over, with a first turn of everything that runs in turns. */
const START_MS = 3000;

export interface AgentSources {
  /** YAML files, merged left to right. */
  readonly files: readonly string[];
  readonly env: Environment;
}

export interface AgentOptions extends AgentSources {
  readonly version: string;
}

/** Throws ConfigError with everything that is wrong. */
export async function readAgentConfig({ files, env }: AgentSources): Promise<ReadAgent> {
  const disk = createWorld().files;
  const named = await readPlugins({ files, env, disk });
  const all = [...files, ...named.plugins.map(({ file }) => file)];
  const state = await lookAt(all, disk);
  const builtIn = await loadComponents(await textsOf({ files, env }, disk));
  const known = [...builtIn, ...await pluginsOf(named, builtIn, disk)];
  const loaded = await loadAgentConfig({ files, env, disk, components: known });
  return { ...loaded, factories: known, files: all, state };
}

/** All component types that a configuration may name, whatever else it says. */
export async function readComponents({ files, env }: AgentSources): Promise<AnyFactory[]> {
  const disk = createWorld().files;
  const builtIn = await loadComponents();
  const named = await readPlugins({ files, env, disk });
  return [...builtIn, ...await pluginsOf(named, builtIn, disk)];
}

/** Where the types of components may be named. */
async function textsOf({ files, env }: AgentSources, disk: Files): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => disk.readText(file).catch(() => null)));
  return [...texts, ...Object.values(env)].filter((text) => typeof text === 'string');
}

async function pluginsOf(
  named: NamedPlugins,
  builtIn: readonly AnyFactory[],
  disk: Files,
): Promise<readonly AnyFactory[]> {
  if (named.plugins.length === 0) return [];
  const { loadPlugins } = await import('./plugins/plugins.ts');
  return loadPlugins(named, builtIn, disk);
}

/** Throws OperatorError when something outside must be mended first. */
export async function startAgent(options: AgentOptions): Promise<Running> {
  const first = await readAgentConfig(options);
  const { config } = first;
  const world = createWorld();
  const log = createProcessLog('agent', config.telemetry.logs);
  for (const warning of first.warnings) log.warn(describeProblem(warning));
  const counters = createCounters();
  countProcess(counters, world, options.version);
  const data = await openDataFolder(config.data_dir, world);
  let metrics: TextServer | null = null;
  try {
    const graph = createGraph({ config, factories: first.factories, world, log, counters,
      folder: data.path, agentId: data.agentId });
    metrics = await startMetrics(config, counters);
    await graph.start();
    const reloading = startReloading({ graph, first, world, log, counters,
      read: () => readAgentConfig(options) });
    const heap = keepHeap(world.clock);
    log.info('the agent has started', { version: options.version, agent: data.agentId });
    return running(graph, metrics, reloading, () => {
      heap.cancel();
      data.release();
    });
  } catch (error) {
    await metrics?.stop();
    data.release();
    throw error;
  }
}

/** What a start takes is no sign of load, so the heap is tended after it. Until cancelled. */
function keepHeap(clock: Clock): Timer {
  let timer = clock.after(START_MS, () => {
    forgetStart();
    timer = tendHeap(clock);
  });
  return { cancel: () => timer.cancel() };
}

function running(
  graph: Graph,
  metrics: TextServer | null,
  reloading: Reloading,
  release: () => void,
): Running {
  const addresses = { ...graph.addresses() };
  if (metrics !== null) addresses['Agent metrics'] = metricsUrl(metrics);
  return {
    // Every failure of a component at work is an outcome; only a reload can end the agent.
    failed: reloading.failed,
    addresses,
    reload: () => void reloading.reload(),
    stop: async (deadline) => {
      reloading.stop();
      await graph.stop(deadline);
      await metrics?.stop();
      release();
    },
  };
}

const metricsUrl = ({ endpoint }: TextServer): string =>
  `http://${formatEndpoint(endpoint)}${METRICS_PATH}`;

const METRICS_PATH = '/metrics';

async function startMetrics(config: AgentConfig, counters: Counters): Promise<TextServer | null> {
  const { address, level } = config.telemetry.metrics;
  if (address === null || level === 'none') return null;
  return startTextServer({
    endpoint: address,
    setting: 'service.telemetry.metrics.address',
    answer: (path) => (path === METRICS_PATH
      ? { status: 200, contentType: EXPOSITION_TYPE, body: counters.exposition() }
      : null),
  });
}

const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What the Collector tells about its own process, by its names. */
function countProcess(counters: Counters, { clock }: World, version: string): void {
  const startedMs = clock.monotonicMs();
  counters.gauge('otelcol_process_memory_rss', 'Resident memory in bytes.', () =>
    process.memoryUsage.rss());
  counters.gauge('otelcol_process_runtime_heap_alloc_bytes', 'Bytes of objects on the heap.', () =>
    process.memoryUsage().heapUsed);
  counters.counterFrom('otelcol_process_cpu_seconds_total', 'CPU seconds, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  counters.counterFrom('otelcol_process_uptime_seconds_total', 'Seconds since the start.', () =>
    (clock.monotonicMs() - startedMs) / 1000);
  counters.gauge('binnacle_agent_info', 'Always 1; the label says which version runs.', () => 1,
    { version });
}
