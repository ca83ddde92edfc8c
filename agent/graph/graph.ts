// Joins the components of a configuration to pipelines, starts and stops them in an order in which
// no data is lost, and changes them while they run.
//
//     receiver ─> route by signal ─┬─> [processor ─> …] ─> fan-out ─┬─> exporter
//                                  │                                └─> connector ─> route ─> …
//                                  └─> [processor ─> …] ─> fan-out ─┴─> exporter
//
// - Receivers, connectors and exporters exist once for each id, whichever pipelines name them. A
//   processor exists once for each pipeline that names it.
// - A batch that goes to several pipelines or exporters is answered with the worst of their
//   verdicts. What is retryable anywhere comes again; when it is the same Batch object, as from a
//   receiver that reads files, those that had given their final verdict are passed over. A client
//   that sends its request again, and a processor that makes new batches, bring another object:
//   all get it, those that had accepted it twice. Batches are immutable and are not copied.
// - Start: extensions, exporters, processors and connectors from last to first, receivers. Stop:
//   the other way round. So each has its consumer while it works.
// - When one cannot start, those that did are stopped.
// - A reload restarts what differs and what uses a changed extension; all others keep running, with
//   their sockets, files, queues and what they hold. Before a part is stopped, all that hand to it
//   wait, then it hands on what it holds; they go on when the new parts have started. When one of
//   these cannot start, the parts of before are built and started again.

import { setMaxListeners } from 'node:events';
import type { AnyFactory, GraphView, Host } from '../../proto/contract/component.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage, OperatorError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import { joinParts } from './joining.ts';
import { createLayout, type GraphConfig, type Layout, type Spec } from './layout.ts';
import { buildPart, startPart, stopPart, type Part } from './parts.ts';
import { compareLayouts, type Change } from './change.ts';

export interface GraphOptions {
  readonly config: GraphConfig;
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
  /**
   * Changes to another configuration; resolves with what was changed. When that fails and the
   * graph is as before it throws what the component that could not start threw; when it cannot be
   * made as before, BrokenGraph. Not before start, and one at a time.
   */
  reload(config: GraphConfig, factories: readonly AnyFactory[]): Promise<Change>;
  /** True while all components run. */
  ready(): boolean;
  /** Where the components listen, by protocol. */
  addresses(): Readonly<Record<string, string>>;
}

/** A reload that failed, and whose undoing failed: the process should be started anew. */
export class BrokenGraph extends OperatorError {}

export const limits = {
  /** Time for the parts that a reload stops to hand on what they hold. */
  reloadStopMs: 5000,
  /** Time for calls that are inside a stopped part to come out of it. */
  callsMs: 1000,
  callsPollMs: 5,
} as const;

interface State {
  readonly layout: Layout;
  readonly parts: ReadonlyMap<string, Part>;
}

export function createGraph(options: GraphOptions): Graph {
  return new Running(options);
}

class Running implements Graph {
  readonly #options: GraphOptions;
  readonly #started = new Set<Part>();
  readonly #stop = new AbortController();
  #state: State;
  #ready = false;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: GraphOptions) {
    this.#options = options;
    this.#state = this.#build(createLayout(options.config, options.factories), new Map());
    joinParts(this.#state.layout, this.#state.parts);
  }

  async start(): Promise<void> {
    try {
      await this.#startParts(this.#state, new Set(this.#state.parts.keys()));
    } catch (error) {
      await this.#stopAll(AbortSignal.abort());
      throw error;
    }
    this.#ready = !this.#stop.signal.aborted;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#ready = false;
    this.#stop.abort();
    await this.#changing;
    await this.#stopAll(deadline);
  }

  reload(config: GraphConfig, factories: readonly AnyFactory[]): Promise<Change> {
    const change = this.#change(createLayout(config, factories));
    this.#changing = change.catch(() => {});
    return change;
  }

  ready(): boolean {
    return this.#ready;
  }

  addresses(): Readonly<Record<string, string>> {
    const parts = [...this.#state.parts.values()];
    return Object.assign({}, ...parts.map(({ component }) => component.addresses?.()));
  }

  async #change(layout: Layout): Promise<Change> {
    const before = this.#state;
    const change = compareLayouts(before.layout, layout);
    const kept = new Map([...before.parts].filter(([key]) => change.kept.has(key)));
    // Built before anything is stopped: a component that cannot be built disturbs nobody.
    const after = this.#build(layout, kept);
    const fresh = keysWithout(after.parts, kept);
    await this.#stopBefore(before, kept);
    try {
      await this.#startParts(after, fresh);
      this.#state = after;
    } catch (error) {
      await this.#undo(before, after, kept, error);
      throw error;
    } finally {
      for (const part of kept.values()) outletsOf(part).forEach((one) => one.open());
    }
    return change;
  }

  /** Front to back: whoever hands to a part is closed before it, and has nothing in it after. */
  async #stopBefore({ layout, parts }: State, kept: ReadonlyMap<string, Part>): Promise<void> {
    const stopped = keysWithout(parts, kept);
    const deadline = new AbortController();
    const timer = this.#options.world.clock.after(limits.reloadStopMs, () => deadline.abort());
    const hurry = () => deadline.abort();
    this.#stop.signal.addEventListener('abort', hurry, { once: true });
    for (const stage of layout.stages) {
      await Promise.all(stage.map(async (list) => {
        for (const key of list.filter((one) => stopped.has(one))) {
          for (const part of kept.values()) closeTowards(key, part);
          await this.#stopOne(parts.get(key)!, deadline.signal);
          await this.#callsDone(parts.get(key)!, deadline.signal);
        }
      }));
    }
    timer.cancel();
    this.#stop.signal.removeEventListener('abort', hurry);
  }

  async #callsDone(part: Part, deadline: AbortSignal): Promise<void> {
    const { clock } = this.#options.world;
    const startMs = clock.monotonicMs();
    while (part.calls() > 0 && !deadline.aborted
      && clock.monotonicMs() - startMs < limits.callsMs) await clock.sleep(limits.callsPollMs);
  }

  async #undo(
    before: State,
    failed: State,
    kept: ReadonlyMap<string, Part>,
    cause: unknown,
  ): Promise<void> {
    const over = AbortSignal.abort();
    const fresh = keysWithout(failed.parts, kept);
    for (const stage of failed.layout.stages) {
      await Promise.all(stage.flat().filter((key) => fresh.has(key))
        .map((key) => this.#stopOne(failed.parts.get(key)!, over)));
    }
    const again = this.#build(before.layout, kept);
    this.#state = again;
    try {
      await this.#startParts(again, keysWithout(again.parts, kept));
    } catch (error) {
      throw new BrokenGraph(`${errorMessage(cause)}; and what ran before cannot start again: `
        + errorMessage(error), 'mend the configuration and start the agent');
    }
  }

  /** Builds what `kept` does not have. */
  #build(layout: Layout, kept: ReadonlyMap<string, Part>): State {
    const parts = new Map(kept);
    const host: Host = {
      ready: () => this.#ready,
      view: () => viewOf(this.#state),
      tap: (key, see) => this.#state.parts.get(key)?.tap(see) ?? null,
    };
    const build = (spec: Spec) => {
      if (parts.has(spec.key)) return;
      parts.set(spec.key, buildPart(spec, { ...this.#options, host, parts, layout }));
    };
    const specs = [...layout.specs.values()];
    for (const spec of specs.filter(({ kind }) => kind === 'extension')) build(spec);
    for (const spec of specs) build(spec);
    return { layout, parts };
  }

  /** Starts those of `keys`, back to front; the others hand to them when the receivers start. */
  async #startParts({ layout, parts }: State, keys: ReadonlySet<string>): Promise<void> {
    joinParts(layout, parts, keys);
    for (const stage of [...layout.stages].reverse()) {
      if (stage === layout.stages[0]) joinParts(layout, parts);
      for (const key of stage.flatMap((list) => [...list].reverse())) {
        if (!keys.has(key)) continue;
        if (this.#stop.signal.aborted) return;
        // Also the one that fails may have something to stop.
        this.#started.add(parts.get(key)!);
        await startPart(parts.get(key)!, this.#options.world);
      }
    }
  }

  async #stopAll(deadline: AbortSignal): Promise<void> {
    const { layout, parts } = this.#state;
    for (const stage of layout.stages) {
      await Promise.all(stage.map(async (list) => {
        for (const key of list) await this.#stopOne(parts.get(key)!, deadline);
      }));
    }
  }

  async #stopOne(part: Part, deadline: AbortSignal): Promise<void> {
    if (!this.#started.has(part)) return part.release();
    // Parts stop side by side, and each listens to it.
    setMaxListeners(0, deadline);
    await stopPart(part, deadline, this.#options);
  }
}

const keysWithout = (parts: ReadonlyMap<string, Part>, kept: ReadonlyMap<string, Part>) =>
  new Set([...parts.keys()].filter((key) => !kept.has(key)));

function viewOf({ layout, parts }: State): GraphView {
  return {
    pipelines: layout.config.pipelines,
    parts: [...parts.values()].map(({ spec: { key, kind, id, factory, pipeline }, ...part }) => {
      const problem = part.problem();
      return {
        key, kind, id, type: factory.type, calls: part.calls(),
        addresses: part.component.addresses?.() ?? {},
        ...(pipeline === undefined ? {} : { pipeline: pipeline.id }),
        ...(problem === undefined ? {} : { problem }),
      };
    }),
  };
}

const outletsOf = ({ outlet, entries }: Part) =>
  [...(outlet === null ? [] : [outlet]), ...entries.values()];

function closeTowards(key: string, part: Part): void {
  for (const outlet of outletsOf(part)) if (outlet.leads.has(key)) outlet.close();
}
