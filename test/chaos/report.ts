// What a run says in the end, for people.

import type { Findings } from './check.ts';
import type { Result } from './course.ts';

/** So many examples are shown. */
const EXAMPLES_MAX = 20;

export function isWell({ findings: { tables, lines, rollups }, troubles }: Result): boolean {
  return troubles.length === 0
    && tables.every(({ missing, duplicates, strange }) => missing + duplicates + strange === 0)
    && lines.missing + lines.duplicates + lines.broken === 0
    && rollups.every(({ wrong }) => wrong.length === 0);
}

export function describe(result: Result): string[] {
  const { findings, applied, troubles } = result;
  return [
    ...table(findings),
    ...findings.rollups.map(({ name, wrong }) =>
      `${name}: ${wrong.length} differ from the raw rows`),
    `log file: rotated ${result.rotations} times`,
    `faults: ${[...applied].map(([name, count]) => `${name} ${count}`).sort().join(', ')}; `
      + `${result.lostAnswers} answers lost`,
    ...limited(troubles),
    ...limited(findings.examples),
  ];
}

/** One line: the verdict. */
export function verdict(seed: number, minutes: number, result: Result): string {
  const { tables, lines, rollups } = result.findings;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  const missing = sum(tables.map((one) => one.missing)) + lines.missing;
  const duplicates = sum(tables.map((one) => one.duplicates)) + lines.duplicates;
  const acknowledged = sum(tables.map((one) => one.acknowledged));
  const wrong = sum(rollups.map((one) => one.wrong.length));
  return `chaos: ${isWell(result) ? 'well' : 'NOT WELL'}: seed ${seed}, ${minutes} min, `
    + `${sum([...result.applied.values()])} faults: of ${acknowledged} acknowledged records and `
    + `${lines.written} lines ${missing} missing, ${duplicates} duplicates, `
    + `${wrong} wrong in rollups, ${result.troubles.length} other troubles`;
}

function table({ tables, lines }: Findings): string[] {
  const rows = [
    ['', 'sent', 'acknowledged', 'stored', 'missing', 'duplicates', 'strange'],
    ...tables.map((one) => [one.table, ...[one.sent, one.acknowledged, one.stored, one.missing,
      one.duplicates, one.strange].map(String)]),
    ['lines of the log file', ...[lines.written, lines.written, lines.stored, lines.missing,
      lines.duplicates, lines.broken].map(String)],
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => (column === 0
    ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '));
}

function limited(list: readonly string[]): string[] {
  const more = list.length - EXAMPLES_MAX;
  return [...list.slice(0, EXAMPLES_MAX), ...(more > 0 ? [`and ${more} more`] : [])];
}
