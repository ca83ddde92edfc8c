// What may be seen of ClickHouse's own tables. Clients ask some of them when they connect and while
// somebody types; they get the columns and rows that speak of published tables, and nothing of the
// machine. A statement that reads `system.columns` runs with a subquery in its place.

import { quoted } from './tokens.ts';

/** The database that is asked, and its published tables. */
export interface Published {
  readonly database: string;
  readonly tables: ReadonlySet<string>;
  /** Tables are shared by tenants: numbers that count everybody's rows are left out. */
  readonly shared: boolean;
}

interface View {
  /** Select list. Names of files and machines are empty, as clients ask for these columns. */
  readonly columns: string;
  /** Columns that count everybody's rows, with their types. */
  readonly counts?: Readonly<Record<string, string>>;
  readonly where?: (published: Published) => string;
}

const ofTables = (database: string, table: string) => (published: Published): string =>
  `${database} = ${quoted(published.database)} AND ${table} IN (${listOf(published.tables)})`;

const listOf = (names: ReadonlySet<string>): string => [...names, ''].map(quoted).join(', ');

const VIEWS: Readonly<Record<string, View>> = {
  'system.databases': {
    columns: `name, engine, '' AS data_path, '' AS metadata_path, uuid, comment`,
    where: ({ database }) => `name = ${quoted(database)}`,
  },
  'system.tables': {
    columns: `database, name, name AS table, uuid, engine, is_temporary, [] :: Array(String)
      AS data_paths, '' AS metadata_path, metadata_modification_time, [] :: Array(String) AS
      dependencies_database, [] :: Array(String) AS dependencies_table, create_table_query,
      engine_full, as_select, partition_key, sorting_key, primary_key, sampling_key,
      '' AS storage_policy, comment, has_own_data`,
    counts: { total_rows: 'Nullable(UInt64)', total_bytes: 'Nullable(UInt64)' },
    where: ofTables('database', 'name'),
  },
  'system.columns': {
    columns: `database, table, name, type, position, default_kind, default_expression, comment,
      is_in_partition_key, is_in_sorting_key, is_in_primary_key, is_in_sampling_key,
      compression_codec, character_octet_length, numeric_precision, numeric_precision_radix,
      numeric_scale, datetime_precision`,
    counts: {
      data_compressed_bytes: 'UInt64', data_uncompressed_bytes: 'UInt64', marks_bytes: 'UInt64',
    },
    where: ofTables('database', 'table'),
  },
  'system.data_skipping_indices': {
    columns: 'database, table, name, type, type_full, expr, granularity',
    counts: { data_compressed_bytes: 'UInt64', data_uncompressed_bytes: 'UInt64' },
    where: ofTables('database', 'table'),
  },
  'system.parts': {
    columns: `database, table, name, partition, partition_id, part_type, active, min_date, max_date,
      min_time, max_time, modification_time, level, marks, rows, bytes_on_disk,
      data_compressed_bytes, data_uncompressed_bytes, '' AS path, '' AS disk_name`,
    where: (published) =>
      `${ofTables('database', 'table')(published)}${published.shared ? ' AND 0' : ''}`,
  },
  'system.functions': {
    columns: `name, is_aggregate, case_insensitive, alias_to, '' AS create_query, origin,
      description`,
    where: () => `origin = 'System'`,
  },
  'system.settings': {
    columns: 'name, value, changed, description, min, max, readonly, type',
    where: () => `name NOT IN ('additional_table_filters', 'log_comment')`,
  },
  'system.data_type_families': { columns: 'name, case_insensitive, alias_to' },
  'system.aggregate_function_combinators': { columns: 'name, is_internal' },
  'system.table_engines': { columns: 'name' },
  'system.table_functions': { columns: 'name, description' },
  'system.formats': { columns: 'name, is_input, is_output' },
  'system.collations': { columns: 'name, language' },
  'system.time_zones': { columns: 'time_zone' },
  'system.keywords': { columns: 'keyword' },
  'system.one': { columns: 'dummy' },
  'system.numbers': { columns: 'number' },
  'system.zeros': { columns: 'zero' },
  'information_schema.schemata': {
    columns: '*',
    where: ({ database }) => `schema_name = ${quoted(database)}`,
  },
  'information_schema.tables': {
    columns: `table_catalog, table_schema, table_name, table_type, CAST(NULL, 'Nullable(UInt64)')
      AS table_rows, CAST(NULL, 'Nullable(UInt64)') AS data_length, table_comment`,
    where: ofTables('table_schema', 'table_name'),
  },
  'information_schema.columns': { columns: '*', where: ofTables('table_schema', 'table_name') },
  'information_schema.views': { columns: '*', where: ofTables('table_schema', 'table_name') },
  'information_schema.key_column_usage': {
    columns: '*',
    where: ofTables('table_schema', 'table_name'),
  },
};

/** The names of tables that stand for a safe part of themselves. */
export const METADATA_TABLES: readonly string[] = Object.keys(VIEWS);

const DATABASES: ReadonlyMap<string, string> = new Map([
  ['system', 'system'],
  ['information_schema', 'information_schema'],
  ['INFORMATION_SCHEMA', 'information_schema'],
]);

/** The metadata table that `database.table` means; null when it is not to be had. */
export function metadataName(database: string, table: string): string | null {
  const room = DATABASES.get(database);
  if (room === undefined) return null;
  const name = `${room}.${room === 'system' ? table : table.toLowerCase()}`;
  return Object.hasOwn(VIEWS, name) ? name : null;
}

const nullable = (type: string): string =>
  type.startsWith('Nullable(') ? type : `Nullable(${type})`;

/** What stands in the place of a metadata table: a subquery in brackets. */
export function metadataQuery(name: string, published: Published): string {
  const view = VIEWS[name]!;
  const counts = Object.entries(view.counts ?? {}).map(([column, type]) =>
    (published.shared ? `CAST(NULL, ${quoted(nullable(type))}) AS ${column}` : column));
  const columns = [view.columns.replace(/\s+/g, ' '), ...counts].join(', ');
  const where = view.where === undefined ? '' : ` WHERE ${view.where(published)}`;
  return `(SELECT ${columns} FROM ${name}${where})`;
}
