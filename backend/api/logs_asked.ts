// What the routes about logs have in common: the parameters that choose records, how the desk is
// asked for them, and where a page goes on.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../runtime/world.ts';
import type { DeletedLogs } from '../logs/deleted.ts';
import type { LogsReader } from '../logs/logs.ts';
import { isPlace, type AskRows, type Place } from '../logs/page.ts';
import { FILTERS, type Filters, type Period } from '../logs/where.ts';
import type { Desk } from '../query/desk.ts';
import { limits as searchLimits } from '../search/node.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';
import { DAY_MS, decodeCursor, encodeCursor, invalid, MINUTE_MS, readPeriodNs, timeSchema }
  from './period.ts';

export const limits = {
  /** Characters of a value to choose by; a longer one is refused. */
  valueCharactersMax: 1000,
} as const;

export interface ReadingOptions {
  readonly desk: Desk;
  readonly world: World;
  readonly deleted: DeletedLogs;
}

export function askerOf({ desk }: ReadingOptions, request: FastifyRequest, reply: FastifyReply):
  AskRows {
  const caller = callerOf(request);
  const abort = leavingOf(reply);
  return (sql, params) => desk.rows({ sql, params }, caller, abort);
}

export function readerOf(
  options: ReadingOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): LogsReader {
  return { ask: askerOf(options, request, reply), deleted: options.deleted };
}

export type AskedLogs = Filters & Readonly<Partial<Record<
  'from' | 'to' | 'start_time' | 'end_time' | 'limit' | 'cursor', string>>>;

/** Clocks of hosts may be ahead by so much, for lists that end now. */
const AHEAD_MS = 5 * MINUTE_MS;
const LIST_MS = 7 * DAY_MS;

/** A period for lists; `start_time` and `end_time` are other names for `from` and `to`. */
export function periodOf(asked: AskedLogs, nowMs: number): Period {
  return readAsked(asked, nowMs, LIST_MS, AHEAD_MS);
}

/** A period for counts: the last day unless told otherwise. */
export const countedPeriodOf = (asked: AskedLogs, nowMs: number): Period =>
  readAsked(asked, nowMs, DAY_MS, 0);

function readAsked(asked: AskedLogs, nowMs: number, lengthMs: number, aheadMs: number): Period {
  if (asked.from !== undefined && asked.start_time !== undefined) {
    throw invalid('start_time is another name for from; give one of them');
  }
  if (asked.to !== undefined && asked.end_time !== undefined) {
    throw invalid('end_time is another name for to; give one of them');
  }
  const period = { from: asked.from ?? asked.start_time, to: asked.to ?? asked.end_time };
  const defaultToMs = nowMs + aheadMs;
  return readPeriodNs(period, { nowMs, defaultMs: lengthMs + aheadMs, defaultToMs });
}

interface CursorPlace {
  /** The beginning of the period of the first page. */
  readonly from: string;
  readonly place: Place;
}

const isCursorPlace = (value: unknown): value is CursorPlace => {
  const { from, place } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof from === 'string' && /^\d{1,19}$/.test(from) && isPlace(place);
};

/** The period and the place of a page; relative times mean what they meant for the first one. */
export function pageOf(asked: AskedLogs, nowMs: number): Period & { readonly place: Place | null } {
  if (asked.cursor === undefined) return { ...periodOf(asked, nowMs), place: null };
  const { from, place } = decodeCursor(asked.cursor, isCursorPlace);
  return { fromNs: BigInt(from), toNs: BigInt(place.ns) + 1n, place };
}

export const cursorOf = ({ fromNs }: Period, place: Place | null): string | null =>
  place && encodeCursor({ from: String(fromNs), place });

const text = (description: string, maxLength: number = limits.valueCharactersMax) =>
  ({ type: 'string', maxLength, description });

const MEANING: Readonly<Record<keyof typeof FILTERS, string>> = {
  service: 'Only of this service.',
  level: 'Only of this level: trace, debug, info, warn, error, fatal, unknown.',
  event_type: 'Only events of this kind.',
  trace_id: 'Only of this trace.',
  span_id: 'Only of this span.',
  host: 'Only from this host.',
  user_id: 'Only of this user.',
  request_id: 'Only of this request.',
  correlation_id: 'Only with this correlation id.',
};

/** Of what chooses records. */
export const FILTER_SCHEMAS = {
  q: text('A search: docs/search.md.', searchLimits.charactersMax),
  ...Object.fromEntries(Object.entries(MEANING).map(([name, meaning]) => [name, text(meaning)])),
};

export const lengthSchema = (name: string) => ({
  from: timeSchema(`${name} before \`to\` unless given.`),
  to: timeSchema('Not inside. Now unless given.'),
  start_time: timeSchema('Another name for `from`.'),
  end_time: timeSchema('Another name for `to`.'),
});
