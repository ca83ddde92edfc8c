// Rows as a person reads them: in a table, or one below the other.
//
// Promises:
// - Rows are drawn as they come, a block at a time; a block's widths are those of its own cells.
// - Nothing in a cell steers the terminal.
// - On a terminal no line is longer than it is wide: long cells are cut (`vertical` shows them as
//   a whole), and what would become too narrow to read is drawn vertically. In a pipe nothing is
//   cut.

import { cut, harmless, widthOf, type Colours } from './text.ts';

export const limits = {
  /** Rows that are looked at together; more begin a new table. */
  blockRowsMax: 5000,
  /** Characters of a block; more begin a new one. */
  blockCharactersMax: 8 * 1024 * 1024,
  /** Lines of a cell on a terminal; of more the first are shown, unless there is one row. */
  cellLinesMax: 10,
  /** A column may become so narrow on a terminal; when that is not enough, it goes vertically. */
  columnWidthMin: 12,
} as const;

export interface DrawingOptions {
  readonly kind: 'table' | 'vertical';
  /** Of the terminal; null: as wide as it gets. */
  readonly columns: number | null;
  readonly colours: Colours;
  /** `kind` was not asked for: rows that do not fit are drawn vertically. */
  readonly mayChange: boolean;
}

interface Head {
  readonly names: readonly string[];
  readonly right: readonly boolean[];
}

type Cells = readonly string[];

/** Text of `lines`, which are names, types and rows as ROWS_FORMAT has them; counts the rows. */
export async function* draw(
  lines: AsyncIterable<string>,
  options: DrawingOptions,
  counted: (rows: number) => void,
): AsyncGenerator<string> {
  let names: string[] | null = null;
  let head: Head | null = null;
  let block: Cells[] = [];
  let characters = 0;
  let rows = 0;
  for await (const line of lines) {
    const cells = (JSON.parse(line) as string[]).map((cell) => harmless(cell));
    if (names === null) {
      names = cells;
      continue;
    }
    if (head === null) {
      head = { names, right: cells.map(isNumeric) };
      continue;
    }
    block.push(cells);
    characters += line.length;
    counted(++rows);
    if (block.length < limits.blockRowsMax && characters < limits.blockCharactersMax) continue;
    yield drawn(head, block, rows - block.length, options);
    block = [];
    characters = 0;
  }
  if (head !== null && (block.length > 0 || rows === 0)) {
    yield drawn(head, block, rows - block.length, options);
  }
}

const isNumeric = (type: string): boolean =>
  /^(?:Nullable\(|LowCardinality\()*(?:U?Int|B?Float|Decimal)\d*/.test(type);

function drawn(head: Head, rows: readonly Cells[], before: number, options: DrawingOptions) {
  if (options.kind === 'vertical') return vertical(head, rows, before, options.colours);
  const widths = fitted(widthsOf(head, rows), options.columns);
  if (widths === null && options.mayChange) return vertical(head, rows, before, options.colours);
  return table(head, rows, widths ?? fittedAnyhow(widthsOf(head, rows), options.columns!), options);
}

function widthsOf({ names }: Head, rows: readonly Cells[]): number[] {
  const widths = names.map(widthOf);
  for (const row of rows) {
    row.forEach((cell, column) => {
      for (const line of cell.split('\n')) {
        widths[column] = Math.max(widths[column]!, widthOf(line));
      }
    });
  }
  return widths;
}

/** The widest columns give until all fit; null when they would be too narrow. */
function fitted(widths: readonly number[], columns: number | null): number[] | null {
  const room = columns === null ? Infinity : columns - 3 * widths.length - 1;
  return shrunk(widths, room, limits.columnWidthMin);
}

const fittedAnyhow = (widths: readonly number[], columns: number): number[] =>
  shrunk(widths, columns - 3 * widths.length - 1, 3) ?? widths.map((width) => Math.min(width, 3));

function shrunk(widths: readonly number[], room: number, widthMin: number): number[] | null {
  const sum = (limit: number) => widths.reduce((all, width) => all + Math.min(width, limit), 0);
  let most = Math.max(...widths);
  if (sum(most) <= room) return [...widths];
  while (most > widthMin && sum(most) > room) most -= 1;
  return sum(most) > room ? null : widths.map((width) => Math.min(width, most));
}

function table(
  { names, right }: Head,
  rows: readonly Cells[],
  widths: readonly number[],
  { columns, colours }: DrawingOptions,
): string {
  const pad = (text: string, column: number, fill: string): string => {
    const shown = columns === null ? text : cut(text, widths[column]!);
    const blanks = fill.repeat(Math.max(0, widths[column]! - widthOf(shown)));
    return right[column] ? blanks + shown : shown + blanks;
  };
  const header = names.map((name, column) => {
    const shown = columns === null ? name : cut(name, widths[column]!);
    const line = '─'.repeat(widths[column]! - widthOf(shown));
    return right[column] ? line + colours.bold(shown) : colours.bold(shown) + line;
  });
  const lines = rows.flatMap((row) => {
    const cells = row.map((cell) => shownLines(cell, columns !== null && rows.length > 1));
    const height = Math.max(1, ...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) =>
      `│ ${cells.map((cell, column) => pad(cell[line] ?? '', column, ' ')).join(' │ ')} │`);
  });
  return [
    `┌─${header.join('─┬─')}─┐`,
    ...lines,
    `└─${widths.map((width) => '─'.repeat(width)).join('─┴─')}─┘`,
    '',
  ].join('\n');
}

function shownLines(cell: string, isBounded: boolean): string[] {
  const lines = cell.split('\n');
  if (!isBounded || lines.length <= limits.cellLinesMax) return lines;
  const shown = lines.slice(0, limits.cellLinesMax - 1);
  return [...shown, `… ${lines.length - shown.length} more lines`];
}

function vertical(
  { names }: Head,
  rows: readonly Cells[],
  before: number,
  { bold, dim }: Colours,
): string {
  const width = Math.max(...names.map(widthOf)) + 1;
  return rows.map((row, index) => [
    dim(`Row ${before + index + 1}:`),
    ...row.map((cell, column) => {
      const name = `${names[column]}:`;
      const blanks = ' '.repeat(width - widthOf(name));
      return `${bold(name)}${blanks} ${cell.replaceAll('\n', `\n${' '.repeat(width + 1)}`)}`;
    }),
    '',
  ].join('\n')).join('\n') + (rows.length > 0 ? '\n' : '');
}
