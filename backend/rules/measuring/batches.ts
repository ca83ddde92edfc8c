// Rules that are answered by one statement: of the same records, in the same window, told apart by
// the same fields. Each distinct sum of a batch is one column of its answer.

import type { SearchNode } from '../../search/node.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import type { Key, Normal } from './normal.ts';
import type { Part } from './formula.ts';

export const limits = {
  /** Columns of one statement; a batch with more is asked in pieces. */
  columnsMax: 200,
  /** Values of a field that a statement lists; of more it reads all. */
  valuesMax: 1000,
  /** Characters of the searches of one statement; a batch with more is asked in pieces. */
  charactersMax: 32_768,
} as const;

/** Milliseconds since 1970; `toMs` is not inside. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One sum under one condition; all levels of a quantile are one column. */
export interface Column {
  readonly kind: Part['kind'];
  readonly field: string;
  readonly levels: number[];
  /** Index among the conditions. */
  readonly condition: number;
}

export interface Batch<Asker> {
  readonly signal: Signal;
  readonly window: Window;
  readonly keys: readonly Key[];
  /** What a key may be, by its id; keys that are not here may be anything. */
  readonly only: ReadonlyMap<string, readonly string[]>;
  readonly conditions: readonly SearchNode[];
  readonly columns: readonly Column[];
  readonly members: readonly Member<Asker>[];
}

export interface Member<Asker> {
  readonly asker: Asker;
  readonly normal: Normal;
  /** Where the parts of its formula are. */
  readonly places: ReadonlyArray<{ readonly column: number; readonly level: number }>;
}

export interface Asked<Asker> {
  readonly asker: Asker;
  readonly normal: Normal;
  readonly window: Window;
}

export function batchesOf<Asker>(asked: readonly Asked<Asker>[]): Batch<Asker>[] {
  const groups = new Map<string, Asked<Asker>[]>();
  for (const one of asked) {
    const { normal: { signal, keys, equals }, window } = one;
    // Values of attributes may be many: what must equal one is kept from what need not.
    const fields = keys.map(({ id }) => (isColumn(id) || !equals.has(id) ? id : `${id}=`));
    const name = JSON.stringify([signal, window.fromMs, window.toMs, fields]);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return [...groups.values()].flatMap(piecesOf).map(batchOf);
}

const isColumn = (id: string): boolean => id.startsWith('{"type":"column"');

/** The same search is in one piece. */
function piecesOf<Asker>(all: readonly Asked<Asker>[]): Asked<Asker>[][] {
  const pieces: Asked<Asker>[][] = [];
  let [seen, columns, characters] = [new Set<string>(), 0, 0];
  for (const one of all.toSorted((a, b) => compare(restId(a.normal.rest), restId(b.normal.rest)))) {
    const id = restId(one.normal.rest);
    const [moreColumns, moreCharacters] =
      [one.normal.formula.parts.length, seen.has(id) ? 0 : id.length];
    if (pieces.length === 0 || columns + moreColumns > limits.columnsMax
      || characters + moreCharacters > limits.charactersMax) {
      pieces.push([]);
      [seen, columns, characters] = [new Set(), 0, 0];
    }
    pieces.at(-1)!.push(one);
    const names = one.normal.formula.parts.map((part) => columnId(part, id));
    columns += names.filter((name) => !seen.has(name)).length;
    characters += seen.has(id) ? 0 : moreCharacters;
    for (const name of [id, ...names]) seen.add(name);
  }
  return pieces;
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const NODES = new WeakMap<SearchNode, string>();

/** The same for searches that mean the same; where a term stood means nothing. */
export function restId(node: SearchNode): string {
  const known = NODES.get(node);
  if (known !== undefined) return known;
  const id = JSON.stringify(node, (key, value: unknown) => (key === 'at' ? undefined : value));
  NODES.set(node, id);
  return id;
}

const columnId = ({ kind, field }: Part, rest: string): string => `${kind} ${field} ${rest}`;

function batchOf<Asker>(all: readonly Asked<Asker>[]): Batch<Asker> {
  const [{ normal: { signal, keys }, window }] = all as [Asked<Asker>];
  const conditions = new Map<string, number>();
  const nodes: SearchNode[] = [];
  const columns = new Map<string, number>();
  const made: Column[] = [];
  const placeOf = (part: Part, rest: SearchNode) => {
    const id = restId(rest);
    const condition = conditions.get(id) ?? nodes.push(rest) - 1;
    conditions.set(id, condition);
    const name = columnId(part, id);
    const { kind, field, level } = part;
    const column = columns.get(name) ?? made.push({ kind, field, levels: [], condition }) - 1;
    columns.set(name, column);
    const { levels } = made[column]!;
    return { column, level: levels.includes(level) ? levels.indexOf(level)
      : levels.push(level) - 1 };
  };
  const members = all.map(({ asker, normal }) => ({ asker, normal,
    places: normal.formula.parts.map((part) => placeOf(part, normal.rest)) }));
  return { signal, window, keys, only: onlyOf(keys, all), conditions: nodes, columns: made,
    members };
}

function onlyOf<Asker>(
  keys: readonly Key[],
  all: readonly Asked<Asker>[],
): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { id } of keys) {
    const values = new Set(all.map(({ normal }) => normal.equals.get(id)));
    if (!values.has(undefined) && values.size <= limits.valuesMax) {
      found.set(id, [...values].map((value) => value!).sort());
    }
  }
  return found;
}
