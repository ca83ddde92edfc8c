// What a person wrote, read in layers: YAML files from left to right, then `BINNACLE_*` variables
// of the environment. Defaults come last, from the schema. Maps merge, lists and scalars replace.

import type { Files } from '../runtime/files.ts';
import { systemCause } from '../runtime/errors.ts';
import { layerEnvironment, type KeysAt } from './environment.ts';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { parseSource, type Source } from './source.ts';
import type { Environment } from './substitution.ts';
import { createTree, mergeNodes, type ConfigNode, type ConfigTree } from './tree.ts';

/** A larger file is refused: it is not a configuration. */
const limits = { fileBytes: 4 * 1024 * 1024 };

export interface LoadOptions {
  /** Paths of YAML files; later ones win. None is fine: then everything has its default. */
  readonly files: readonly string[];
  /** For `${env:NAME}` and for `BINNACLE_*`; `process.env` in a real process. */
  readonly env: Environment;
  readonly disk: Files;
}

export interface Loaded {
  readonly tree: ConfigTree;
  /** Mistakes in values, such as variables that are not set; to be thrown with those to come. */
  readonly problems: readonly ConfigProblem[];
  /** What can be ignored, but should be said. */
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Reads the layers. `keysFor` tells which keys may stand in the tree that the files make. Throws
 * ConfigError when a file cannot be read or is not YAML.
 */
export async function loadTree(
  options: LoadOptions,
  keysFor: (tree: ConfigTree) => KeysAt,
  belongsElsewhere: (name: string) => boolean,
): Promise<Loaded> {
  const sources = await Promise.all(options.files.map((file) => readSource(file, options.disk)));
  return layer(sources, options.env, keysFor, belongsElsewhere);
}

/** The same for texts that are at hand. */
export function layer(
  sources: readonly Source[],
  env: Environment,
  keysFor: (tree: ConfigTree) => KeysAt,
  belongsElsewhere: (name: string) => boolean,
): Loaded {
  const parsed = sources.map((source) => parseSource(source, env));
  const problems = [...parsed.flatMap((one) => one.problems), ...notMaps(parsed)];
  const roots = parsed.flatMap(({ root }) => (root?.kind === 'map' ? [root as ConfigNode] : []));
  const unread = parsed.some((one) => one.root === null && one.problems.length > 0);
  if (unread || notMaps(parsed).length > 0) throw new ConfigError(problems);
  const merged = roots.length === 0 ? null : roots.reduce(mergeNodes);
  const keysAt = keysFor(createTree(merged));
  const { root, warnings } = layerEnvironment(merged, { env, keysAt, belongsElsewhere });
  return { tree: createTree(root), problems, warnings };
}

/** Throws when there are problems; of several about one value only the first is told. */
export function throwProblems(problems: readonly ConfigProblem[]): void {
  const seen = new Set<string>();
  const distinct = problems.filter(({ file, line, column, path }) => {
    const place = `${file}:${line}:${column}:${path}`;
    if (seen.has(place)) return false;
    seen.add(place);
    return true;
  });
  if (distinct.length > 0) throw new ConfigError(distinct);
}

async function readSource(file: string, disk: Files): Promise<Source> {
  const fail = (why: string, hint: string) =>
    new ConfigError([{ file, line: 0, column: 0, path: '', why, hint }]);
  try {
    const stat = await disk.stat(file);
    if (stat === null) throw fail('it does not exist', 'check the path after --config');
    if (stat.sizeBytes > limits.fileBytes) throw fail('it is too large', 'is it a configuration?');
    const text = await disk.readText(file);
    return { file, text: (text ?? '').replace(/^\uFEFF/, '') };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw fail(`cannot be read: ${systemCause(error)}`, 'check the path after --config');
  }
}

function notMaps(parsed: readonly { root: ConfigNode | null }[]): ConfigProblem[] {
  return parsed.flatMap(({ root }) => {
    if (root === null || root.kind === 'map') return [];
    if (root.kind === 'scalar' && root.value === null) return [];
    const why = 'the file must be a group of keys';
    return [{ ...root.at, path: '', why, hint: 'begin with a key such as "receivers:"' }];
  });
}
