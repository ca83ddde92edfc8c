// Fields of the search language as SQL for rules: a text to group by, or a number to add up.

import type { Signal } from '../../../proto/otlp/model.ts';
import { fieldOf, LEVELS, MAP_COLUMNS, type Field, type Lookup } from '../../search/fields.ts';
import { LEVEL_SQL } from '../../search/sql.ts';
import { UnmeasurableError } from './asking.ts';

export interface FieldSql {
  readonly sql: string;
  readonly params: Readonly<Record<string, string>>;
}

/** The same for two names of the same field. */
export const fieldId = (name: string, signal: Signal): string =>
  JSON.stringify(fieldOf(name, signal));

/**
 * The value as text, '' where there is none. Names of parameters begin with `prefix`. Throws
 * UnmeasurableError for what is no label.
 */
export function textSql(name: string, signal: Signal, prefix: string): FieldSql {
  const field = fieldOf(name, signal);
  if (field.type === 'level') return { sql: levelNameSql(signal), params: {} };
  if (field.type === 'column') return { sql: `toString(${field.column})`, params: {} };
  if (field.type === 'attribute') return attributeSql(field.lookups, signal, prefix);
  throw new UnmeasurableError(`${name} is no field to group by`,
    'group by fields with few values, such as service or http.route');
}

export interface NumberSql extends FieldSql {
  /** What the value is divided by to be in the unit of rules. */
  readonly divisor: number;
}

/** NULL where the record has no such number. Throws UnmeasurableError for what never is one. */
export function numberSql(name: string, signal: Signal, prefix: string): NumberSql {
  const field = fieldOf(name, signal);
  if (field.type === 'number') {
    return { sql: field.column, params: {}, divisor: field.isDuration ? NS_IN_SECOND : 1 };
  }
  if (field.type === 'attribute') {
    const { sql, params } = attributeSql(field.lookups, signal, prefix);
    return { sql: `toFloat64OrNull(${sql})`, params, divisor: 1 };
  }
  throw new UnmeasurableError(`${name === '' ? 'this' : name} is no number`, signal === 'traces'
    ? 'take duration, or an attribute that holds numbers' : 'take an attribute with numbers');
}

const NS_IN_SECOND = 1e9;

function attributeSql(lookups: readonly Lookup[], signal: Signal, prefix: string): FieldSql {
  const params: Record<string, string> = {};
  const branches = lookups.filter(({ map }) => MAP_COLUMNS[signal][map] !== '')
    .map(({ map, key }, index) => {
      params[`${prefix}_${index}`] = key;
      return `toString(${MAP_COLUMNS[signal][map]}[{${prefix}_${index}:String}])`;
    });
  const [only] = branches;
  if (branches.length === 1) return { sql: only!, params };
  const sql = branches.map((value) => `${value} != '', ${value}, `).join('');
  return { sql: branches.length === 0 ? "''" : `multiIf(${sql}'')`, params };
}

/** As `levelName` in memory. */
const levelNameSql = (signal: Signal): string => `multiIf(${LEVEL_SQL[signal]} = 0, 'unknown', `
  + LEVELS.slice(1).map(([, number], index) =>
    `${LEVEL_SQL[signal]} < ${number}, '${LEVELS[index]![0]}', `).join('')
  + `'${LEVELS.at(-1)![0]}')`;

/** Columns of rollups (schema/007) that tell a field; null when the rollups do not know it. */
export function rolledUpColumns(name: string, signal: Signal): readonly string[] | null {
  const field: Field = fieldOf(name, signal);
  if (field.type === 'level') return signal === 'logs' ? LOG_LEVEL : ['StatusCode'];
  if (field.type !== 'column' || !ROLLED_UP[signal].includes(field.column)) return null;
  return [field.column];
}

export const LOG_LEVEL: readonly string[] = ['SeverityNumber', 'SeverityText'];

const ROLLED_UP: Readonly<Record<Signal, readonly string[]>> = {
  logs: ['ServiceName', 'SeverityText'],
  traces: ['ServiceName', 'SpanName', 'SpanKind', 'StatusCode'],
  metrics: [],
};
