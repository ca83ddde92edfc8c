// What questions over HTTP have in common: the period they are about (`from`, `to`), steps, how
// many items an answer has (`limit`), where it goes on (`cursor`), and the form of a list:
//
//     { "items": [ … ], "next": "<cursor>" | null }
//
// Values come as text out of the URL. All functions throw ApiError for one that cannot be right.
//
//   2026-01-02, 2026-01-02T03:04:05.678+01:00   ISO 8601; UTC without a zone; a blank for T, and
//                                               for the + that a URL takes for a blank
//   1767323045, …678, …678901, …678901234       seconds, ms, µs or ns since 1970, by their length
//   now, now-15m, -15m                          before the present moment: s, m, h, d, w

import { ApiError, ERROR_SCHEMA } from './errors.ts';

export const limits = {
  /** Items of an answer unless the caller says otherwise. */
  itemsDefault: 100,
  /** Items of an answer; a higher `limit` is refused. */
  itemsMax: 1000,
  /** A longer period is refused, unless a route says otherwise. */
  periodMsMax: 400 * 86_400_000,
  /** Characters of a time, duration or number; more are refused. */
  timeCharactersMax: 64,
  /** Characters of a cursor; a longer one is refused. */
  cursorCharactersMax: 2000,
} as const;

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

const NS_IN_MS = 1_000_000n;

/** Milliseconds since 1970; `toMs` is not inside. */
export interface Period {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Nanoseconds since 1970; `toNs` is not inside. */
export interface PeriodNs {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface AskedPeriod {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface PeriodOptions {
  readonly nowMs: number;
  /** Length of the period when `from` is not given. */
  readonly defaultMs: number;
  /** Its end when `to` is not given; the present unless said otherwise. */
  readonly defaultToMs?: number;
  /** A longer period is refused. */
  readonly periodMsMax?: number;
}

/** A period to the millisecond. */
export function readPeriod(asked: AskedPeriod, options: PeriodOptions): Period {
  const { fromNs, toNs } = readPeriodNs(asked, options);
  return { fromMs: wholeMs('from', fromNs), toMs: wholeMs('to', toNs) };
}

/** A period to the nanosecond. */
export function readPeriodNs({ from, to }: AskedPeriod, options: PeriodOptions): PeriodNs {
  const { nowMs, defaultMs, defaultToMs = nowMs, periodMsMax = limits.periodMsMax } = options;
  const toNs = to === undefined ? nsOf(defaultToMs) : readInstantNs('to', to, nowMs);
  const fromNs = from === undefined ? latest(0n, toNs - nsOf(defaultMs))
    : readInstantNs('from', from, nowMs);
  if (fromNs >= toNs) throw invalid('from must be before to');
  if (toNs - fromNs > nsOf(periodMsMax)) {
    throw invalid(`the period is longer than ${periodMsMax / DAY_MS} days`);
  }
  return { fromNs, toNs };
}

const latest = (first: bigint, second: bigint): bigint => (first > second ? first : second);

export const invalid = (message: string): ApiError => new ApiError('INVALID_REQUEST', message);

const nsOf = (ms: number): bigint => BigInt(Math.round(ms)) * NS_IN_MS;

function wholeMs(name: string, ns: bigint): number {
  if (ns % NS_IN_MS !== 0n) {
    throw invalid(`${name} must be a time like ${EXAMPLE}, to the millisecond at most`);
  }
  return Number(ns / NS_IN_MS);
}

const EXAMPLE = '2026-01-02T03:04:05Z';

const ISO =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[-+ ]\d\d:?\d\d)?)?$/i;
const EPOCH = /^\d{1,19}$/;
const RELATIVE = /^(?:now)?-(\d{1,7}(?:\.\d{1,3})?)([smhdw])$/;

/** Nanoseconds since 1970; `name` is the parameter's, for the error. */
export function readInstantNs(name: string, text: string, nowMs: number): bigint {
  const ns = text.length > limits.timeCharactersMax ? null : instantOf(text, nowMs);
  if (ns === null || ns < 0n || ns > INSTANT_NS_MAX) {
    throw invalid(`${name} must be a time like ${EXAMPLE}, now-15m, or a number since 1970`);
  }
  return ns;
}

/** The end of the year 2105, with which the times of the tables end. */
const INSTANT_NS_MAX = 4_291_747_200_000_000_000n;

function instantOf(text: string, nowMs: number): bigint | null {
  if (text === 'now') return nsOf(nowMs);
  const relative = RELATIVE.exec(text);
  if (relative !== null) return nsOf(nowMs - Number(relative[1]) * UNITS[relative[2]!]!);
  if (EPOCH.test(text)) return BigInt(text) * epochUnitNs(text.length);
  const [, day, time = '00:00', seconds = '00', fraction = '', zone = 'Z'] = ISO.exec(text) ?? [];
  if (day === undefined) return null;
  const offset = zone.replace(' ', '+').replace(/^(.\d\d)(\d\d)$/, '$1:$2');
  const ms = Date.parse(`${day}T${time}:${seconds}${offset.toUpperCase()}`);
  return Number.isNaN(ms) ? null : nsOf(ms) + BigInt(fraction.padEnd(9, '0'));
}

/** Seconds have 10 digits in our time, milliseconds 13, and so on. */
function epochUnitNs(digits: number): bigint {
  if (digits <= 11) return 1_000_000_000n;
  if (digits <= 14) return NS_IN_MS;
  return digits <= 17 ? 1000n : 1n;
}

const UNITS: Readonly<Record<string, number>> = {
  s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: WEEK_MS,
};

/** Milliseconds of `30s`, `5m`, `1h`, `1d`, `1w`; never 0. */
export function readDuration(name: string, text: string): number {
  const [, count, unit] = /^(\d{1,7})([smhdw])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS[unit ?? ''] ?? 0);
  if (!(ms > 0)) {
    throw invalid(`${name} must be whole seconds, minutes, hours, days or weeks, like 30s or 5m`);
  }
  return ms;
}

/** The shortest of usual steps that makes at most `stepsMax` of a period, at multiples of it. */
export function fittingStepMs({ fromMs, toMs }: Period, stepsMax: number): number {
  const least = (toMs - fromMs) / stepsMax;
  return STEPS_MS.find((ms) => ms >= least) ?? Math.ceil(least / DAY_MS) * DAY_MS;
}

const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR_MS), DAY_MS, WEEK_MS,
];

/** How many items are asked for. */
export function readLimit(
  text: string | undefined,
  itemsMax: number = limits.itemsMax,
  itemsDefault: number = limits.itemsDefault,
): number {
  if (text === undefined) return Math.min(itemsDefault, itemsMax);
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > itemsMax) throw invalid(`limit must be from 1 to ${itemsMax}`);
  return count;
}

/** An opaque text for a place in a list; what `JSON.stringify` can write. */
export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place in a cursor; `isPlace` looks whether it is one of this list. */
export function decodeCursor<T>(text: string, isPlace: (place: unknown) => place is T): T {
  const place = text.length > limits.cursorCharactersMax ? undefined : placeIn(text);
  if (!isPlace(place)) throw invalid('cursor must be the `next` of an earlier answer');
  return place;
}

function placeIn(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown;
  } catch {
    return undefined;
  }
}

export interface List<T> {
  readonly items: readonly T[];
  /** Cursor of what follows; null when nothing does. */
  readonly next: string | null;
}

/** A page of a list: `found` has one item more than `limit` when something follows. */
export function pageOf<T>(
  found: readonly T[],
  limit: number,
  placeOf: (last: T) => unknown,
): List<T> {
  const items = found.slice(0, limit);
  const next = found.length > limit ? encodeCursor(placeOf(items.at(-1)!)) : null;
  return { items, next };
}

const textSchema = (description: string, maxLength: number) =>
  ({ type: 'string', maxLength, description }) as const;

const TIME_FORMS = 'ISO 8601, seconds, ms, µs or ns since 1970, now, now-15m, or -15m.';

/** Of a time in the URL. */
export const timeSchema = (description: string) =>
  textSchema(`${description} ${TIME_FORMS}`, limits.timeCharactersMax);

/** Of `from` and `to`. */
export const periodSchema = (defaultText: string) => ({
  from: timeSchema(`${defaultText} before \`to\` unless given.`),
  to: timeSchema('Not inside. Now unless given.'),
});

export const STEP_SCHEMA =
  textSchema('Such as 10s, 5m, 1h, 1d, at multiples of it since 1970.', limits.timeCharactersMax);
export const LIMIT_SCHEMA = textSchema(
  `Items of the answer, up to ${limits.itemsMax}; ${limits.itemsDefault} unless given.`, 10);
export const CURSOR_SCHEMA =
  textSchema('`next` of the answer before, to go on behind it.', limits.cursorCharactersMax);

/** Of a list of `item`. */
export const listSchema = (item: object) => ({
  type: 'object',
  required: ['items', 'next'],
  properties: {
    items: { type: 'array', items: item },
    next: { type: 'string', nullable: true, description: 'Cursor of what follows, or null.' },
  },
  additionalProperties: true,
});

/** Of an answer that is an error, for a route's `response`. */
export const problems = (description: string) => ({
  description, content: { 'application/json': { schema: ERROR_SCHEMA } },
});

/** Of an answer in JSON, for a route's `response`. */
export const answers = (description: string, schema: object) => ({
  description, content: { 'application/json': { schema } },
});
