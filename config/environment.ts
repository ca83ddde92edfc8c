// The layer above the files: `BINNACLE_` and the path of a key, upper case, with `_` between, sets
// that key. `BINNACLE_HTTP_ENDPOINT` is `http.endpoint`; `BINNACLE_HTTP_MAX_REQUEST_BODY_SIZE` is
// `http.max_request_body_size`, because keys that exist decide where one ends and the next begins.
//
// A value is typed as YAML types it. A variable that names no key is a warning, not an error: it
// may belong to another program or another version.

import { closestWord, type ConfigPath, type ConfigProblem, type Position } from './errors.ts';
import { typedValue, type Environment } from './substitution.ts';
import { mergeNodes, nodeOf, type ConfigNode } from './tree.ts';

export const PREFIX = 'BINNACLE_';

/** The keys that may stand at a path, whether or not somebody wrote them. */
export type KeysAt = (path: ConfigPath) => readonly string[];

export interface Layered {
  readonly root: ConfigNode | null;
  readonly warnings: readonly ConfigProblem[];
}

export interface LayerOptions {
  readonly env: Environment;
  readonly keysAt: KeysAt;
  /** True for variables that mean something to another part of the program. */
  readonly belongsElsewhere: (name: string) => boolean;
}

export function layerEnvironment(root: ConfigNode | null, options: LayerOptions): Layered {
  const { env, keysAt } = options;
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX)).sort();
  let result = root;
  const warnings: ConfigProblem[] = [];
  for (const name of names) {
    const text = env[name];
    if (text === undefined) continue;
    const path = pathOf(name, keysAt);
    if (path !== null) {
      const node = nodeAlong(path, text, { file: name, line: 0, column: 0 });
      result = result === null ? node : mergeNodes(result, node);
    } else if (!options.belongsElsewhere(name)) {
      warnings.push(unknownVariable(name, keysAt));
    }
  }
  return { root: result, warnings };
}

/** The path that a variable names, or null. */
export function pathOf(name: string, keysAt: KeysAt): ConfigPath | null {
  return name.startsWith(PREFIX) ? resolve(name.slice(PREFIX.length), [], keysAt) : null;
}

function resolve(rest: string, path: ConfigPath, keysAt: KeysAt): ConfigPath | null {
  // The longest key first: `tls_config` before `tls`.
  const keys = [...keysAt(path)].sort((a, b) => b.length - a.length);
  for (const key of keys) {
    const spelling = variableName(key);
    if (spelling === rest) return [...path, key];
    if (!rest.startsWith(`${spelling}_`)) continue;
    const found = resolve(rest.slice(spelling.length + 1), [...path, key], keysAt);
    if (found !== null) return found;
  }
  return null;
}

/** `file_log/nginx` → `FILE_LOG_NGINX`. */
function variableName(key: string): string {
  return key.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}

function nodeAlong(path: ConfigPath, text: string, at: Position): ConfigNode {
  return path.reduceRight<ConfigNode>(
    (inner, key) => ({ kind: 'map', entries: new Map([[String(key), inner]]), key: at, at }),
    nodeOf(typedValue(text), { key: at, at, text }),
  );
}

function unknownVariable(name: string, keysAt: KeysAt): ConfigProblem {
  const closest = closestWord(name, allNames(keysAt));
  const hint = closest === null ? 'it is ignored' : `did you mean "${closest}"? It is ignored`;
  const why = 'names no key of the configuration';
  return { file: name, line: 0, column: 0, path: '', why, hint };
}

/** The variables of all keys, as far as they are needed for a guess. */
function allNames(keysAt: KeysAt): string[] {
  const NAMES_MAX = 2000; // Beyond it the guess is made from the first ones.
  const DEPTH_MAX = 8;
  const names: string[] = [];
  const visit = (path: ConfigPath, prefix: string): void => {
    for (const key of keysAt(path)) {
      if (names.length >= NAMES_MAX) return;
      const name = `${prefix}${variableName(key)}`;
      names.push(name);
      if (path.length < DEPTH_MAX) visit([...path, key], `${name}_`);
    }
  };
  visit([], PREFIX);
  return names;
}
