// What went wrong, for a person: one sentence, what to do, and the place in the statement.

import type { AskError } from './ask.ts';
import { cut, harmless, widthOf, type Colours } from './text.ts';

export interface FailureOptions {
  /** The statement as it was sent. */
  readonly sql: string;
  /** Where it comes from, such as `report.sql:12`; '' when that is plain. */
  readonly origin: string;
  readonly colours: Colours;
  /** Of the terminal. */
  readonly columns: number;
}

/** Several lines, with a line feed at the end. */
export function failureText(error: AskError, options: FailureOptions): string {
  const { sql, origin, colours } = options;
  const { red, dim } = colours;
  const place = placeOf(error, sql);
  const from = origin === '' ? '' : `${origin}: `;
  return [
    `${red('binnacle:')} ${from}${red(error.code)}: ${harmless(shortMessage(error.message))}`,
    ...(place === null ? [] : excerpt(sql, place, options)),
    ...(error.hint === '' ? [] : [dim(`  ${harmless(error.hint)}`)]),
    '',
  ].join('\n');
}

interface Place {
  readonly start: number;
  readonly length: number;
}

/** ClickHouse counts bytes from 1; names it does not know stand in quotes in its message. */
function placeOf({ position, message, code }: AskError, sql: string): Place | null {
  if (position !== undefined) return { start: position, length: wordAt(sql, position) };
  const told = /failed at position (\d+)/.exec(message)?.[1];
  if (told !== undefined) {
    const start = Buffer.from(sql).subarray(0, Number(told) - 1).toString().length;
    return { start, length: wordAt(sql, start) };
  }
  if (!/^UNKNOWN_/.test(code)) return null;
  const name = /(?:identifier|function|Function with name|table|Table)\s+[`']([^`']+)[`']/
    .exec(message)?.[1];
  return name === undefined ? null : onlyPlace(sql, name);
}

function onlyPlace(sql: string, name: string): Place | null {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = [...sql.matchAll(new RegExp(`(?<![\\w.])${escaped}(?!\\w)`, 'g'))];
  return found.length === 0 ? null : { start: found[0]!.index, length: name.length };
}

const wordAt = (sql: string, start: number): number =>
  Math.max(1, /^\w*/.exec(sql.slice(start))![0].length);

/** The line of the place and a caret below it. */
function excerpt(sql: string, { start, length }: Place, options: FailureOptions): string[] {
  const { colours, columns } = options;
  const at = Math.min(start, sql.length);
  const first = sql.lastIndexOf('\n', at - 1) + 1;
  const end = sql.indexOf('\n', first);
  const line = harmless(sql.slice(first, end < 0 ? sql.length : end));
  const before = widthOf(harmless(sql.slice(first, at)));
  const number = sql.slice(0, first).split('\n').length;
  const label = sql.includes('\n') ? `${number}: ` : '';
  const room = Math.max(20, columns - label.length - 3);
  // A place far to the right is moved into sight.
  const hidden = before + length > room ? Math.max(0, before - Math.floor(room / 2)) : 0;
  const shown = cut((hidden > 0 ? '…' : '') + line.slice(hidden + (hidden > 0 ? 1 : 0)), room);
  const marks = '^'.repeat(Math.max(1, Math.min(length, room - (before - hidden))));
  return [
    `  ${colours.dim(label)}${shown}`,
    `  ${' '.repeat(label.length + before - hidden)}${colours.red(marks)}`,
  ];
}

/** Where it is, and what follows there, is shown with a caret. */
const SEEN_BELOW = new RegExp([
  /: failed at position \d+ \([^)]*\)+(?: \(line \d+, col \d+\))?:/,
  /[\s\S]*?(?=\. (?:Expected|Unmatched|Multi)|$)/,
].map(({ source }) => source).join(''));

/** Without what ClickHouse says about itself, its grammar and the statement that one sees. */
function shortMessage(message: string): string {
  return message
    .replace(SEEN_BELOW, '')
    .replace(/\. Expected one of: ([\s\S]*)$/, (_, list: string) => {
      const names = list.split(', ');
      const EXPECTED_SHOWN = 8;
      return `. Expected one of: ${names.slice(0, EXPECTED_SHOWN).join(', ')}`
        + (names.length > EXPECTED_SHOWN ? `, … (${names.length} in all)` : '');
    })
    .replace(/ ?\((?:official build|version [^)]*\))\)?/g, '')
    .trim();
}
