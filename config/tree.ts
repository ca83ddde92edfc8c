// A configuration as a tree of nodes that remember where they were written, so that whatever is
// found wrong later can be shown at its line. Nodes are never changed: merging makes new ones.

import type { ConfigPath, Position } from './errors.ts';

export type Scalar = string | number | boolean | bigint | null;

interface Place {
  /** Where the key stands that leads here; null in lists and at the root. */
  readonly key: Position | null;
  /** Where the value begins. */
  readonly at: Position;
  /**
   * The characters before YAML gave them a type, when they came from the environment: a password
   * of digits is still text for a schema that wants text.
   */
  readonly text?: string;
}

export type ConfigNode =
  | (Place & { readonly kind: 'scalar'; readonly value: Scalar })
  | (Place & { readonly kind: 'list'; readonly items: readonly ConfigNode[] })
  | (Place & { readonly kind: 'map'; readonly entries: ReadonlyMap<string, ConfigNode> });

export interface ConfigTree {
  /** Plain objects, lists and scalars; what the schemas parse. */
  readonly value: unknown;
  /**
   * Where the value at `path` was written, or its key. When nobody wrote it, the nearest key
   * above it. Null when there is no file at all.
   */
  where(path: ConfigPath, part?: 'key' | 'value'): Position | null;
  /** The untyped text of a value that came from the environment, or null. */
  textAt(path: ConfigPath): string | null;
  /** The keys that somebody wrote at `path`. */
  keysAt(path: ConfigPath): readonly string[];
}

export function createTree(root: ConfigNode | null): ConfigTree {
  const find = (path: ConfigPath) => walk(root, path);
  return {
    value: root === null ? null : plain(root),
    where: (path, part = 'value') => {
      const { node, complete } = find(path);
      if (node === null) return null;
      const wantsKey = part === 'key' || !complete || node.kind !== 'scalar';
      return wantsKey ? (node.key ?? node.at) : node.at;
    },
    textAt: (path) => {
      const { node, complete } = find(path);
      return complete ? (node?.text ?? null) : null;
    },
    keysAt: (path) => {
      const { node, complete } = find(path);
      return complete && node?.kind === 'map' ? [...node.entries.keys()] : [];
    },
  };
}

/** `over` on top of `under`: maps are merged key by key, everything else is replaced. */
export function mergeNodes(under: ConfigNode, over: ConfigNode): ConfigNode {
  // A key with nothing behind it adds nothing to a map: `processors:` keeps what is there.
  if (over.kind === 'scalar' && over.value === null && under.kind === 'map') return under;
  if (under.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries);
  for (const [key, node] of over.entries) {
    const before = entries.get(key);
    entries.set(key, before === undefined ? node : mergeNodes(before, node));
  }
  return { ...over, entries };
}

/** The node of a value that has no source text of its own; all of it stands at `at`. */
export function nodeOf(value: unknown, place: Place): ConfigNode {
  const inner = { key: place.at, at: place.at };
  if (Array.isArray(value)) {
    return { ...place, kind: 'list', items: value.map((item) => nodeOf(item, inner)) };
  }
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, item]) => [key, nodeOf(item, inner)] as const);
    return { ...place, kind: 'map', entries: new Map(pairs) };
  }
  return { ...place, kind: 'scalar', value: value as Scalar };
}

function walk(root: ConfigNode | null, path: ConfigPath) {
  let node = root;
  for (const part of path) {
    const next = node === null ? undefined : child(node, part);
    if (next === undefined) return { node, complete: false };
    node = next;
  }
  return { node, complete: true };
}

function child(node: ConfigNode, part: string | number): ConfigNode | undefined {
  if (node.kind === 'map') return node.entries.get(String(part));
  return node.kind === 'list' ? node.items[Number(part)] : undefined;
}

function plain(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plain);
  // fromEntries defines properties, so that even a key `__proto__` is only a key.
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plain(entry)]));
}
