// The component sections of an agent file: ids, types in either spelling, and their settings.
//
// An id is `type` or `type/name`. A type has one canonical spelling (`file_log`) and may have older
// ones that the Collector accepts (`filelog`); `filelog/x` and `file_log/x` are the same component.

import * as z from 'zod';
import { closestWord, knownHint, type ConfigPath, type ConfigProblem } from './errors.ts';
import { parseWith, problemAt, valueAt } from './parse.ts';
import type { ConfigTree } from './tree.ts';

export const SIGNAL_NAMES = ['traces', 'metrics', 'logs'] as const;
export type SignalName = (typeof SIGNAL_NAMES)[number];

/** What the configuration must know of a component type; every component's factory is one. */
export interface ComponentSchema {
  readonly kind: string;
  /** The canonical spelling. */
  readonly type: string;
  readonly aliases?: readonly string[] | undefined;
  /** For a connector those that it takes. */
  readonly signals: readonly SignalName[];
  /** For a connector: the signals that it gives for one that it takes; absent: the same. */
  readonly gives?: ((signal: SignalName) => readonly SignalName[]) | undefined;
  /** May be made anew whenever it is asked for, and is of use only while a file is read. */
  readonly schema: z.ZodType;
  /** The extensions that a parsed configuration names, and where in it; they must run. */
  readonly uses?: ((config: any) => readonly {
    readonly path: ConfigPath;
    readonly id: string;
    /** Null: of any type. */
    readonly type: string | null;
  }[]) | undefined;
  /** For a connector: the pipelines that a parsed configuration names; it must begin them. */
  readonly chooses?: ((config: any) => readonly {
    readonly path: ConfigPath;
    readonly id: string;
  }[]) | undefined;
}

/** The same, each with a schema that is made at most once: for whoever asks again and again. */
export function keepSchemas(known: readonly ComponentSchema[]): ComponentSchema[] {
  return known.map((one) => {
    const { kind, type, aliases, signals, gives, uses, chooses } = one;
    let made: z.ZodType | undefined;
    return {
      kind, type, aliases, signals, gives, uses, chooses,
      get schema() {
        return (made ??= one.schema);
      },
    };
  });
}

/** The sections of the file and the kind of component that stands in each. */
export const SECTIONS = {
  receivers: 'receiver',
  processors: 'processor',
  exporters: 'exporter',
  connectors: 'connector',
  extensions: 'extension',
} as const;
export type SectionName = keyof typeof SECTIONS;

export interface ComponentConfig {
  /** As the person wrote it. */
  readonly id: string;
  /** Canonical. */
  readonly type: string;
  /** What the schema of the type made of the settings. */
  readonly config: unknown;
  /** The settings as they were written, variables filled in, without defaults. */
  readonly written?: unknown;
}

export interface Section {
  readonly name: SectionName;
  readonly components: ReadonlyMap<string, ComponentConfig>;
  /** The id of a defined component, whichever spelling `id` has; null when there is none. */
  find(id: string): string | null;
  /** The schema of a defined component, or null when its type is unknown. */
  schemaOf(id: string): ComponentSchema | null;
  readonly problems: readonly ConfigProblem[];
}

/** Reads one section. Components that are wrong are named in `problems`, but can be found. */
export function readSection(
  name: SectionName,
  tree: ConfigTree,
  known: readonly ComponentSchema[],
): Section {
  const components = new Map<string, ComponentConfig>();
  const ids = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  const key = (id: string) => canonicalId(name, id, known);
  for (const id of tree.keysAt([name])) {
    const report = (why: string, hint: string) =>
      void problems.push(problemAt(tree, [name, id], { why, hint, part: 'key' }));
    const earlier = ids.get(key(id));
    if (earlier !== undefined) {
      report(`is the same component as "${earlier}"`, 'give one of them another name: type/name');
      continue;
    }
    ids.set(key(id), id);
    const component = findSchema(name, id, known);
    if (!ID.test(id)) report('is not a name that a component may have', 'write type or type/name');
    else if (component === null) report(...unknownType(name, id, known));
    if (component === null) continue;
    const parsed = parseWith(orEmpty(component.schema), tree, [name, id]);
    const written = valueAt(tree.value, [name, id]);
    if (parsed.ok) components.set(id, { id, type: component.type, config: parsed.value, written });
    else problems.push(...parsed.problems);
  }
  return {
    name, components, problems,
    find: (id) => ids.get(key(id)) ?? null,
    schemaOf: (id) => findSchema(name, id, known),
  };
}

/** The component type that an id of a section names, in either spelling. */
export function findSchema(
  section: SectionName,
  id: string,
  known: readonly ComponentSchema[],
): ComponentSchema | null {
  const [type] = splitId(id);
  const candidates = known.filter(({ kind }) => kind === SECTIONS[section]);
  return candidates.find((one) => one.type === type)
    ?? candidates.find((one) => one.aliases?.includes(type) === true)
    ?? null;
}

/** A name that may stand behind the slash; the Collector's rule, without slashes. */
export const NAME = /^[^\p{Z}\p{C}\p{S}/\\]{1,256}$/u;
const ID = new RegExp(`^[a-zA-Z][0-9a-zA-Z_]{0,62}(/${NAME.source.slice(1, -1)})?$`, 'u');

function canonicalId(
  section: SectionName,
  id: string,
  known: readonly ComponentSchema[],
): string {
  const [type, name] = splitId(id);
  const canonical = findSchema(section, id, known)?.type ?? type;
  return name === undefined ? canonical : `${canonical}/${name}`;
}

function splitId(id: string): [string, string | undefined] {
  const slash = id.indexOf('/');
  return slash === -1 ? [id, undefined] : [id.slice(0, slash), id.slice(slash + 1)];
}

function unknownType(
  section: SectionName,
  id: string,
  known: readonly ComponentSchema[],
): [string, string] {
  const [type] = splitId(id);
  const kind = SECTIONS[section];
  const why = `unknown ${kind} type "${type}"`;
  const elsewhere = known.find((one) => one.type === type || one.aliases?.includes(type) === true);
  const types = known.filter((one) => one.kind === kind).map((one) => one.type);
  if (types.length === 0) return [why, `this version has no ${section}`];
  if (elsewhere !== undefined) {
    return [why, `it is a ${elsewhere.kind}. Known: ${[...types].sort().join(', ')}`];
  }
  // An old spelling may be the nearest one, but the new one is what to write.
  const spellings = known.filter((one) => one.kind === kind)
    .flatMap((one) => [one.type, ...(one.aliases ?? [])]);
  const closest = closestWord(type, spellings);
  const meant = closest === null ? null : findSchema(section, closest, known);
  return [why, knownHint(meant?.type ?? type, types)];
}

/** `batch:` with nothing behind it is a component with its defaults. */
function orEmpty(schema: z.ZodType): z.ZodType {
  return z.preprocess((value) => value ?? {}, schema);
}
