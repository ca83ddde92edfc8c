// Nested maps and lists moved to the top, under keys joined by dots.

import type { AnyValue, Attributes, KeyValue } from '../../../proto/otlp/model.ts';

export interface FlattenOptions {
  /** Put before every key, with a dot; '' for none. */
  readonly prefix: string;
  /** How many levels are moved up; Infinity for all. */
  readonly depth: number;
  /** Gives keys that occur twice a number, and elements of lists the key of their list. */
  readonly resolveConflicts: boolean;
}

export function flattened(pairs: Attributes, options: FlattenOptions): Attributes {
  const result = new Map<string, AnyValue>();
  const put = options.resolveConflicts ? numberedPut(result)
    : (key: string, value: AnyValue) => void result.set(key, value);
  const start = options.prefix === '' ? '' : `${options.prefix}.`;
  walkMap(pairs, start, options.depth, { put, plainLists: options.resolveConflicts });
  return [...result].map(([key, value]): KeyValue => ({ key, value }));
}

interface Walk {
  readonly put: (key: string, value: AnyValue) => void;
  /** Elements of lists have the key of the list, which then is one that occurs twice. */
  readonly plainLists: boolean;
}

function walkMap(pairs: Attributes, start: string, depth: number, walk: Walk): void {
  for (const { key, value } of pairs) walkValue(`${start}${key}`, value, depth, walk);
}

function walkValue(key: string, value: AnyValue, depth: number, walk: Walk): void {
  if (depth > 0 && value.type === 'kvlist') {
    walkMap(value.value, `${key}.`, depth - 1, walk);
  } else if (depth > 0 && value.type === 'array') {
    value.value.forEach((item, index) =>
      walkValue(walk.plainLists ? key : `${key}.${index}`, item, depth - 1, walk));
  } else {
    walk.put(key, value);
  }
}

/** The first has the key as it is, others `.0`, `.1`, … */
function numberedPut(result: Map<string, AnyValue>): Walk['put'] {
  const next = new Map<string, number>();
  return (key, value) => {
    let free = key;
    while (result.has(free)) {
      const number = next.get(key) ?? 0;
      next.set(key, number + 1);
      free = `${key}.${number}`;
    }
    result.set(free, value);
  };
}
