// The plugins that a configuration names: modules with components of their own, which must be known
// before anything else of it can be read.

import { dirname, resolve } from 'node:path';
import type { ConfigPath } from './errors.ts';
import { loadTree, type LoadOptions } from './loader.ts';
import { valueAt } from './parse.ts';
import { agentSchema } from './pipelines.ts';
import { knownKeys } from './shape.ts';
import type { ConfigTree } from './tree.ts';

export interface NamedPlugin {
  /** Where it is named. */
  readonly path: ConfigPath;
  /** Absolute. */
  readonly file: string;
}

export interface NamedPlugins {
  readonly plugins: readonly NamedPlugin[];
  /** For problems with them; null when there are none. */
  readonly tree: ConfigTree | null;
}

/**
 * A path is relative to the file in which it stands; from the environment, to the working
 * directory. What is no list of texts is left for the schema to say. Throws ConfigError.
 */
export async function readPlugins(options: LoadOptions): Promise<NamedPlugins> {
  if (!await mayNameSome(options)) return { plugins: [], tree: null };
  const { tree } = await loadTree(options,
    (written) => (path) => [...written.keysAt(path), ...knownKeys(agentSchema(), path)],
    () => true);
  const list = valueAt(tree.value, ['plugins']);
  const plugins = !Array.isArray(list) ? [] : list.flatMap((name: unknown, index) => {
    if (typeof name !== 'string' || name === '') return [];
    const path = ['plugins', index];
    const at = tree.where(path);
    const folder = at === null || at.line === 0 ? '.' : dirname(at.file);
    return [{ path, file: resolve(folder, name) }];
  });
  return { plugins, tree };
}

/** Most files name none, and then need not be read twice. */
async function mayNameSome({ files, env, disk }: LoadOptions): Promise<boolean> {
  if (env['BINNACLE_PLUGINS'] !== undefined) return true;
  const texts = await Promise.all(files.map((file) => disk.readText(file).catch(() => null)));
  return texts.some((text) => text?.includes('plugins') === true);
}
