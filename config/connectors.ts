// What must hold of connectors, which no single pipeline can tell: each that ends a pipeline begins
// one that takes what it gives, and the other way round; pipelines that it chooses among are its
// own; no id names both a connector and a receiver or exporter; and data never goes in a circle.

import type { ComponentSchema, Section, SignalName } from './components.ts';
import { SIGNAL_NAMES } from './components.ts';
import { knownHint, type ConfigProblem } from './errors.ts';
import { problemAt, valueAt } from './parse.ts';
import type { Context, PipelineConfig } from './pipelines.ts';

type Side = 'receivers' | 'exporters';

/** The signals that a connector gives for one that it takes. */
export const givenBy = (schema: ComponentSchema, signal: SignalName): readonly SignalName[] => {
  if (!schema.signals.includes(signal)) return [];
  return schema.gives?.(signal) ?? [signal];
};

/** What is wrong with a connector in a list of a pipeline of `signal`, or null. */
export function connectorFits(
  schema: ComponentSchema,
  id: string,
  side: Side,
  signal: SignalName,
): { readonly why: string; readonly hint: string } | null {
  if (side === 'exporters') {
    if (schema.signals.includes(signal)) return null;
    const why = `the connector "${id}" cannot end a pipeline of ${signal}`;
    return { why, hint: `it takes ${schema.signals.join(', ') || 'no signal'}` };
  }
  const given = SIGNAL_NAMES.filter((one) =>
    SIGNAL_NAMES.some((taken) => givenBy(schema, taken).includes(one)));
  if (given.includes(signal)) return null;
  const why = `the connector "${id}" cannot begin a pipeline of ${signal}`;
  return { why, hint: `it gives ${given.join(', ') || 'no signal'}` };
}

export function checkConnectors(
  pipelines: readonly PipelineConfig[],
  context: Context,
): ConfigProblem[] {
  const connectors = context.sections.find(({ name }) => name === 'connectors')!;
  const ids = context.tree.keysAt(['connectors']).filter((id) => connectors.find(id) === id);
  const known = ids.flatMap((id) => {
    const schema = connectors.schemaOf(id);
    return schema === null ? [] : [{ id, schema }];
  });
  const problems = [
    ...ids.flatMap((id) => ambiguous(id, context)),
    ...known.flatMap((one) => halfJoined(one, pipelines, connectors, context)),
    ...known.flatMap((one) => wrongChoices(one, pipelines, connectors, context)),
  ];
  return problems.length > 0 ? problems : circles(known, pipelines, context);
}

interface Known {
  readonly id: string;
  readonly schema: ComponentSchema;
}

function ambiguous(id: string, { tree, sections }: Context): ConfigProblem[] {
  return sections.filter(({ name }) => name === 'receivers' || name === 'exporters')
    .filter((section) => section.find(id) !== null)
    .map(({ name }) => problemAt(tree, ['connectors', id], {
      why: `has the id of one of the ${name}`,
      hint: 'give one of them another name: type/name',
      part: 'key',
    }));
}

/** Where it is listed on one side and what goes through has no way on, or comes from nowhere. */
function halfJoined(
  { id, schema }: Known,
  pipelines: readonly PipelineConfig[],
  section: Section,
  context: Context,
): ConfigProblem[] {
  const ends = pipelines.filter(({ exporters }) => exporters.includes(id));
  const begins = pipelines.filter(({ receivers }) => receivers.includes(id));
  const joined = (front: PipelineConfig, behind: PipelineConfig) =>
    givenBy(schema, front.signal).includes(behind.signal);
  const report = (pipeline: PipelineConfig, side: Side, why: string, hint: string) => {
    const path = ['service', 'pipelines', pipeline.id, side];
    const list = valueAt(context.tree.value, path) as string[];
    const index = list.findIndex((text) => section.find(text) === id);
    return problemAt(context.tree, [...path, index], { why, hint });
  };
  const openEnds = ends.filter((front) => !begins.some((behind) => joined(front, behind)));
  const openBegins = begins.filter((behind) => !ends.some((front) => joined(front, behind)));
  return [
    ...openEnds.map((front) => {
      const given = givenBy(schema, front.signal).join(' or ');
      return report(front, 'exporters', `the connector "${id}" begins no pipeline of ${given}`,
        `list it among the receivers of a pipeline of ${given}`);
    }),
    ...openBegins.map((behind) => {
      const taken = SIGNAL_NAMES.filter((one) => givenBy(schema, one).includes(behind.signal))
        .join(' or ');
      return report(behind, 'receivers', `the connector "${id}" ends no pipeline of ${taken}`,
        `list it among the exporters of a pipeline of ${taken}`);
    }),
  ];
}

function wrongChoices(
  { id, schema }: Known,
  pipelines: readonly PipelineConfig[],
  section: Section,
  { tree }: Context,
): ConfigProblem[] {
  const defined = section.components.get(id);
  const begun = pipelines.filter(({ receivers }) => receivers.includes(id)).map((one) => one.id);
  const used = pipelines.some(({ exporters }) => exporters.includes(id)) || begun.length > 0;
  if (defined === undefined || schema.chooses === undefined || !used) return [];
  return schema.chooses(defined.config).filter((chosen) => !begun.includes(chosen.id))
    .map((chosen) => {
      const there = pipelines.some((one) => one.id === chosen.id);
      const why = there ? `the pipeline "${chosen.id}" does not have "${id}" as a receiver`
        : `there is no pipeline "${chosen.id}"`;
      const hint = there ? `list "${id}" among its receivers` : begun.length === 0
        ? 'define it in service.pipelines' : knownHint(chosen.id, begun, 'defined');
      return problemAt(tree, ['connectors', id, ...chosen.path], { why, hint });
    });
}

/** Each circle is told once, at the pipeline of it that stands first. */
function circles(
  known: readonly Known[],
  pipelines: readonly PipelineConfig[],
  { tree }: Context,
): ConfigProblem[] {
  const told = new Set<string>();
  return pipelines.flatMap((start) => {
    const way = wayBack(start, pipelines, known);
    if (way === null || way.pipelines.some((id) => told.has(id))) return [];
    for (const id of way.pipelines) told.add(id);
    return [problemAt(tree, ['service', 'pipelines', start.id], {
      why: `data would go in a circle: ${way.text}`,
      hint: 'let one of these connectors begin another pipeline',
      part: 'key',
    })];
  });
}

interface Way {
  readonly pipelines: readonly string[];
  /** `logs/a → forward → logs/b → forward/2 → logs/a`. */
  readonly text: string;
}

/** The shortest way from a pipeline through connectors back to itself. */
function wayBack(
  start: PipelineConfig,
  pipelines: readonly PipelineConfig[],
  known: readonly Known[],
): Way | null {
  const seen = new Set<string>();
  const open: { at: PipelineConfig; way: Way }[] =
    [{ at: start, way: { pipelines: [start.id], text: start.id } }];
  for (let one = open.shift(); one !== undefined; one = open.shift()) {
    const { at, way } = one;
    for (const { id, schema } of known.filter((each) => at.exporters.includes(each.id))) {
      const given = givenBy(schema, at.signal);
      for (const next of pipelines) {
        if (!next.receivers.includes(id) || !given.includes(next.signal)) continue;
        const text = `${way.text} → ${id} → ${next.id}`;
        if (next === start) return { pipelines: way.pipelines, text };
        if (seen.has(next.id)) continue;
        seen.add(next.id);
        open.push({ at: next, way: { pipelines: [...way.pipelines, next.id], text } });
      }
    }
  }
  return null;
}
