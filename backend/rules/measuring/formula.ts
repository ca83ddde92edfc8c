// What an aggregate is made of: sums over records that the store computes, and one number of them.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { Aggregate } from '../model.ts';
import { UnmeasurableError } from './asking.ts';

/**
 * One sum over records. `number` counts those with a value of the field; `errors` those that are
 * errors; `last` is the time of the newest in milliseconds.
 */
export interface Part {
  readonly kind: 'count' | 'errors' | 'number' | 'sum' | 'min' | 'max' | 'distinct' | 'quantile'
    | 'last';
  /** '' for those that need none. */
  readonly field: string;
  /** Of quantiles, from 0 to 1. */
  readonly level: number;
}

export interface Formula {
  readonly parts: readonly Part[];
  /** Of the values of the parts; null: there is nothing to tell. */
  valueOf(values: ReadonlyArray<number | null>, seconds: number): number | null;
  /** What it is where there is no record at all; null where that is nothing. */
  readonly ofNothing: number | null;
}

/** The time of the newest record, for rules about absence. */
export const LAST: Formula = {
  parts: [{ kind: 'last', field: '', level: 0 }], valueOf: ([last]) => last ?? null,
  ofNothing: null,
};

/** Throws UnmeasurableError for what logs and spans do not have. */
export function formulaOf(aggregate: Aggregate, signal: Signal): Formula {
  const { type } = aggregate;
  switch (type) {
    case 'count': return { parts: [plain('count')], valueOf: orNone, ofNothing: 0 };
    case 'rate': return {
      parts: [plain('count')], ofNothing: 0,
      valueOf: ([count], seconds) => ratio(orNone([count ?? null]), seconds),
    };
    case 'error_rate': return {
      parts: [plain('errors'), plain('count')], ofNothing: null,
      valueOf: ([errors, count]) => ratio(errors ?? null, count ?? null),
    };
    case 'avg': return {
      parts: [of('sum', aggregate.field), of('number', aggregate.field)], ofNothing: null,
      valueOf: ([sum, number]) => ratio(sum ?? null, number ?? null),
    };
    case 'sum': case 'min': case 'max': return {
      parts: [of(type, aggregate.field)], valueOf: ([value]) => value ?? null,
      ofNothing: type === 'sum' ? 0 : null,
    };
    case 'distinct': return { parts: [of(type, aggregate.field)], valueOf: orNone, ofNothing: 0 };
    case 'quantile': return {
      parts: [{ kind: type, field: aggregate.field, level: aggregate.level }],
      valueOf: ([value]) => value ?? null, ofNothing: null,
    };
    default: throw new UnmeasurableError(`${signal} have no function ${aggregate.function}`,
      'it is for metrics; write count, rate, avg(field) or p95(field)');
  }
}

const of = (kind: Part['kind'], field: string): Part => ({ kind, field, level: 0 });
const plain = (kind: Part['kind']): Part => of(kind, '');

/** A group that others have brought into the answer has none of these records. */
const orNone = ([value]: ReadonlyArray<number | null>): number | null => value || null;

const ratio = (value: number | null, by: number | null): number | null =>
  (value === null || by === null || by === 0 ? null : value / by);
