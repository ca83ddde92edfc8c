// Rules in SQL: a statement of a person, through the gate, with `{from:DateTime64(9)}` and
// `{to:DateTime64(9)}` for its window, of which `to` is not inside. Each row is a value: its column
// `value`, and the labels that the other columns are.

import type { RuleFault, RuleSource, Sample } from '../model.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import { UnmeasurableError, type AskForeign } from './asking.ts';
import type { Window } from './batches.ts';
import { limits as recordLimits } from './records.ts';

export type SqlSource = RuleSource & { readonly type: 'sql' };

const VALUE = 'value';
const HINT = 'name it: SELECT …, count() AS value';

/** Of the gate: throws what it has against a statement. */
export type CheckSql = (
  sql: string,
  paramNames: readonly string[],
  abort: AbortSignal,
) => Promise<unknown>;

/** Throws GateError, QueryError and UnmeasurableError. */
export async function measureSql(
  askForeign: AskForeign,
  { sql }: SqlSource,
  window: Window,
  abort: AbortSignal,
): Promise<Sample[]> {
  const settings = {
    output_format_json_quote_64bit_integers: '0', output_format_json_quote_denormals: '1',
    output_format_json_quote_decimals: '0',
    max_result_rows: String(recordLimits.samplesMax), result_overflow_mode: 'throw',
  };
  const rows = await askForeign({ sql, settings, params: paramsOf(window) }, abort);
  return rows.flatMap((row) => sampleOf(row as Readonly<Record<string, unknown>>));
}

/** ClickHouse reads seconds since 1970 as a time, whatever its time zone is. */
const paramsOf = ({ fromMs, toMs }: Window) => ({ from: seconds(fromMs), to: seconds(toMs) });

const seconds = (ms: number): string => (ms / 1000).toFixed(3).padStart(14, '0');

/** Not a number says that there is none. */
function sampleOf(row: Readonly<Record<string, unknown>>): Sample[] {
  const { [VALUE]: value, ...others } = row;
  const number = numberOf(value);
  if (number === null) throw new UnmeasurableError(faultOf(value), HINT);
  if (Number.isNaN(number)) return [];
  const labels = Object.entries(others).map(([name, one]) => [name, textOf(one)] as const)
    .filter(([, text]) => text !== '');
  return [{ labels: Object.fromEntries(labels), value: number }];
}

const DENORMALS: Readonly<Record<string, number>> = {
  nan: NaN, '-nan': NaN, inf: Infinity, '-inf': -Infinity,
};

function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'string' && Object.hasOwn(DENORMALS, value) ? DENORMALS[value]! : null;
}

function faultOf(value: unknown): string {
  if (value === undefined) return `the statement has no column '${VALUE}'`;
  return value === null ? `the column '${VALUE}' is NULL` : `the column '${VALUE}' is no number`;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const NUMERIC = /^(?:Nullable\()?(?:U?Int\d+|Float\d+|BFloat16|Decimal|Bool)/;

/** What is wrong with the statement; null when the store would answer it. Never throws. */
export async function checkSqlRule(
  { askForeign, checkSql }: { askForeign: AskForeign; checkSql: CheckSql },
  { sql, overMs }: SqlSource,
  abort: AbortSignal,
): Promise<RuleFault | null> {
  try {
    const params = paramsOf({ fromMs: 0, toMs: overMs });
    await checkSql(sql, Object.keys(params), abort);
    const described = `DESCRIBE TABLE (${sql.replace(/[\s;]+$/, '')}\n)`;
    const columns = await askForeign({ sql: described, params, settings: {} }, abort) as
      { name: string; type: string }[];
    const found = columns.find(({ name }) => name === VALUE);
    if (found === undefined) {
      return { why: faultOf(undefined), hint: `${HINT}; its columns are `
        + columns.map(({ name }) => name).slice(0, COLUMNS_TOLD_MAX).join(', ') };
    }
    if (NUMERIC.test(found.type)) return null;
    return { why: `the column '${VALUE}' is a ${found.type}, no number`,
      hint: 'make it a number: toFloat64(…) AS value' };
  } catch (error) {
    const { hint = '' } = error as { hint?: string };
    return { why: errorMessage(error), hint };
  }
}

const COLUMNS_TOLD_MAX = 20;
