// Plugins: ES modules, named in the configuration, whose exports are components like ours.
//
// - What a module exports is a Factory (proto/contract/component.ts), a list of them, or a function
//   that is handed `kit` and returns one of these. A module cannot import what is bundled into the
//   agent; the kit has what components are made of.
// - Mistakes are told before anything starts: at the line that names the plugin.
// - What a component of a plugin throws at work never ends the agent: the batch is refused for good
//   and counted, and the log says so.
// - A module is read once for each state of its file. Modules that it imports are not looked at.

import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { ConfigError, type ConfigProblem } from '../../config/errors.ts';
import { problemAt } from '../../config/parse.ts';
import type { NamedPlugin, NamedPlugins } from '../../config/plugins.ts';
import type {
  AnyFactory, Component, ComponentContext, ComponentKind, Consumer, Exporter,
} from '../../proto/contract/component.ts';
import { rejected } from '../../proto/contract/outcome.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { errorMessage, OperatorError } from '../../runtime/errors.ts';
import type { Files } from '../../runtime/files.ts';
import { rateLimited } from '../../runtime/log.ts';
import { kit } from './kit.ts';

export const limits = {
  logIntervalMs: 10_000,
  /** States of plugins that are remembered; an older one would be read anew. */
  modulesMax: 100,
} as const;

const KINDS: readonly ComponentKind[] =
  ['receiver', 'processor', 'exporter', 'connector', 'extension'];
const DOCS = 'see docs/plugins.md';

/** Their factories, by the URL of a state of a module: the same module gives the same ones. */
const known = new Map<string, readonly AnyFactory[]>();

/** Throws ConfigError. `builtIn` are the components whose types are taken. */
export async function loadPlugins(
  { plugins, tree }: NamedPlugins,
  builtIn: readonly AnyFactory[],
  files: Files,
): Promise<readonly AnyFactory[]> {
  const problems: ConfigProblem[] = [];
  const found: AnyFactory[] = [];
  for (const plugin of plugins) {
    const report = (why: string, hint: string) =>
      void problems.push(problemAt(tree!, plugin.path, { why, hint }));
    try {
      for (const factory of await loadPlugin(plugin, files)) {
        const taken = takenType(factory, [...builtIn, ...found]);
        if (taken === null) found.push(factory);
        else report(`has ${taken}, which there is already`, 'give it another type');
      }
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      report(error.message, error.hint);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}

async function loadPlugin({ file }: NamedPlugin, files: Files): Promise<readonly AnyFactory[]> {
  const stat = await files.stat(file).catch(() => null);
  if (stat === null || stat.kind !== 'file') {
    throw new OperatorError(`there is no file ${file}`,
      'a path is relative to the file in which it stands');
  }
  const url = `${pathToFileURL(file).href}?${stat.inode}-${stat.sizeBytes}-${stat.modifiedMs}`;
  const before = known.get(url);
  if (before !== undefined) return before;
  let exported: Record<string, unknown>;
  try {
    exported = await import(url) as Record<string, unknown>;
  } catch (error) {
    throw new OperatorError(`cannot be loaded: ${errorMessage(error)}`,
      'it must be an ES module that Node.js can import');
  }
  const factories = Object.entries(exported).flatMap(([name, value]) => factoriesOf(name, value));
  if (factories.length === 0) {
    throw new OperatorError('exports no component', `export a Factory; ${DOCS}`);
  }
  if (known.size >= limits.modulesMax) known.delete(known.keys().next().value!);
  known.set(url, factories);
  return factories;
}

/** Other exports than components may be there, such as constants. */
function factoriesOf(name: string, value: unknown): AnyFactory[] {
  let given = value;
  if (typeof value === 'function') {
    if (name !== 'register' && name !== 'default') return [];
    try {
      given = value(kit);
    } catch (error) {
      throw new OperatorError(`${name}() fails: ${errorMessage(error)}`, DOCS);
    }
    if (given === undefined) throw new OperatorError(`${name}() returns no component`, DOCS);
  }
  const list = Array.isArray(given) ? given : [given];
  const looksLikeOne = (one: unknown) =>
    typeof one === 'object' && one !== null && 'kind' in one;
  if (typeof value !== 'function' && !list.some(looksLikeOne)) return [];
  return list.map((one: unknown) => factoryOf(name, one));
}

function factoryOf(name: string, given: unknown): AnyFactory {
  const fail = (why: string) =>
    new OperatorError(`its export "${name}" is no component: ${why}`, DOCS);
  if (typeof given !== 'object' || given === null) throw fail('it is no object');
  const one = given as Partial<Record<keyof AnyFactory, unknown>>;
  if (!KINDS.includes(one.kind as ComponentKind)) {
    throw fail(`kind must be one of ${KINDS.join(', ')}`);
  }
  const isType = (type: unknown) => typeof type === 'string' && /^[a-z][0-9a-z_]{0,62}$/.test(type);
  if (!isType(one.type)) throw fail('type must be lower_snake_case');
  const aliases = one.aliases ?? [];
  const areTypes = Array.isArray(aliases) && aliases.every(isType);
  if (!areTypes) throw fail('aliases must be a list of types');
  const signals = one.signals ?? (one.kind === 'extension' ? [] : SIGNALS);
  if (!Array.isArray(signals) || !signals.every((signal) => SIGNALS.includes(signal))) {
    throw fail(`signals must be a list of ${SIGNALS.join(', ')}`);
  }
  if (typeof one.create !== 'function') throw fail('create must be a function');
  for (const key of ['gives', 'uses', 'chooses'] as const) {
    if (one[key] !== undefined && typeof one[key] !== 'function') {
      throw fail(`${key} must be a function`);
    }
  }
  const schema = schemaOf(one.schema);
  if (schema === null) throw fail('schema must be of zod or Standard Schema, or have parse()');
  const factory = given as AnyFactory;
  return {
    kind: factory.kind, type: factory.type, aliases, signals, schema,
    ...(factory.gives === undefined ? {} : { gives: factory.gives }),
    ...(factory.uses === undefined ? {} : { uses: factory.uses }),
    ...(factory.chooses === undefined ? {} : { chooses: factory.chooses }),
    create: (config, context, next) =>
      guarded(factory.create(config, context, next), factory.kind, context),
  };
}

function takenType(factory: AnyFactory, others: readonly AnyFactory[]): string | null {
  const spellings = ({ type, aliases = [] }: AnyFactory) => [type, ...aliases];
  const taken = spellings(factory).find((type) => others.some((other) =>
    other.kind === factory.kind && spellings(other).includes(type)));
  return taken === undefined ? null : `the ${factory.kind} type "${taken}"`;
}

interface StandardSchema {
  readonly '~standard': { validate(value: unknown): unknown };
}

/** Any of the ways in which settings may be checked, as a schema of zod; null for none of them. */
function schemaOf(given: unknown): z.ZodType | null {
  if (given === undefined) return z.unknown().transform((value) => value ?? {});
  if (typeof given !== 'object' || given === null) return null;
  if ('_zod' in given) return given as z.ZodType;
  if ('~standard' in given) return standard(given as StandardSchema);
  if (!('parse' in given) || typeof given.parse !== 'function') return null;
  const { parse } = given as { parse: (value: unknown) => unknown };
  return z.unknown().transform((value, ctx) => {
    try {
      return parse.call(given, value);
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: errorMessage(error) });
      return z.NEVER;
    }
  });
}

/** https://standardschema.dev: what fails has `issues`, each with its own path. */
function standard({ '~standard': { validate } }: StandardSchema): z.ZodType {
  return z.unknown().transform((value, ctx) => {
    const result = validate(value) as {
      readonly value?: unknown;
      readonly issues?: readonly { readonly message: string; readonly path?: readonly unknown[] }[];
    } | Promise<unknown>;
    if (result instanceof Promise) {
      ctx.addIssue({ code: 'custom', message: 'the schema must not be asynchronous' });
      return z.NEVER;
    }
    for (const { message, path = [] } of result.issues ?? []) {
      const keys = path.map((part) =>
        (typeof part === 'object' && part !== null && 'key' in part ? part.key : part) as string);
      ctx.addIssue({ code: 'custom', message, path: keys });
    }
    return result.issues === undefined ? result.value : z.NEVER;
  });
}

/** Holds a component to the contract, as far as that can be done from outside. */
function guarded(component: Component, kind: ComponentKind, context: ComponentContext): Component {
  const takes = kind === 'processor' || kind === 'exporter' || kind === 'connector';
  for (const name of ['start', 'stop', ...(takes ? ['consume'] : [])]) {
    if (typeof (component as unknown as Record<string, unknown>)?.[name] !== 'function') {
      throw new OperatorError(`cannot create ${kind} ${context.id}: it has no ${name}()`, DOCS);
    }
  }
  if (!takes) return component;
  const { world: { clock } } = context;
  const log = rateLimited(context.log, clock, limits.logIntervalMs);
  const inner = component as Exporter;
  const consume: Consumer['consume'] = async (batch, abort) => {
    try {
      return await inner.consume(batch, abort);
    } catch (error) {
      const reason = `the plugin of ${kind} ${context.id} failed: ${errorMessage(error)}`;
      log.error(reason, { items: batch.itemCount });
      return rejected(reason);
    }
  };
  const { queued } = inner;
  const wrapped: Exporter = {
    consume,
    start: () => inner.start(),
    stop: (deadline) => inner.stop(deadline),
    addresses: () => inner.addresses?.() ?? {},
    origins: (receiver) => inner.origins?.(receiver) ?? [],
    ...(queued === undefined ? {} : { queued }),
  };
  return wrapped;
}
