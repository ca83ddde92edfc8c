// Editors of single values, of maps and of lists: set, append, delete_…, keep_…, limit, merge_maps,
// flatten, truncate_all, stringify_all. A map that nothing is done to stays the same map.

import type { AnyValue, KeyValue } from '../../../proto/otlp/model.ts';
import { fail } from '../fault.ts';
import {
  fromAny, isList, listOf, stringAny, textOf, toAny, typeName, type Value,
} from '../value.ts';
import type { OttlView } from '../view.ts';
import { flattened } from './flatten.ts';
import { editor, type FunctionSpec } from './function.ts';
import {
  anyValue, int, literalBool, literalCount, literalText, literalTexts, literalWord, map, mapTarget,
  optional, pattern, target, text, values, type MapTarget,
} from './parameters.ts';
import { truncatedText } from './truncate.ts';

/** Keeps the pairs for which `keep` says so. */
function filterPairs(
  view: OttlView, { get, set }: MapTarget, keep: (pair: KeyValue) => boolean,
): void {
  const pairs = get(view);
  const kept = pairs.filter(keep);
  if (kept.length < pairs.length) set(view, kept);
}

/** Changes the values for which `change` gives another one. */
export function changeValues(
  view: OttlView, { get, set }: MapTarget, change: (value: AnyValue) => AnyValue,
): void {
  const pairs = get(view);
  const changed = pairs.map((pair) => {
    const value = change(pair.value);
    return value === pair.value ? pair : { key: pair.key, value };
  });
  if (changed.some((pair, index) => pair !== pairs[index])) set(view, changed);
}

const set = editor('set', { target: target(), value: anyValue() },
  ({ target: path, value }) => (view) => path.set(view, value(view)));

const deleteKey = editor('delete_key', { target: mapTarget(), key: text() },
  ({ target: path, key }) => (view) => {
    const gone = key(view);
    filterPairs(view, path, (pair) => pair.key !== gone);
  });

const deleteKeys = editor('delete_keys', { target: mapTarget(), keys: literalTexts() },
  ({ target: path, keys }) => {
    const gone = new Set(keys);
    return (view) => filterPairs(view, path, (pair) => !gone.has(pair.key));
  });

const deleteMatchingKeys = editor('delete_matching_keys',
  { target: mapTarget(), pattern: pattern() },
  ({ target: path, pattern: matches }) => (view) => {
    const expression = matches(view);
    filterPairs(view, path, (pair) => !expression.test(pair.key));
  });

const keepMatchingKeys = editor('keep_matching_keys', { target: mapTarget(), pattern: pattern() },
  ({ target: path, pattern: matches }) => (view) => {
    const expression = matches(view);
    filterPairs(view, path, (pair) => expression.test(pair.key));
  });

const keepKeys = editor('keep_keys', { target: mapTarget(), keys: values() },
  ({ target: path, keys }) => (view) => {
    const kept = keys(view);
    filterPairs(view, path, (pair) => kept.includes(pair.key));
  });

const limit = editor('limit',
  { target: mapTarget(), limit: literalCount(), priorityKeys: literalTexts() },
  ({ target: path, limit: most, priorityKeys }) => {
    const first = new Set(priorityKeys);
    return (view) => {
      const pairs = path.get(view);
      if (pairs.length <= most) return;
      let rest = most - pairs.filter(({ key }) => first.has(key)).length;
      filterPairs(view, path, ({ key }) => first.has(key) || rest-- > 0);
    };
  });

const mergeMaps = editor('merge_maps', {
  target: mapTarget(), source: map(), strategy: literalWord(['insert', 'update', 'upsert']),
}, ({ target: path, source, strategy }) => (view) => {
  const merged = path.get(view).slice();
  const added = source(view);
  for (const pair of added) {
    const index = merged.findIndex(({ key }) => key === pair.key);
    if (index === -1 && strategy !== 'update') merged.push(pair);
    if (index !== -1 && strategy !== 'insert') merged[index] = pair;
  }
  if (added.length > 0) path.set(view, merged);
});

const flatten = editor('flatten', {
  target: mapTarget(), prefix: optional(literalText()), depth: optional(literalCount()),
  resolveConflicts: optional(literalBool()),
}, ({ target: path, prefix = '', depth = Infinity, resolveConflicts = false }) => (view) =>
  path.set(view, flattened(path.get(view), { prefix, depth, resolveConflicts })));

const truncateAll = editor('truncate_all', {
  target: mapTarget(), limit: literalCount(), utf8Safe: optional(literalBool()),
  truncationMarker: optional(literalText()),
}, ({ target: path, limit: most, truncationMarker = '' }) => {
  // Texts are characters here, so a cut never leaves half of one, whatever `utf8_safe` says.
  if (Buffer.byteLength(truncationMarker) > most) {
    return () => fail('the truncation marker is longer than the limit');
  }
  return (view) => changeValues(view, path, (value) => {
    if (value.type !== 'string') return value;
    const cut = truncatedText(value.value, most, truncationMarker);
    return cut === value.value ? value : stringAny(cut);
  });
});

const stringifyAll = editor('stringify_all', { target: mapTarget() },
  ({ target: path }) => (view) => changeValues(view, path, (value) =>
    (value.type === 'string' ? value : stringAny(textOf(fromAny(value), 'base64') ?? ''))));

const append = editor('append', {
  target: target(), value: optional(anyValue()), values: optional(values()),
}, ({ target: path, value, values: more }) => {
  if (value === undefined && more === undefined) return () => fail('there is nothing to append');
  return (view) => {
    const items = elementsOf(path.get(view));
    const added = [...(value === undefined ? [] : [value(view)]), ...(more?.(view) ?? [])];
    path.set(view, listOf([...items, ...added.map(toAny)]));
  };
});

/** The elements of a list, one for a scalar, none for nil. */
function elementsOf(value: Value): readonly AnyValue[] {
  if (value === null) return [];
  return isList(value) ? value.value : [toAny(value)];
}

const deleteIndex = editor('delete_index', {
  target: target(), startIndex: int(), endIndex: optional(int()),
}, ({ target: path, startIndex, endIndex }) => (view) => {
  const found = path.get(view);
  if (!isList(found)) return fail(`expected list, got ${typeName(found)}`);
  const start = Number(startIndex(view));
  const end = endIndex === undefined ? start + 1 : Number(endIndex(view));
  const { length } = found.value;
  if (start < 0 || start >= length || end < start || end > length) {
    return fail(`elements ${start} to ${end} of a list of ${length}`);
  }
  if (end > start) path.set(view, listOf(found.value.toSpliced(start, end - start)));
});

export const MAP_EDITORS: readonly FunctionSpec[] = [
  set, append, deleteIndex, deleteKey, deleteKeys, deleteMatchingKeys, flatten, keepKeys,
  keepMatchingKeys, limit, mergeMaps, stringifyAll, truncateAll,
];

