// Which log records are meant: what is asked in the URL, as one search, and without those that were
// deleted.

import type { SearchNode, SearchTest } from '../search/node.ts';
import { parseSearch } from '../search/parse.ts';
import { compileSearch } from '../search/sql.ts';
import type { DeletedLog } from './deleted.ts';
import { HASH_SQL } from './row.ts';

/** Nanoseconds since 1970; `toNs` is not inside. */
export interface Period {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface Where {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Parameters of the URL that stand for a field of the search language, and the field. */
export const FILTERS = {
  service: 'service',
  level: 'level',
  event_type: 'event',
  trace_id: 'trace',
  span_id: 'span',
  host: 'host',
  user_id: 'user.id',
  request_id: 'request_id',
  correlation_id: 'correlation_id',
} as const;

export type Filters = Readonly<Partial<Record<keyof typeof FILTERS | 'q', string>>>;

/** The parameters of the URL and the search `q` as one search. Throws SearchError. */
export function searchOf(asked: Filters): SearchNode {
  const names = Object.keys(FILTERS) as (keyof typeof FILTERS)[];
  const parts = names.flatMap((name): SearchNode[] => {
    const value = asked[name];
    return value === undefined ? [] : [term(FILTERS[name], { kind: 'text', text: value })];
  });
  if (asked.q !== undefined) parts.push(parseSearch(asked.q));
  const wanted = parts.filter(({ type }) => type !== 'all');
  if (wanted.length === 0) return { type: 'all' };
  return wanted.length === 1 ? wanted[0]! : { type: 'and', parts: wanted };
}

const term = (field: string, test: SearchTest): SearchNode =>
  ({ type: 'term', field, test, at: 0 });

/** The condition for log records; `deleted` are those of the period. Throws SearchError. */
export function whereOf(node: SearchNode, deleted: readonly DeletedLog[]): Where {
  const { sql, params } = compileSearch(node, 'logs');
  if (deleted.length === 0) return { sql, params };
  return {
    sql: `${sql} AND NOT (toUnixTimestamp64Nano(Timestamp) IN {deletedNs:Array(Int64)}
      AND ${HASH_SQL} IN {deletedHashes:Array(String)})`,
    params: { ...params, deletedNs: deleted.map(({ timeNs }) => timeNs),
      deletedHashes: deleted.map(({ hash }) => hash) },
  };
}
