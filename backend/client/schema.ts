// `binnacle schema`: tables with their sizes, or the columns of one with the attributes of its
// rows.

import { OperatorError } from '../../runtime/errors.ts';
import { AskError, type Target } from './ask.ts';
import { loadAttributes, loadTables, limits, type Attribute, type Table } from './catalog.ts';
import { draw } from './table.ts';
import { bytesText, coloursFor, numberText } from './text.ts';

export interface SchemaFlags extends Target {
  readonly json: boolean;
}

export async function schema(name: string | undefined, flags: SchemaFlags): Promise<void> {
  const target = { url: flags.url, token: flags.token };
  try {
    const tables = await loadTables(target);
    if (name === undefined) {
      const text = flags.json ? jsonOf({ tables }) : await tablesPage(tables);
      process.stdout.write(text);
      return;
    }
    const table = tables.find((one) => one.name === name) ?? missing(name, tables);
    const attributes = await loadAttributes(target, table);
    process.stdout.write(flags.json ? jsonOf({ ...table, attributes })
      : await columnsPage(table) + await attributesPage(attributes));
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}

const jsonOf = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

export function missing(name: string, tables: readonly Table[]): never {
  throw new OperatorError(`there is no table ${name}`,
    `there are ${tables.map((table) => table.name).join(', ')}`);
}

export const tablesPage = (tables: readonly Table[]): Promise<string> => page(
  ['table', 'columns', 'rows', 'size', 'comment'], ['String', 'UInt64', 'UInt64', 'UInt64', ''],
  tables.map(({ name, columns, rows, bytes, comment }) => [name, String(columns.length),
    rows === null ? '' : numberText(rows), bytes === null ? '' : bytesText(bytes), comment]));

export const columnsPage = ({ columns }: Table): Promise<string> => page(
  ['column', 'type', 'computed', 'comment'], ['', '', '', ''],
  columns.map(({ name, type, kind, comment }) => [name, type, kind, comment]));

export async function attributesPage(attributes: readonly Attribute[]): Promise<string> {
  if (attributes.length === 0) return '';
  const rows = attributes.map(({ column, key, rows: count, values }) =>
    [`${column}['${key}']`, numberText(count), values.join(', ')]);
  const drawn = await page(['attribute', 'rows', 'frequent values'], ['', 'UInt64', ''], rows);
  const most = numberText(limits.sampleRowsMax);
  return `\nAttributes in ${most} rows of the last day at most:\n${drawn}`;
}

/** Columns that are empty in all rows are left out. */
export async function page(names: string[], types: string[], rows: string[][]): Promise<string> {
  const used = names.map((_, column) => column < 2 || rows.some((row) => row[column] !== ''));
  const kept = (cells: string[]) => cells.filter((_, column) => used[column]);
  async function* lines() {
    for (const cells of [names, types, ...rows]) yield JSON.stringify(kept(cells));
  }
  let text = '';
  const columns = process.stdout.isTTY ? process.stdout.columns ?? null : null;
  const options = { kind: 'table', columns, colours: coloursFor(process.stdout),
    mayChange: false } as const;
  for await (const part of draw(lines(), options, () => {})) text += part;
  return text;
}
