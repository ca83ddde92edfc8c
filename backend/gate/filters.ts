// Which rows of the published tables somebody sees, where tables are shared by tenants: a condition
// for each table, which ClickHouse adds to every read of it, through aliases, joins, views, IN,
// aggregates from projections and counts that read nothing. It is a setting of the locked session;
// a statement cannot change it, as the gate refuses the setting and `readonly=1` does too. What
// would get round it (merge(), mergeTreeIndex(), sizes in system tables) the gate refuses, when it
// was told that tables are `shared`.

import { quoted, quotedName } from './tokens.ts';

/** Conditions by table. Trusted text: build them with `equals`. */
export type Filters = Readonly<Record<string, string>>;

/** The condition that a column has a value. */
export const equals = (column: string, value: string): string =>
  `${quotedName(column)} = ${quoted(value)}`;

/**
 * The setting for the session of whoever may see these rows only.
 *
 * @throws Error for a published table without a condition: nobody sees all by omission.
 */
export function filterSettings(
  filters: Filters,
  { database, tables }: { readonly database: string; readonly tables: ReadonlySet<string> },
): { readonly additional_table_filters: string } {
  const pairs = [...tables].map((table) => {
    const condition = Object.hasOwn(filters, table) ? filters[table] : undefined;
    if (condition === undefined) throw new Error(`cannot filter ${table}: it has no condition`);
    return `${quoted(`${database}.${table}`)}: ${quoted(condition)}`;
  });
  return { additional_table_filters: `{${pairs.join(', ')}}` };
}
