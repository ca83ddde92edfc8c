// Compares what is stored with what was acknowledged: every record, every line of the log file, and
// what views have made of them. The engine itself is asked: analysts may not see all of it.

import { request } from 'undici';
import type { createAsker } from '../e2e/stack.ts';
import type { Comparison, Ledger } from './ledger.ts';
import { LINE_NUMBER, LINE_WHOLE } from './lines.ts';
import { LINES_SERVICE } from './machine.ts';
import { REQUEST_DIGITS, SERVICE, TABLES, type Table } from './records.ts';
import { checkRollups, type RollupFindings } from './rollups.ts';

export type Rows = ReturnType<typeof createAsker>['rows'];

export interface Findings {
  readonly tables: readonly Comparison[];
  readonly lines: LineFindings;
  readonly rollups: readonly RollupFindings[];
  /** The first of what is wrong, by name. */
  readonly examples: readonly string[];
}

export interface LineFindings {
  readonly written: number;
  readonly stored: number;
  readonly missing: number;
  /** Rows of a line beyond the first. */
  readonly duplicates: number;
  /** Rows that are no whole line. */
  readonly broken: number;
}

/** Asks the engine itself. */
export function rowsOfEngine(url: string): Rows {
  return async <T>(sql: string): Promise<T[]> => {
    const { statusCode, body } = await request(`${url}/?default_format=JSONEachRow`,
      { method: 'POST', body: sql });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${sql}: ${text}`);
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as T);
  };
}

/** So many are named of each kind. */
const EXAMPLES_MAX = 5;

export interface Written {
  readonly ledger: Ledger;
  readonly lines: number;
}

export async function check(rows: Rows, written: Written): Promise<Findings> {
  const examples: string[] = [];
  const tables: Comparison[] = [];
  for (const table of TABLES) {
    const compared = written.ledger.compare(table.name, await foundIn(rows, table));
    tables.push(compared);
    examples.push(...await named(rows, table, compared));
  }
  const lines = await checkLines(rows, written, examples);
  const rollups = await checkRollups(rows);
  examples.push(...rollups.flatMap(({ name, wrong }) =>
    wrong.slice(0, EXAMPLES_MAX).map((what) => `${name}: ${what}`)));
  return { tables, lines, rollups, examples };
}

async function foundIn(rows: Rows, { name, id }: Table) {
  const found = await rows<{ request: string; rows: string; ids: string }>(
    `SELECT substring(${id}, 1, ${REQUEST_DIGITS}) AS request, toString(count()) AS rows,
      toString(uniqExact(${id})) AS ids
    FROM ${name} WHERE ServiceName = '${SERVICE}' GROUP BY request`);
  return found.map((one) => ({ ...one, rows: Number(one.rows), ids: Number(one.ids) }));
}

/** The first ids that are missing or double, and which batches brought them or their neighbours. */
async function named(rows: Rows, { name, id }: Table, { wrong }: Comparison): Promise<string[]> {
  const examples: string[] = [];
  for (const { request, sent, acknowledged } of wrong.slice(0, EXAMPLES_MAX)) {
    const found = await rows<{ key: string; copies: string; batches: string[] }>(
      `SELECT ${id} AS key, toString(count()) AS copies, groupArray(BatchId) AS batches
      FROM ${name} WHERE ServiceName = '${SERVICE}' AND startsWith(${id}, '${request}')
      GROUP BY key ORDER BY key`);
    const double = found.find(({ copies }) => copies !== '1');
    const keys = new Set(found.map(({ key }) => key));
    const missing = Array.from({ length: sent }, (_, index) =>
      request + index.toString(16).padStart(6, '0')).find((key) => !keys.has(key));
    examples.push(`${name}: request ${request} of ${sent}, ${acknowledged ? '' : 'not '}`
      + `acknowledged: ${found.length} stored`
      + (missing === undefined ? '' : `, missing ${missing}`)
      + (double === undefined ? '' : `, ${double.copies} times ${double.key} by `
        + [...new Set(double.batches)].join(' and ')));
  }
  return examples;
}

async function checkLines(
  rows: Rows, { lines }: Written, examples: string[],
): Promise<LineFindings> {
  const found = await rows<{ number: number; whole: number; ms: string[] }>(
    `SELECT ${LINE_NUMBER} AS number, ${LINE_WHOLE} AS whole,
      arraySort(groupArray(toString(toUnixTimestamp64Milli(Timestamp)))) AS ms
    FROM otel_logs WHERE ServiceName = '${LINES_SERVICE}' GROUP BY number, whole`);
  const sums = { stored: 0, duplicates: 0, broken: 0 };
  const seen = new Set<number>();
  for (const { number, whole, ms } of found) {
    sums.stored += ms.length;
    if (whole === 0 || number < 1 || number > lines) {
      sums.broken += ms.length;
      examples.push(`log file: ${ms.length} rows that are no whole line, number ${number}`);
      continue;
    }
    seen.add(number);
    sums.duplicates += ms.length - 1;
    if (ms.length > 1) examples.push(`log file: line ${number} was read at ${ms.join(' and ')}`);
  }
  const missing = Array.from({ length: lines }, (_, index) => index + 1)
    .filter((number) => !seen.has(number));
  examples.push(...missing.slice(0, EXAMPLES_MAX).map((number) => `log file: no line ${number}`));
  return { written: lines, missing: missing.length, ...sums };
}
