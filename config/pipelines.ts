// The configuration of an agent, shaped as the OpenTelemetry Collector's: components in sections,
// and `service`, which says which of them run and how data flows between them. `data_dir` is ours.
//
// What comes out names each component by the id under which it is defined, also where a pipeline
// spelt its type the other way, so that a plain look-up finds it.

import * as z from 'zod';
import { backendSchema } from './backend.ts';
import {
  findSchema, keepSchemas, NAME, readSection, SECTIONS, SIGNAL_NAMES,
  type ComponentConfig, type ComponentSchema, type Section, type SectionName, type SignalName,
} from './components.ts';
import { checkConnectors, connectorFits } from './connectors.ts';
import { pathOf, type KeysAt } from './environment.ts';
import { knownHint, type ConfigPath, type ConfigProblem } from './errors.ts';
import { loadTree, throwProblems, type Loaded, type LoadOptions } from './loader.ts';
import { parseWith, problemAt } from './parse.ts';
import { duration, section, strictObject } from './schema.ts';
import { knownKeys } from './shape.ts';
import { telemetry, type TelemetryConfig } from './telemetry.ts';
import type { ConfigTree } from './tree.ts';

export interface AgentConfig {
  readonly data_dir: string;
  /** Everything that is defined, by id; what no pipeline names is not to be built. */
  readonly receivers: ReadonlyMap<string, ComponentConfig>;
  readonly processors: ReadonlyMap<string, ComponentConfig>;
  readonly exporters: ReadonlyMap<string, ComponentConfig>;
  readonly connectors: ReadonlyMap<string, ComponentConfig>;
  /** Those that `service.extensions` names, in its order. */
  readonly extensions: ReadonlyMap<string, ComponentConfig>;
  readonly pipelines: readonly PipelineConfig[];
  readonly telemetry: TelemetryConfig;
  readonly reload: ReloadConfig;
}

/**
 * Each list holds ids of defined components that can take part in `signal`. Connectors stand among
 * the exporters of pipelines that they end, and among the receivers of those that they begin; no
 * receiver or exporter has the id of a connector.
 */
export interface PipelineConfig {
  /** `traces` or `traces/name`. */
  readonly id: string;
  readonly signal: SignalName;
  /** At least one. */
  readonly receivers: readonly string[];
  /** In the order in which data passes them. */
  readonly processors: readonly string[];
  /** At least one. */
  readonly exporters: readonly string[];
}

export interface LoadedAgent {
  readonly config: AgentConfig;
  readonly tree: ConfigTree;
  /** What can be ignored, but should be said once at the start. */
  readonly warnings: readonly ConfigProblem[];
}

const ids = (description: string) =>
  z.preprocess((value) => value ?? [], z.array(z.string()))
    .describe(description).prefault([]);
const someIds = (description: string) =>
  z.preprocess((value) => value ?? [],
    z.array(z.string()).min(1, 'must not be empty').describe(description));

const extensionIds = () => ids('Extensions that run.');

const pipelineSchema = () => strictObject({
  receivers: someIds('Where the data comes from.'),
  processors: ids('What is done with it, in this order.'),
  exporters: someIds('Where it goes; each gets everything.'),
});

const reloadSchema = () => section({
  on_change: z.boolean()
    .describe('Also when one of the files changes; SIGHUP always does.').default(false),
  check_interval: duration({ min: '100ms' })
    .describe('How often the files are looked at; a change counts when it has rested as long.')
    .prefault('5s'),
});

export type ReloadConfig = z.output<ReturnType<typeof reloadSchema>>;

/** The file without the settings of components, which each type knows for itself. */
export const agentSchema = () => section({
  data_dir: z.string().min(1).describe('Folder for everything that is kept.').default('./data'),
  plugins: z.preprocess((value) => value ?? [], z.array(z.string().min(1)))
    .describe('ES modules with further components, relative to this file.').prefault([]),
  receivers: definitions('Where data comes from.'),
  processors: definitions('What is done with data on its way.'),
  exporters: definitions('Where data goes.'),
  connectors: definitions('What joins pipelines.'),
  extensions: definitions('What runs beside the pipelines.'),
  service: section({
    extensions: extensionIds(),
    pipelines: z.preprocess((value) => value ?? {}, z.record(z.string(), pipelineSchema()))
      .describe('How data flows: traces, metrics, logs, each also as signal/name.').prefault({}),
    telemetry: telemetry().describe('What the agent tells about itself.'),
    reload: reloadSchema().describe('When the configuration is read again.'),
  }).describe('Which components run, and how data flows between them.'),
});

/**
 * Reads files and environment. `known` are the component types that there are. Throws ConfigError
 * with everything that is wrong.
 */
export async function loadAgentConfig(
  options: LoadOptions & { readonly components: readonly ComponentSchema[] },
): Promise<LoadedAgent> {
  const known = keepSchemas(options.components);
  const keysFor = (tree: ConfigTree) => agentKeys(tree, known);
  return readAgent(await loadTree(options, keysFor, isBackendVariable), known);
}

function readAgent(loaded: Loaded, known: readonly ComponentSchema[]): LoadedAgent {
  const { tree } = loaded;
  const top = parseWith(agentSchema(), tree);
  const sections = (Object.keys(SECTIONS) as SectionName[])
    .map((name) => readSection(name, tree, known));
  const context = { tree, sections };
  const pipelines = readPipelines(context);
  const extensions = readExtensions(context);
  throwProblems([
    ...loaded.problems,
    ...(top.ok ? [] : top.problems),
    ...sections.flatMap((one) => one.problems),
    ...pipelines.problems,
    ...extensions.problems,
    ...usedExtensions(extensions.value, context),
    ...checkConnectors(pipelines.value, context),
  ]);
  if (!top.ok) throw new TypeError('a failed parse without a problem');
  const config = assemble(top.value, sections, pipelines.value, extensions.value);
  return { config, tree, warnings: [...loaded.warnings, ...unusedComponents(config, context)] };
}

export interface Context {
  readonly tree: ConfigTree;
  readonly sections: readonly Section[];
}

interface Checked<T> {
  readonly value: T;
  readonly problems: readonly ConfigProblem[];
}

type WrittenPipeline = z.output<ReturnType<typeof pipelineSchema>>;

/**
 * Pipelines and the list of extensions are parsed one by one here, so that what is wrong in one
 * of them does not hide what is wrong in another; the schema of the file reports their form.
 */
function readPipelines(context: Context): Checked<PipelineConfig[]> {
  const path = ['service', 'pipelines'];
  const written = context.tree.keysAt(path);
  const results = written.flatMap((id) => {
    const parsed = parseWith(pipelineSchema(), context.tree, [...path, id]);
    return parsed.ok ? [readPipeline(id, parsed.value, context)] : [];
  });
  const problems = results.flatMap((one) => one.problems);
  if (written.length === 0) {
    problems.push(problemAt(context.tree, path, {
      why: 'there is no pipeline, so nothing would run',
      hint: 'add one: logs: { receivers: [...], exporters: [...] }',
    }));
  }
  return { value: results.map((one) => one.value), problems };
}

function readExtensions(context: Context): Checked<string[]> {
  const path = ['service', 'extensions'];
  const parsed = parseWith(extensionIds(), context.tree, path);
  if (!parsed.ok) return { value: [], problems: [] };
  return readIds('extensions', parsed.value, path, null, context);
}

/** Components may name an extension in their settings: it must run, and be of the right type. */
function usedExtensions(running: readonly string[], { tree, sections }: Context): ConfigProblem[] {
  const extensions = sections.find((one) => one.name === 'extensions')!;
  return sections.flatMap((section) => [...section.components].flatMap(([id, { config }]) =>
    (section.schemaOf(id)?.uses?.(config) ?? []).flatMap((used) => {
      const report = (why: string, hint: string) =>
        [problemAt(tree, [section.name, id, ...used.path], { why, hint })];
      const found = extensions.find(used.id);
      if (found === null) {
        return report(`the extension "${used.id}" is not defined`, 'define it below extensions:');
      }
      if (used.type !== null && extensions.schemaOf(found)?.type !== used.type) {
        return report(`the extension "${used.id}" is not of type ${used.type}`,
          `name an extension of type ${used.type}`);
      }
      if (running.includes(found)) return [];
      return report(`the extension "${used.id}" does not run`, 'list it in service.extensions');
    })));
}

function readPipeline(
  id: string,
  written: WrittenPipeline,
  context: Context,
): Checked<PipelineConfig> {
  const path = ['service', 'pipelines', id];
  const [word = '', ...name] = id.split('/');
  const signal = SIGNAL_NAMES.find((one) => one === word) ?? null;
  const problems: ConfigProblem[] = [];
  const report = (why: string, hint: string) =>
    void problems.push(problemAt(context.tree, path, { why, hint, part: 'key' }));
  if (signal === null) report(`unknown signal "${word}"`, knownHint(word, SIGNAL_NAMES));
  else if (name.length > 0 && !NAME.test(name.join('/'))) {
    report('is not a name that a pipeline may have', 'write signal or signal/name');
  }
  const read = (section: 'receivers' | 'processors' | 'exporters') => {
    const result = readIds(section, written[section], [...path, section], signal, context);
    problems.push(...result.problems);
    return result.value;
  };
  const value = {
    id, signal: signal ?? 'logs',
    receivers: read('receivers'), processors: read('processors'), exporters: read('exporters'),
  };
  return { value, problems };
}

/** Resolves a list of ids; `signal` is what their components must be able to carry. */
function readIds(
  name: SectionName,
  written: readonly string[],
  path: ConfigPath,
  signal: SignalName | null,
  { tree, sections }: Context,
): Checked<string[]> {
  const joins = name === 'receivers' || name === 'exporters';
  const places = sections.filter((one) => one.name === name || (joins && one.name === 'connectors'))
    .sort((a) => (a.name === name ? -1 : 1));
  const value: string[] = [];
  const problems: ConfigProblem[] = [];
  written.forEach((text, index) => {
    const report = (why: string, hint: string) =>
      void problems.push(problemAt(tree, [...path, index], { why, hint }));
    const section = places.find((one) => one.find(text) !== null);
    if (section === undefined) {
      const defined = places.flatMap((one) => tree.keysAt([one.name]));
      return report(`the ${SECTIONS[name]} "${text}" is not defined`, defined.length === 0
        ? `define it below ${name}:` : knownHint(text, defined, 'defined'));
    }
    const id = section.find(text)!;
    if (value.includes(id)) return report(`"${text}" is listed twice`, 'list it once');
    const schema = section.schemaOf(id);
    if (signal !== null && schema !== null && section.name === 'connectors') {
      const mistake = connectorFits(schema, text, name as 'receivers' | 'exporters', signal);
      if (mistake !== null) return report(mistake.why, mistake.hint);
    } else if (signal !== null && schema?.signals.includes(signal) === false) {
      return report(`the ${SECTIONS[name]} "${text}" cannot take part in a pipeline of ${signal}`,
        `it knows ${schema.signals.join(', ') || 'no signal'}`);
    }
    value.push(id);
  });
  return { value, problems };
}

function assemble(
  top: z.output<ReturnType<typeof agentSchema>>,
  sections: readonly Section[],
  pipelines: readonly PipelineConfig[],
  extensionIds: readonly string[],
): AgentConfig {
  const components = (name: SectionName) =>
    sections.find((one) => one.name === name)!.components;
  const extensions = extensionIds.map((id) => [id, components('extensions').get(id)!] as const);
  return {
    data_dir: top.data_dir,
    receivers: components('receivers'),
    processors: components('processors'),
    exporters: components('exporters'),
    connectors: components('connectors'),
    extensions: new Map(extensions),
    pipelines,
    telemetry: top.service.telemetry,
    reload: top.service.reload,
  };
}

function unusedComponents(config: AgentConfig, { tree, sections }: Context): ConfigProblem[] {
  const used = (name: SectionName, id: string): boolean => {
    if (name === 'extensions') return config.extensions.has(id);
    const lists = name === 'connectors' ? ['receivers', 'exporters'] as const : [name];
    return config.pipelines.some((one) => lists.some((list) => one[list].includes(id)));
  };
  return sections.flatMap(({ name, components }) => [...components.keys()]
    .filter((id) => !used(name, id))
    .map((id) => problemAt(tree, [name, id], {
      why: 'is defined but not used',
      hint: UNUSED_HINTS[name] ?? 'list it in a pipeline',
      part: 'key',
    })));
}

const UNUSED_HINTS: Partial<Record<SectionName, string>> = {
  extensions: 'list it in service.extensions',
  connectors: 'list it as an exporter of one pipeline and a receiver of another',
};

/** The keys that may stand at a path: those of the file itself, or of a component's settings. */
function agentKeys(tree: ConfigTree, known: readonly ComponentSchema[]): KeysAt {
  return (path) => {
    const [section, id, ...rest] = path;
    const written = tree.keysAt(path);
    if (id === undefined || !Object.hasOwn(SECTIONS, String(section))) {
      return [...new Set([...written, ...knownKeys(agentSchema(), path)])];
    }
    const component = findSchema(section as SectionName, String(id), known);
    const keys = component === null ? [] : knownKeys(component.schema, rest);
    return [...new Set([...written, ...keys])];
  };
}

/** A backend on the same host may share the environment; `binnacle query` reads BINNACLE_URL. */
function isBackendVariable(name: string): boolean {
  if (name === 'BINNACLE_URL') return true;
  const schema = backendSchema();
  return pathOf(name, (path) => knownKeys(schema, path)) !== null;
}

function definitions(description: string) {
  return z.preprocess((value) => value ?? {}, z.record(z.string(), z.unknown()))
    .describe(description).prefault({});
}
