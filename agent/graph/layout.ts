// What a configuration asks for, before anything is built: which parts there are, where each hands
// on, and in which order they start and stop. Pure.
//
// Pipelines have levels: 0 when only receivers begin them, else one more than the highest of those
// that end in a connector which begins them. Data passes receivers, then level by level processors
// and connectors, then exporters.

import assert from 'node:assert/strict';
import type { ComponentConfig } from '../../config/components.ts';
import type { AgentConfig, PipelineConfig } from '../../config/pipelines.ts';
import type { AnyFactory, ComponentKind } from '../../proto/contract/component.ts';

export type GraphConfig = Pick<AgentConfig, 'receivers' | 'processors' | 'exporters' | 'connectors'
  | 'extensions' | 'pipelines'>;

/** One part of a graph: a component at its place. */
export interface Spec {
  /** Names it over reloads: `processor batch logs/x`. */
  readonly key: string;
  readonly kind: ComponentKind;
  readonly id: string;
  readonly defined: ComponentConfig;
  readonly factory: AnyFactory;
  /** Of a processor: the pipeline in which it stands. */
  readonly pipeline?: PipelineConfig;
  /** Those that it begins, of a receiver or connector. */
  readonly begins: readonly PipelineConfig[];
}

/** Lists of keys: those of one list stop one after the other, the lists at the same time. */
export type Stage = readonly (readonly string[])[];

export interface Layout {
  readonly config: GraphConfig;
  readonly specs: ReadonlyMap<string, Spec>;
  /** In the order in which they stop, which is that in which data passes; last, extensions. */
  readonly stages: readonly Stage[];
}

export const keyOf = (kind: ComponentKind, id: string, pipelineId?: string): string =>
  (pipelineId === undefined ? `${kind} ${id}` : `${kind} ${id} ${pipelineId}`);

/** The key of the extension that `id` means, in whichever spelling of its type. */
export function extensionKey(id: string, { specs }: Pick<Layout, 'specs'>): string | null {
  const exact = keyOf('extension', id);
  if (specs.has(exact)) return exact;
  const [type = '', ...name] = id.split('/');
  for (const { key, kind, factory, id: other } of specs.values()) {
    if (kind !== 'extension' || other.split('/').slice(1).join('/') !== name.join('/')) continue;
    if ([factory.type, ...factory.aliases ?? []].includes(type)) return key;
  }
  return null;
}

export function createLayout(config: GraphConfig, factories: readonly AnyFactory[]): Layout {
  const { pipelines } = config;
  const specs = new Map<string, Spec>();
  const add = (kind: ComponentKind, id: string, more: Partial<Spec> = {}): string => {
    const key = keyOf(kind, id, more.pipeline?.id);
    const defined = config[`${kind}s`].get(id);
    assert(defined !== undefined, `${kind} ${id} is not defined`);
    const factory = factories.find((one) => one.kind === kind && one.type === defined.type);
    assert(factory !== undefined, `there is no ${kind} of type ${defined.type}`);
    specs.set(key, { key, kind, id, defined, factory, begins: [], ...more });
    return key;
  };
  const addEach = (kind: 'receiver' | 'exporter' | 'connector', ids: readonly string[]): Stage =>
    ids.map((id) => [add(kind, id, { begins: begunBy(id, pipelines) })]);

  const isConnector = (id: string) => config.connectors.has(id);
  const extensions = [...config.extensions.keys()].map((id) => [add('extension', id)]);
  const exporters = addEach('exporter', idsIn(pipelines, 'exporters')
    .filter((id) => !isConnector(id)));
  const levels = levelsOf(config);
  const between = levels.flatMap((level, at): Stage[] => {
    const later = idsIn(levels.slice(at + 1).flat(), 'exporters');
    const ended = idsIn(level, 'exporters').filter((id) => isConnector(id) && !later.includes(id));
    return [
      level.map((pipeline) => pipeline.processors.map((id) => add('processor', id, { pipeline }))),
      addEach('connector', ended),
    ];
  });
  const receivers = addEach('receiver', idsIn(pipelines, 'receivers')
    .filter((id) => !isConnector(id)));
  return { config, specs, stages: [receivers, ...between, exporters, extensions] };
}

const begunBy = (id: string, pipelines: readonly PipelineConfig[]) =>
  pipelines.filter(({ receivers }) => receivers.includes(id));

const idsIn = (pipelines: readonly PipelineConfig[], section: 'receivers' | 'exporters') =>
  [...new Set(pipelines.flatMap((pipeline) => pipeline[section]))];

/** Pipelines by level; the configuration has been found free of circles. */
function levelsOf({ pipelines, connectors }: GraphConfig): PipelineConfig[][] {
  const levels = new Map<PipelineConfig, number>();
  const levelOf = (pipeline: PipelineConfig): number => {
    const known = levels.get(pipeline);
    if (known !== undefined) return known;
    const fronts = pipelines.filter(({ exporters }) =>
      exporters.some((id) => connectors.has(id) && pipeline.receivers.includes(id)));
    const level = Math.max(-1, ...fronts.map(levelOf)) + 1;
    levels.set(pipeline, level);
    return level;
  };
  const count = Math.max(-1, ...pipelines.map(levelOf)) + 1;
  return Array.from({ length: count }, (_, level) =>
    pipelines.filter((pipeline) => levels.get(pipeline) === level));
}
