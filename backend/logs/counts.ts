// Counts of log records: over time, by level and service, and the most frequent values of fields.
//
// What asks for services and levels only is answered from the rollup by minute (schema/007), for
// whole minutes; anything else reads the rows of the period. Facets are of the newest
// `limits.facetRowsMax` records at most, and say when there were more.

import { fieldOf, LEVELS, levelName, MAP_COLUMNS, type Lookup }
  from '../search/fields.ts';
import type { SearchNode } from '../search/node.ts';
import { LEVEL_SQL } from '../search/sql.ts';
import type { DeletedLog } from './deleted.ts';
import { isoOf } from './entry.ts';
import type { LogsReader } from './logs.ts';
import { withinSql } from './page.ts';
import { whereOf, type Period } from './where.ts';

export const limits = {
  /** Buckets of a histogram; more are refused. */
  bucketsMax: 2000,
  /** Services that are listed; further ones are counted in the totals only. */
  servicesMax: 100,
  /** Records that facets are made of. */
  facetRowsMax: 100_000,
  /** Fields of a question for facets; more are refused. */
  facetFieldsMax: 20,
} as const;

export const MINUTE_NS = 60_000_000_000n;
const SECOND_NS = 1_000_000_000n;

/** The period in whole steps: those at its ends are as long as all others. */
export function widened({ fromNs, toNs }: Period, stepNs: bigint): Period {
  return { fromNs: (fromNs / stepNs) * stepNs, toNs: ((toNs + stepNs - 1n) / stepNs) * stepNs };
}

/** Fields that the rollup has. */
const ROLLED_UP = new Set(['service', 'level', 'severity', 'severity_text']);

/** Whether the rollup by minute can answer it. */
function isRolledUp(node: SearchNode, deleted: readonly DeletedLog[]): boolean {
  if (deleted.length > 0) return false;
  switch (node.type) {
    case 'all': return true;
    case 'not': return isRolledUp(node.part, deleted);
    case 'and':
    case 'or': return node.parts.every((part) => isRolledUp(part, deleted));
    default: return ROLLED_UP.has(node.field.toLowerCase());
  }
}

const MINUTE_SQL = 'toStartOfMinute(Timestamp)';

interface CountRow {
  readonly step: number;
  readonly ServiceName: string;
  readonly level: number;
  readonly records: number;
}

interface CountQuestion extends Period {
  readonly search: SearchNode;
  readonly stepNs: bigint;
  readonly byService: boolean;
}

/** Records by step, level and, when asked, service. The period must be in whole steps. */
async function count(reader: LogsReader, question: CountQuestion): Promise<CountRow[]> {
  const { fromNs, toNs, search, stepNs, byService } = question;
  const deleted = await reader.deleted.within(reader.ask, question);
  const { sql, params } = whereOf(search, deleted);
  const rolledUp = stepNs % MINUTE_NS === 0n && isRolledUp(search, deleted);
  const step = rolledUp ? `intDiv(toUnixTimestamp(${MINUTE_SQL}), ${stepNs / SECOND_NS})`
    : `intDiv(toUnixTimestamp64Nano(Timestamp), ${stepNs})`;
  const within = rolledUp ? `${MINUTE_SQL} >= toDateTime({from:Int64})
    AND ${MINUTE_SQL} < toDateTime({to:Int64})` : withinSql('<');
  const by = ['step', 'SeverityNumber', 'SeverityText', ...(byService ? ['ServiceName'] : [])];
  return reader.ask<CountRow>(`SELECT step, ${LEVEL_SQL.logs} AS level,
      ${byService ? 'ServiceName' : "''"} AS ServiceName, sum(records) AS records
    FROM (SELECT ${step} AS step, SeverityNumber, SeverityText,
        ${byService ? 'ServiceName, ' : ''}count() AS records
      FROM otel_logs WHERE ${within} AND ${sql} GROUP BY ${by.join(', ')})
    GROUP BY step, level, ServiceName ORDER BY step`,
  { ...params, fromNs, toNs, from: fromNs / SECOND_NS, to: toNs / SECOND_NS });
}

export type LevelCounts = Readonly<Record<string, number>>;

export interface Bucket {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  /** Levels that occur. */
  readonly levels: LevelCounts;
}

/** Every step of the period, those without records too. */
export async function readHistogram(
  reader: LogsReader,
  question: Period & { readonly search: SearchNode; readonly stepNs: bigint },
): Promise<Bucket[]> {
  const { stepNs } = question;
  const rows = await count(reader, { ...question, byService: false });
  const found = new Map<bigint, Record<string, number>>();
  for (const { step, level, records } of rows) {
    const levels = found.get(BigInt(step)) ?? {};
    levels[levelName(level)] = (levels[levelName(level)] ?? 0) + records;
    found.set(BigInt(step), levels);
  }
  const buckets: Bucket[] = [];
  for (let step = question.fromNs / stepNs; step < question.toNs / stepNs; step += 1n) {
    const levels = found.get(step) ?? {};
    buckets.push({ from: isoOf(step * stepNs), to: isoOf((step + 1n) * stepNs),
      count: sumOf(levels), levels });
  }
  return buckets;
}

const sumOf = (levels: LevelCounts): number =>
  Object.values(levels).reduce((sum, one) => sum + one, 0);

export interface ServiceCounts {
  readonly service: string;
  readonly count: number;
  /** Of level error or fatal. */
  readonly errors: number;
  /** `errors` of `count`, from 0 to 1. */
  readonly error_rate: number;
  readonly levels: LevelCounts;
}

export interface Counts {
  readonly total: number;
  readonly errors: number;
  readonly error_rate: number;
  /** Records for each second of the period. */
  readonly rate: number;
  readonly levels: LevelCounts;
  /** Most records first. */
  readonly services: readonly ServiceCounts[];
  readonly services_total: number;
}

/** The period must be in whole minutes. */
export async function readCounts(
  reader: LogsReader,
  question: Period & { readonly search: SearchNode },
): Promise<Counts> {
  const wholeNs = question.toNs;
  // One step from 0 to the end, which is in whole minutes as the rollup needs it.
  const rows = await count(reader, { ...question, stepNs: wholeNs, byService: true });
  const byService = new Map<string, Record<string, number>>();
  const levels: Record<string, number> = {};
  for (const { ServiceName, level, records } of rows) {
    const own = byService.get(ServiceName) ?? {};
    byService.set(ServiceName, own);
    for (const counts of [own, levels]) {
      counts[levelName(level)] = (counts[levelName(level)] ?? 0) + records;
    }
  }
  const services = [...byService].map(([service, own]) => ({ service, ...ratesOf(own) }))
    .sort((one, other) => other.count - one.count || (one.service < other.service ? -1 : 1));
  const { count: total, ...rates } = ratesOf(levels);
  const seconds = Number(question.toNs - question.fromNs) / 1e9;
  return {
    total, ...rates, rate: total / seconds,
    services: services.slice(0, limits.servicesMax), services_total: services.length,
  };
}

function ratesOf(levels: LevelCounts) {
  const all = sumOf(levels);
  const errors = (levels['error'] ?? 0) + (levels['fatal'] ?? 0);
  return { count: all, errors, error_rate: all === 0 ? 0 : errors / all, levels };
}

export interface StoredSize {
  /** Records that are stored, of all times. */
  readonly records: number;
  readonly bytes_on_disk: number;
  readonly oldest_day: string | null;
}

export async function readSize({ ask }: LogsReader): Promise<StoredSize> {
  const [row] = await ask<{ records: number; bytes: number; oldest: string }>(
    `SELECT sum(rows) AS records, sum(bytes_on_disk) AS bytes, min(partition) AS oldest
    FROM system.parts WHERE database = currentDatabase() AND table = 'otel_logs' AND active`, {});
  const { records = 0, bytes = 0, oldest = '' } = row ?? {};
  return { records, bytes_on_disk: bytes, oldest_day: records === 0 ? null : oldest };
}

export interface Facet {
  readonly field: string;
  readonly values: ReadonlyArray<{ readonly value: string; readonly count: number }>;
}

export interface Facets {
  /** How many records were looked at. */
  readonly records: number;
  /** Whether there were more: then it is the newest that were looked at. */
  readonly sampled: boolean;
  readonly items: readonly Facet[];
}

export interface FacetQuestion extends Period {
  readonly search: SearchNode;
  readonly fields: readonly string[];
  readonly limit: number;
}

/** The most frequent values of fields; '' stands for records without the field and is left out. */
export async function readFacets(reader: LogsReader, question: FacetQuestion): Promise<Facets> {
  const { fromNs, toNs, search, fields, limit } = question;
  const { sql, params } = whereOf(search, await reader.deleted.within(reader.ask, question));
  const names = Object.fromEntries(fields.map((field, index) => [`field${index}`, field]));
  const pairs = fields.map((field, index) =>
    `({field${index}:String}, toString(${valueSql(field, index)}))`);
  const keys = Object.assign({}, ...fields.map((field, index) =>
    keyParams(field, index))) as Record<string, string>;
  const rows = await reader.ask<{ field: string; value: string; records: number }>(
    `SELECT pair.1 AS field, pair.2 AS value, count() AS records FROM (
      SELECT arrayJoin([('', ''), ${pairs.join(', ')}]) AS pair FROM (
        SELECT * FROM otel_logs WHERE ${withinSql('<')} AND ${sql}
        ORDER BY toStartOfFiveMinutes(Timestamp) DESC, Timestamp DESC
        LIMIT ${limits.facetRowsMax + 1}))
    WHERE pair.1 = '' OR pair.2 != ''
    GROUP BY field, value ORDER BY records DESC, value LIMIT ${limit} BY field`,
    { ...params, ...names, ...keys, fromNs, toNs });
  const records = rows.find(({ field }) => field === '')?.records ?? 0;
  return {
    records: Math.min(records, limits.facetRowsMax),
    sampled: records > limits.facetRowsMax,
    items: fields.map((field) => ({ field, values: rows.filter((row) => row.field === field)
      .map(({ value, records: times }) => ({ value, count: times })) })),
  };
}

const LEVEL_NAME_SQL = `multiIf(${LEVEL_SQL.logs} = 0, 'unknown', ${LEVELS.slice(1)
  .map(([, number], index) => `${LEVEL_SQL.logs} < ${number}, '${LEVELS[index]![0]}'`)
  .join(', ')}, 'fatal')`;

function valueSql(field: string, index: number): string {
  const found = fieldOf(field, 'logs');
  if (found.type === 'level') return LEVEL_NAME_SQL;
  if (found.type === 'column') return found.column;
  if (found.type !== 'attribute') return 'Body';
  return lookupSql(found.lookups, index, 0);
}

function lookupSql([first, ...others]: readonly Lookup[], index: number, depth: number): string {
  if (first === undefined) return "''";
  const value = `${MAP_COLUMNS.logs[first.map]}[{key${index}_${depth}:String}]`;
  if (others.length === 0) return value;
  return `if(${value} != '', ${value}, ${lookupSql(others, index, depth + 1)})`;
}

function keyParams(field: string, index: number): Record<string, string> {
  const found = fieldOf(field, 'logs');
  const lookups = found.type === 'attribute' ? found.lookups : [];
  return Object.fromEntries(lookups.map(({ key }, depth) => [`key${index}_${depth}`, key]));
}

