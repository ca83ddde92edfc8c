// Reads the configuration again, on SIGHUP or when a file has changed, and changes the graph to it.
//
// Promises:
// - A configuration that is wrong changes nothing: the log says why, line by line.
// - When a component cannot start, what ran before runs again; see graph/graph.ts.
// - One reload at a time; however often it is asked for meanwhile, one more follows.
// - `binnacle_reload_total{result}` counts `changed`, `unchanged`, `refused` (the configuration is
//   wrong) and `undone` (it is right, but a component could not start).

import { isDeepStrictEqual } from 'node:util';
import { ConfigError, describeProblem } from '../config/errors.ts';
import type { AgentConfig, LoadedAgent } from '../config/pipelines.ts';
import type { AnyFactory } from '../proto/contract/component.ts';
import type { Timer } from '../runtime/clock.ts';
import type { Counters } from '../runtime/counters.ts';
import { OperatorError } from '../runtime/errors.ts';
import type { Files } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import type { World } from '../runtime/world.ts';
import { BrokenGraph, type Graph } from './graph/graph.ts';
import { isNothing } from './graph/change.ts';

export interface ReadAgent extends LoadedAgent {
  readonly factories: readonly AnyFactory[];
  /** All files that it was read from, and how they were before that. */
  readonly files: readonly string[];
  readonly state: string;
}

export interface ReloadingOptions {
  readonly graph: Pick<Graph, 'reload'>;
  /** What runs. */
  readonly first: ReadAgent;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  /** Throws ConfigError. */
  read(): Promise<ReadAgent>;
}

export interface Reloading {
  /** Resolves when the configuration of now, or a later one, is in force or refused. */
  reload(): Promise<void>;
  /** Rejects when the process cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** No file is looked at any more. */
  stop(): void;
}

const RESULTS = ['changed', 'unchanged', 'refused', 'undone'] as const;
type Result = typeof RESULTS[number];

export function startReloading(options: ReloadingOptions): Reloading {
  const { world, counters } = options;
  const counts = new Map(RESULTS.map((result) => [result, counters.counter(
    'binnacle_reload_total', 'Times that the configuration was read again.', { result })]));
  const failure = createFailure();
  let current = options.first;
  let stopped = false;
  const watch = createWatch(world, () => void reload());
  const readAndChange = async () => {
    // What changes while it is read is a change of its own.
    const state = await lookAt(current.files, world.files);
    let taken = false;
    const result = await change(options, current, (next) => {
      current = next;
      taken = true;
    }).catch((error: unknown) => {
      failure.fail(error);
      return 'undone' as const;
    });
    counts.get(result)!.add(1);
    if (!stopped) watch.follow(taken ? current : { ...current, state });
  };
  let running: Promise<void> | null = null;
  let following: Promise<void> | null = null;
  const reload = (): Promise<void> => {
    if (running === null) {
      running = readAndChange().finally(() => {
        running = null;
      });
      return running;
    }
    following ??= running.then(() => {
      following = null;
      return reload();
    });
    return following;
  };
  watch.follow(current);
  return {
    reload,
    failed: failure.promise,
    stop: () => {
      stopped = true;
      watch.stop();
    },
  };
}

/** A text that is another one when a file has changed. */
export async function lookAt(paths: readonly string[], files: Files): Promise<string> {
  return JSON.stringify(await Promise.all(paths.map(async (path) => {
    const stat = await files.stat(path).catch(() => null);
    return stat === null ? null : [stat.inode, stat.sizeBytes, stat.modifiedMs];
  })));
}

/** Throws when the process cannot go on. */
async function change(
  { read, graph, log }: ReloadingOptions,
  current: ReadAgent,
  taken: (next: ReadAgent) => void,
): Promise<Result> {
  let next: ReadAgent;
  try {
    next = await read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) log.error(describeProblem(problem));
    log.error('the configuration is not used: it has mistakes; what ran before goes on');
    return 'refused';
  }
  for (const warning of next.warnings) log.warn(describeProblem(warning));
  tellOfRestart(current.config, next.config, log);
  try {
    const done = await graph.reload(next.config, next.factories);
    taken(next);
    if (isNothing(done)) {
      log.info('the configuration was read again: nothing has changed for the pipelines');
      return 'unchanged';
    }
    const { added, changed, removed, pipelines, kept } = done;
    log.info('the configuration has changed',
      { added, changed, removed, pipelines, kept: kept.size });
    return 'changed';
  } catch (error) {
    if (error instanceof BrokenGraph || !(error instanceof OperatorError)) throw error;
    log.error(`the configuration is not used: ${error.message}; what ran before goes on`,
      { hint: error.hint });
    return 'undone';
  }
}

function tellOfRestart(before: AgentConfig, after: AgentConfig, log: Log): void {
  const names = [
    ...(before.data_dir === after.data_dir ? [] : ['data_dir']),
    ...(isDeepStrictEqual(before.telemetry, after.telemetry) ? [] : ['service.telemetry']),
  ];
  if (names.length === 0) return;
  log.warn(`${names.join(' and ')} changed, which needs a restart of the agent`);
}

function createFailure() {
  let fail: (error: unknown) => void = () => {};
  const promise = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever stops the agent meanwhile does not listen any more.
  promise.catch(() => {});
  return { promise, fail };
}

/** Calls `changed` when a file has changed and rested for an interval. */
function createWatch({ clock, files }: World, changed: () => void) {
  let timer: Timer | null = null;
  return {
    stop: () => {
      timer?.cancel();
      timer = null;
    },
    follow: ({ config: { reload }, files: paths, state: known }: ReadAgent) => {
      timer?.cancel();
      timer = null;
      if (!reload.on_change) return;
      let last = known;
      let looking = false;
      const mine = timer = clock.every(reload.check_interval, () => {
        if (looking) return;
        looking = true;
        void lookAt(paths, files).then((now) => {
          looking = false;
          const rested = now === last;
          last = now;
          if (!rested || now === known || timer !== mine) return;
          mine.cancel();
          changed();
        });
      });
    },
  };
}
