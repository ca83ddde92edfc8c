// Which tables a backend has, their columns, and which attributes their rows carry.

import { askRows, type Target } from './ask.ts';

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
  /** '', or how it is computed: ALIAS, MATERIALIZED, DEFAULT. */
  readonly kind: string;
}

export interface Table {
  readonly name: string;
  readonly comment: string;
  /** Null where the backend does not say. */
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly columns: readonly Column[];
}

export interface Attribute {
  /** The map that it is in. */
  readonly column: string;
  readonly key: string;
  readonly rows: number;
  /** The most frequent ones. */
  readonly values: readonly string[];
}

export const limits = {
  /** Rows of the last day that are looked at for attributes. */
  sampleRowsMax: 10_000,
  /** Keys of one map that are listed, the most frequent ones. */
  keysMax: 50,
} as const;

const TABLES = `SELECT name, comment, toString(total_rows) AS rows, toString(total_bytes) AS bytes
FROM system.tables WHERE database = currentDatabase() AND NOT startsWith(name, '.') ORDER BY name`;

/** A row for each table, since queries may have a limit of few rows. */
const COLUMNS = `SELECT table, arraySort(one -> one.1, groupArray((toUInt32(position), name, type,
comment, toString(default_kind)))) AS columns
FROM system.columns WHERE database = currentDatabase() GROUP BY table`;

interface ColumnsRow {
  readonly table: string;
  readonly columns: readonly (readonly [number, string, string, string, string])[];
}

type TableRow = Record<'name' | 'comment', string> & Record<'rows' | 'bytes', string | null>;

/** Throws AskError and OperatorError. */
export async function loadTables(target: Target, abort?: AbortSignal): Promise<Table[]> {
  const [tables, columns] = await Promise.all([
    askRows<TableRow>(target, TABLES, {}, abort),
    askRows<ColumnsRow>(target, COLUMNS, {}, abort),
  ]);
  return tables.map(({ name, comment, rows, bytes }) => ({
    name, comment,
    rows: rows === null ? null : Number(rows),
    bytes: bytes === null ? null : Number(bytes),
    columns: (columns.find(({ table }) => table === name)?.columns ?? [])
      .map(([, column, type, note, kind]) => ({ name: column, type, comment: note, kind })),
  }));
}

/** The column that says when; null when the table has none. */
export function timeColumnOf({ columns }: Table): string | null {
  const times = columns.filter(({ type, kind }) => kind === '' && /^DateTime/.test(type));
  const usual = times.find(({ name }) => name === 'Timestamp' || name === 'TimeUnix');
  return (usual ?? times[0])?.name ?? null;
}

/** Attributes of some rows of the last day, by map, the most frequent first. */
export async function loadAttributes(target: Target, table: Table): Promise<Attribute[]> {
  const time = timeColumnOf(table);
  const maps = table.columns.filter(({ type }) => type.startsWith('Map('));
  if (time === null) return [];
  const found = await Promise.all(maps.map(({ name }) =>
    askRows<{ key: string; rows: string; values: string[] }>(target,
      attributesSql(table.name, name, time))));
  return found.flatMap((rows, index) => rows.map((row) =>
    ({ column: maps[index]!.name, key: row.key, rows: Number(row.rows), values: row.values })));
}

const attributesSql = (table: string, map: string, time: string): string => `
SELECT key, toString(count()) AS rows, topK(5)(substring(value, 1, 60)) AS values
FROM (SELECT ${quoted(map)} AS pairs FROM ${quoted(table)}
  WHERE ${quoted(time)} >= now64() - INTERVAL 1 DAY LIMIT ${limits.sampleRowsMax})
ARRAY JOIN mapKeys(pairs) AS key, mapValues(pairs) AS value
GROUP BY key ORDER BY count() DESC, key LIMIT ${limits.keysMax}`;

/** A name as SQL has it. */
export const quoted = (name: string): string =>
  (/^[A-Za-z_]\w*$/.test(name) ? name : `\`${name.replace(/[\\`]/g, '\\$&')}\``);
