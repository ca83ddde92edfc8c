// What a rule asks of a signal, in a form in which rules can be asked together: the fields
// that tell its groups apart (what it groups by, and what must equal a value), and the rest of its
// search. `service:shop level:error` and `service:pay level:error` have the same fields and the
// same rest, so one scan that groups by service answers both.
//
// Service and operation are always taken out. Another field is taken out when many rules want
// different values of it; of few, the equality stays in the rest: a condition of an aggregate is
// cheaper than a scan of its own.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { SearchNode, SearchTerm } from '../../search/node.ts';
import { planSearch } from '../../search/plan.ts';
import { fieldOf } from '../../search/fields.ts';
import type { SignalQuery } from '../model.ts';
import { fieldId } from './fields.ts';
import { formulaOf, type Formula } from './formula.ts';

export const limits = {
  /** Values that rules want of a field before it is taken out of searches. */
  valuesMin: 4,
} as const;

export interface Key {
  /** The same for other names of the field. */
  readonly id: string;
  readonly name: string;
}

export interface Normal {
  readonly signal: Signal;
  /** By id. */
  readonly keys: readonly Key[];
  /** By id of the key; others have any value. */
  readonly equals: ReadonlyMap<string, string>;
  readonly rest: SearchNode;
  readonly labels: ReadonlyArray<{ readonly name: string; readonly id: string }>;
  readonly formula: Formula;
}

/**
 * `formula` instead of that of the query's aggregate; `valuesMin` of `limits` unless given. Throws
 * SearchError and UnmeasurableError.
 */
export function normalsOf(
  queries: ReadonlyArray<{ readonly query: SignalQuery; readonly formula?: Formula }>,
  valuesMin: number = limits.valuesMin,
): Normal[] {
  const all = queries.map(({ query, formula }) => partsOf(query, formula));
  const wanted = new Map<string, Set<string>>();
  for (const { signal, equalities } of all) {
    for (const { id, value } of equalities) {
      const values = wanted.get(`${signal} ${id}`) ?? new Set();
      wanted.set(`${signal} ${id}`, values.add(value));
    }
  }
  return all.map((parts) => {
    const grouped = new Set(parts.labels.map(({ id }) => id));
    return normalOf(parts, ({ id, isPlain }) => isPlain || grouped.has(id)
      || wanted.get(`${parts.signal} ${id}`)!.size >= valuesMin);
  });
}

interface Equality extends Key {
  readonly value: string;
  readonly term: SearchTerm;
  /** Service or operation. */
  readonly isPlain: boolean;
}

interface Parts extends Pick<Normal, 'signal' | 'labels' | 'formula'> {
  readonly equalities: readonly Equality[];
  readonly nodes: readonly SearchNode[];
}

/** Rules are the same objects from one evaluation to the next. */
const PARTS = new WeakMap<SignalQuery, Parts>();

function partsOf(query: SignalQuery, formula?: Formula): Parts {
  const known = PARTS.get(query);
  if (known !== undefined) return formula === undefined ? known : { ...known, formula };
  const parts = takenApart(query, formula);
  if (formula === undefined) PARTS.set(query, parts);
  return parts;
}

function takenApart(
  { signal, search, groupBy, aggregate }: SignalQuery,
  formula?: Formula,
): Parts {
  const nodes = search.type === 'and' ? search.parts : [search];
  return {
    signal, nodes,
    labels: groupBy.map((name) => ({ name, id: fieldId(name, signal) })),
    formula: formula ?? formulaOf(aggregate, signal),
    equalities: nodes.flatMap((node) => equalityOf(node, signal)),
  };
}

const PLAIN: readonly string[] = ['ServiceName', 'SpanName'];

/** None for what is no equality, and for ids, which are too many to group by. */
function equalityOf(node: SearchNode, signal: Signal): Equality[] {
  if (node.type !== 'term') return [];
  const condition = planSearch(node, signal);
  const field = fieldOf(node.field, signal);
  if (condition.type !== 'equals' || condition.value === '') return [];
  if (field.type !== 'attribute' && (field.type !== 'column' || field.isId === true)) return [];
  return [{
    id: JSON.stringify(field), name: node.field, value: condition.value, term: node,
    isPlain: field.type === 'column' && PLAIN.includes(field.column),
  }];
}

function normalOf(
  { signal, labels, formula, equalities, nodes }: Parts,
  isTakenOut: (one: Equality) => boolean,
): Normal {
  const equals = new Map<string, string>();
  const keys = new Map(labels.map(({ id, name }) => [id, { id, name }]));
  const rest = nodes.filter((node) => {
    const found = equalities.find(({ term }) => term === node);
    // The second of two equalities of one field stays a condition.
    if (found === undefined || !isTakenOut(found) || equals.has(found.id)) return true;
    equals.set(found.id, found.value);
    keys.set(found.id, { id: found.id, name: found.name });
    return false;
  }).filter(({ type }) => type !== 'all');
  return {
    signal, labels, formula, equals,
    keys: [...keys.values()].sort((one, other) => (one.id < other.id ? -1 : 1)),
    rest: rest.length === 0 ? { type: 'all' } : rest.length === 1 ? rest[0]!
      : { type: 'and', parts: rest },
  };
}
