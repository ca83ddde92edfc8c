// Lets each outlet of a graph lead to the parts that stand behind it. An outlet whose way is the
// same as before is left alone, so that its fan-out remembers who has given a final verdict.

import type { SignalName } from '../../config/components.ts';
import type { PipelineConfig } from '../../config/pipelines.ts';
import type { Consumer } from '../../proto/contract/component.ts';
import { keyOf, type Layout, type Spec } from './layout.ts';
import type { Part } from './parts.ts';
import { acceptAll, createRouter, fanOut, refuseFor, type Outlet } from './wiring.ts';

/** Joins those of `keys`. */
export function joinParts(
  layout: Layout,
  parts: ReadonlyMap<string, Part>,
  keys: Iterable<string> = parts.keys(),
): void {
  for (const key of keys) {
    const { spec, outlet, entries } = parts.get(key)!;
    for (const [id, entry] of entries) {
      const pipeline = spec.begins.find((one) => one.id === id)!;
      lead(entry, [wayInto(pipeline, layout)], parts, (ways) => ways[0]!);
    }
    if (outlet === null) continue;
    if (spec.kind === 'processor') {
      lead(outlet, [wayBehind(spec, layout)], parts, (ways) => ways[0]!);
    } else {
      const ways = begunBy(spec, layout).map((one) => wayInto(one, layout));
      lead(outlet, ways, parts, (consumers) => createRouter(
        ways.map(({ signal }, at) => ({ signal, entry: consumers[at]! })),
        spec.kind === 'connector' ? acceptAll : refuseFor(spec.id),
      ));
    }
  }
}

interface Way {
  readonly signal: SignalName;
  /** The parts that a batch goes to, all at the same time. */
  readonly keys: readonly string[];
}

function lead(
  outlet: Outlet,
  ways: readonly Way[],
  parts: ReadonlyMap<string, Part>,
  join: (consumers: readonly Consumer[]) => Consumer,
): void {
  const name = JSON.stringify(ways);
  const behind = ways.flatMap(({ keys }) => keys.map((key) => parts.get(key)!));
  if (outlet.leadsTo(name, behind)) return;
  outlet.lead(name, behind, join(ways.map(({ keys }) =>
    fanOut(keys.map((key) => parts.get(key)!.inlet!)))));
}

/** As the layout has them now: a part that is kept was built with those of before. */
const begunBy = ({ key }: Spec, { specs }: Layout): readonly PipelineConfig[] =>
  specs.get(key)?.begins ?? [];

function wayInto(pipeline: PipelineConfig, layout: Layout): Way {
  const { id, signal, processors: [first] } = pipeline;
  if (first === undefined) return wayOut(pipeline, layout);
  return { signal, keys: [keyOf('processor', first, id)] };
}

function wayBehind({ id, pipeline }: Spec, layout: Layout): Way {
  const now = layout.config.pipelines.find((one) => one.id === pipeline!.id)!;
  const next = now.processors[now.processors.indexOf(id) + 1];
  if (next === undefined) return wayOut(now, layout);
  return { signal: now.signal, keys: [keyOf('processor', next, now.id)] };
}

const wayOut = ({ signal, exporters }: PipelineConfig, { config }: Layout): Way => ({
  signal,
  keys: exporters.map((id) => keyOf(config.connectors.has(id) ? 'connector' : 'exporter', id)),
});
