// Questions about log records: a page of them, one by its id, and what stands around one.

import type { SearchNode } from '../search/node.ts';
import type { DeletedLogs } from './deleted.ts';
import { ENTRY_SQL, entryOf, type LogEntry, type StoredRow } from './entry.ts';
import { NS_SQL, readPage, withinSql, type AskRows, type Page, type Place } from './page.ts';
import { HASH_SQL, type LogPlace } from './row.ts';
import { whereOf, type Period, type Where } from './where.ts';

export interface LogsReader {
  readonly ask: AskRows;
  readonly deleted: DeletedLogs;
}

export interface LogsQuestion extends Period {
  readonly search: SearchNode;
  readonly limit: number;
  readonly place: Place | null;
}

/** `block` and `offset` are the order in which rows with the same time were stored. */
const ORDERED_SQL = `${ENTRY_SQL}, toUInt64OrZero(splitByChar('_', _part)[2]) AS block,
  _part_offset AS offset`;

export type OrderedRow = StoredRow & { readonly block: number; readonly offset: number };

/** The newest first, in the order of pages. Throws SearchError and QueryError. */
export async function readLogs(
  { ask, deleted }: LogsReader,
  { search, fromNs, toNs, limit, place }: LogsQuestion,
): Promise<Page<OrderedRow>> {
  const where = whereOf(search, await deleted.within(ask, { fromNs, toNs }));
  return readPage<OrderedRow>(ask, {
    fromNs, toNs, limit, place, table: 'otel_logs', columns: ORDERED_SQL,
    where: where.sql, params: where.params, tie: HASH_SQL,
  });
}

/** Rows with one time in the order in which they were stored, the last first. */
export const newestFirst = (one: OrderedRow, other: OrderedRow): number =>
  Number(BigInt(other.ns) - BigInt(one.ns)) || other.block - one.block || other.offset - one.offset;

const COLUMNS = `${NS_SQL} AS ns, ${HASH_SQL} AS tie`;

/** Null when there is none, or it was deleted. */
export async function readLog(
  { ask, deleted }: LogsReader,
  place: LogPlace,
): Promise<StoredRow | null> {
  const { timeNs, hash, service } = place;
  if (await deleted.has(ask, place)) return null;
  const ofService = service === null ? '' : 'AND ServiceName = {service:String}';
  const [row] = await ask<StoredRow>(`SELECT ${COLUMNS}, ${ENTRY_SQL} FROM otel_logs
    WHERE ${withinSql('<=')} ${ofService} AND ${HASH_SQL} = {hash:String} LIMIT 1`,
  { fromNs: timeNs, toNs: timeNs, hash, service: service ?? '' });
  return row ?? null;
}

export interface Surroundings {
  readonly before: readonly LogEntry[];
  readonly log: LogEntry;
  readonly after: readonly LogEntry[];
  /** What the lines have in common. */
  readonly stream: Readonly<Record<string, string>>;
}

/** How far around a record its neighbours are looked for. */
const AROUND_NS = 86_400_000_000_000n;

/** Lines of the same stream in front of a record and behind it, all in order of time. */
export async function readAround(
  { ask, deleted }: LogsReader,
  row: StoredRow,
  counts: { readonly before: number; readonly after: number },
): Promise<Surroundings> {
  const { stream, where } = streamOf(row);
  const ns = BigInt(row.ns);
  const period = { fromNs: ns > AROUND_NS ? ns - AROUND_NS : 0n, toNs: ns + AROUND_NS };
  const hidden = whereOf({ type: 'all' }, await deleted.within(ask, period));
  const place = await orderOf(ask, row, where);
  const side = async (isBefore: boolean, limit: number): Promise<OrderedRow[]> => {
    if (limit === 0) return [];
    const order = isBefore ? 'DESC' : 'ASC';
    const sign = isBefore ? '<' : '>';
    const times = isBefore ? { fromNs: period.fromNs, toNs: ns }
      : { fromNs: ns, toNs: period.toNs };
    return ask<OrderedRow>(`SELECT ${COLUMNS}, ${ORDERED_SQL} FROM otel_logs
      WHERE ${withinSql('<=')} AND ${where.sql} AND ${hidden.sql}
      AND (toUnixTimestamp64Nano(Timestamp), ${PART_ORDER}) ${sign} ({ns:Int64}, {block:UInt64},
        {offset:UInt64})
      ORDER BY toStartOfFiveMinutes(Timestamp) ${order}, Timestamp ${order}, block ${order},
        offset ${order} LIMIT ${limit}`,
    { ...where.params, ...hidden.params, ...times, ns, ...place });
  };
  const before = await side(true, counts.before);
  const after = await side(false, counts.after);
  return {
    stream, log: entryOf(row), before: before.reverse().map(entryOf), after: after.map(entryOf),
  };
}

const PART_ORDER = "toUInt64OrZero(splitByChar('_', _part)[2]), _part_offset";

/** Where a record stands among those with its time: merges keep the order of what is equal. */
async function orderOf(ask: AskRows, { ns, tie: hash }: StoredRow, where: Where) {
  const [found] = await ask<{ block: number; offset: number }>(
    `SELECT toUInt64OrZero(splitByChar('_', _part)[2]) AS block, _part_offset AS offset
    FROM otel_logs WHERE ${withinSql('<=')} AND ${where.sql} AND ${HASH_SQL} = {hash:String}
    ORDER BY block, offset LIMIT 1`,
    { ...where.params, fromNs: BigInt(ns), toNs: BigInt(ns), hash });
  return found ?? { block: 0, offset: 0 };
}

const OF_RESOURCE = ['host.name', 'service.instance.id', 'k8s.pod.uid', 'container.id'];
const OF_RECORD = ['log.file.path', 'log.file.name', 'log.iostream'];

/** Lines that were written one after the other: by one service, on one host, to one file. */
function streamOf({ ServiceName, resource, attributes }: StoredRow): {
  stream: Record<string, string>;
  where: Where;
} {
  const stream: Record<string, string> = { service: ServiceName };
  const params: Record<string, string> = { service: ServiceName };
  const conditions = ['ServiceName = {service:String}'];
  const add = (names: readonly string[], [keys, values]: readonly [string[], string[]],
    column: string) => {
    for (const name of names) {
      const value = values[keys.indexOf(name)];
      if (value === undefined || value === '') continue;
      const param = `stream${conditions.length}`;
      stream[name] = value;
      params[param] = value;
      conditions.push(`${column}['${name}'] = {${param}:String}`);
    }
  };
  add(OF_RESOURCE, resource, 'ResourceAttributes');
  add(OF_RECORD, attributes, 'LogAttributes');
  return { stream, where: { sql: conditions.join(' AND '), params } };
}
