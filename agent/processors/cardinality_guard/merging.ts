// Points of one metric of one batch that became alike when attributes were taken from them, as one:
// deltas are added, of gauges the newest is kept. Cumulative ones need what was before: totals.ts.

import type { Attributes, DataPoint, NumberDataPoint } from '../../../proto/otlp/model.ts';
import { addAmounts, amountOf, withAmount, type AddedType } from '../../series/amounts.ts';
import { attributesKey } from '../../series/identity.ts';

export interface Merging {
  size(): number;
  has(key: string): boolean;
  /** False: it cannot be one with those that are there. */
  add(point: DataPoint, attributes: Attributes): boolean;
  points(): Iterable<DataPoint>;
}

/** `type` of deltas; null: gauges. */
export function createMerging(type: AddedType | null): Merging {
  const merged = new Map<string, DataPoint>();
  return {
    size: () => merged.size,
    has: (key) => merged.has(key),
    add: (point, attributes) => {
      const key = attributesKey(attributes);
      const known = merged.get(key);
      const own = { ...point, attributes };
      const joined = known === undefined ? own
        : type === null ? newer(known as NumberDataPoint, own as NumberDataPoint)
          : sum(type, known, own);
      if (joined === null) return false;
      merged.set(key, joined);
      return true;
    },
    points: () => merged.values(),
  };
}

const newer = (one: NumberDataPoint, other: NumberDataPoint): NumberDataPoint =>
  (other.timeUnixNano > one.timeUnixNano ? other : one);

/** Over the stretch that holds both. */
function sum(type: AddedType, one: DataPoint, other: DataPoint): DataPoint | null {
  const [a, b] = [amountOf(type, one), amountOf(type, other)];
  if (b === null) return one;
  if (a === null) return other;
  const amount = addAmounts(a, b);
  if (amount === null) return null;
  const start = one.startTimeUnixNano < other.startTimeUnixNano ? one : other;
  const end = one.timeUnixNano > other.timeUnixNano ? one : other;
  return { ...withAmount(one, amount, start.startTimeUnixNano), timeUnixNano: end.timeUnixNano };
}
