// Times: from a field of an entry to nanoseconds since the epoch, by a layout (layout.ts) or as a
// number (`epoch`). A time without a year is of the current year, or of the last one if it would
// be more than 7 days ahead, as in the Collector; February 29th goes back to a leap year.

import * as z from 'zod';
import { fault, strictObject } from '../../config/schema.ts';
import type { Clock } from '../../runtime/clock.ts';
import { field, getField, type Entry, type Value } from './entry.ts';
import { MONTHS, parseGotime, parseStrptime, type Layout, type Part } from './layout.ts';
import { abbreviationOffsetMs, parseZone, UTC, type Zone } from './zone.ts';

const EPOCH_LAYOUTS = ['s', 'ms', 'us', 'ns', 's.ms', 's.us', 's.ns'];
const AHEAD_MS_MAX = 7 * 86_400_000;
/** The end of what fits in 64 bits unsigned. */
const TIME_NS_MAX = 2n ** 64n - 1n;
/** Longer text is no time. */
const TEXT_CHARS_MAX = 200;

/** The keys, for `timestamp` blocks and for time_parser. */
export const timeKeys = () => ({
  parse_from: field().describe('Field that holds the time.'),
  layout_type: z.enum(['strptime', 'gotime', 'epoch']).describe('How the layout is written.')
    .default('strptime'),
  layout: z.string().min(1).describe('What the time looks like, such as %Y-%m-%d %H:%M:%S.'),
  location: z.string().describe('Time zone of times without one: Local, UTC or a name such as '
    + 'Europe/Berlin.').optional(),
  time_zone_locations: z.record(z.string(), z.string())
    .describe('Time zone abbreviations (PDT) to locations.').default({}),
});

const shape = () => strictObject(timeKeys());
export type TimeConfig = z.output<ReturnType<typeof shape>>;

export const timeBlock = () => shape().superRefine((config, ctx) => {
  checkTime(config, ctx);
});

/** Reports what of the keys cannot be used. */
export function checkTime(config: TimeConfig, ctx: z.core.$RefinementCtx<unknown>): void {
  if (config.layout_type === 'epoch') {
    if (!EPOCH_LAYOUTS.includes(config.layout)) {
      fault(ctx, 'is not a layout of type epoch', `known: ${EPOCH_LAYOUTS.join(', ')}`, ['layout']);
    }
  } else if (parseLayout(config) === null) {
    fault(ctx, `is not a layout of type ${config.layout_type}`,
      'write it like %Y-%m-%dT%H:%M:%S.%L%z (strptime) or 2006-01-02T15:04:05Z07:00 (gotime)',
      ['layout']);
  }
  const zones: [string, (string | number)[]][] = Object.entries(config.time_zone_locations)
    .map(([name, zone]) => [zone, ['time_zone_locations', name]]);
  if (config.location !== undefined) zones.push([config.location, ['location']]);
  for (const [zone, path] of zones) {
    if (parseZone(zone) === null) {
      fault(ctx, 'is not a time zone', 'write Local, UTC or a name such as Europe/Berlin', path);
    }
  }
}

/** Sets the time of an entry; answers what went wrong, or null. */
export type TimeStep = (entry: Entry) => string | null;

export function createTime(config: TimeConfig, clock: Clock): TimeStep {
  const read = config.layout_type === 'epoch'
    ? (value: Value) => readEpoch(value, config.layout)
    : layoutReader(config, clock);
  return (entry) => {
    const value = getField(entry, config.parse_from);
    if (value === undefined) return 'the field of the time is not there';
    const timeNs = read(value);
    if (timeNs === null) return 'the time does not fit the layout';
    if (timeNs < 0n || timeNs > TIME_NS_MAX) return 'the time is out of range';
    entry.timeNs = timeNs;
    return null;
  };
}

function parseLayout({ layout, layout_type }: TimeConfig): Layout | null {
  return layout_type === 'gotime' ? parseGotime(layout) : parseStrptime(layout);
}

function layoutReader(config: TimeConfig, clock: Clock): (value: Value) => bigint | null {
  const layout = parseLayout(config)!;
  const zone = config.location === undefined && layout.endsInZ
    ? UTC
    : parseZone(config.location ?? 'Local')!;
  const zones = new Map(Object.entries(config.time_zone_locations)
    .map(([name, location]) => [name, parseZone(location)!]));
  return (value) => {
    if (typeof value !== 'string' || value.length > TEXT_CHARS_MAX) return null;
    const match = layout.expression.exec(value);
    if (match === null) return null;
    const parsed = readParts(layout.parts, match);
    return parsed === null ? null : toTimeNs(parsed, { zone, zones, nowMs: clock.nowMs() });
  };
}

interface Moment {
  year: number | undefined;
  month: number;
  day: number;
  hour: number;
  half: 'am' | 'pm' | undefined;
  minute: number;
  second: number;
  nanosecond: number;
  offset: string | undefined;
  zone: string | undefined;
}

function readParts(parts: readonly Part[], match: RegExpExecArray): Moment | null {
  const moment: Moment = {
    year: undefined, month: 1, day: 1, hour: 0, half: undefined, minute: 0, second: 0,
    nanosecond: 0, offset: undefined, zone: undefined,
  };
  for (let index = 0; index < parts.length; index++) {
    const text = match[index + 1];
    if (text !== undefined) readPart(moment, parts[index]!, text);
  }
  if (moment.half !== undefined) {
    if (moment.hour < 1 || moment.hour > 12) return null;
    moment.hour = (moment.hour % 12) + (moment.half === 'pm' ? 12 : 0);
  }
  const { month, hour, minute, second } = moment;
  const valid = month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 60;
  return valid ? moment : null;
}

function readPart(moment: Moment, part: Part, text: string): void {
  switch (part) {
    case 'year4': moment.year = Number(text); break;
    // As Go: 69 to 99 are of the last century.
    case 'year2': moment.year = Number(text) + (Number(text) >= 69 ? 1900 : 2000); break;
    case 'month': moment.month = Number(text); break;
    case 'monthName': moment.month = MONTHS.indexOf(text.slice(0, 3).toLowerCase()) + 1; break;
    case 'day': moment.day = Number(text); break;
    case 'hour24':
    case 'hour12': moment.hour = Number(text); break;
    case 'half': moment.half = text.toLowerCase() as 'am' | 'pm'; break;
    case 'minute': moment.minute = Number(text); break;
    case 'second': moment.second = Number(text); break;
    case 'fraction': moment.nanosecond = Number(text.padEnd(9, '0')); break;
    case 'offset': moment.offset = text; break;
    case 'zone': moment.zone = text; break;
    case 'weekday': break;
  }
}

interface Place {
  readonly zone: Zone;
  readonly zones: ReadonlyMap<string, Zone>;
  readonly nowMs: number;
}

function toTimeNs(moment: Moment, place: Place): bigint | null {
  const { year } = moment;
  if (year !== undefined) return inYear(moment, year, place);
  const current = new Date(place.nowMs).getUTCFullYear();
  // One more than the current year: on New Year's Eve it is next year already somewhere.
  const limitNs = BigInt(place.nowMs + AHEAD_MS_MAX) * 1_000_000n;
  for (let candidate = current + 1; candidate > current - 8; candidate--) {
    const timeNs = inYear(moment, candidate, place);
    if (timeNs !== null && timeNs <= limitNs) return timeNs;
  }
  return null;
}

function inYear(moment: Moment, year: number, { zone, zones }: Place): bigint | null {
  const { month, day, hour, minute, second, nanosecond } = moment;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (day < 1 || date.getUTCMonth() !== month - 1) return null;
  const localMs = date.getTime() + hour * 3_600_000 + minute * 60_000 + second * 1000;
  const utcMs = toUtcMs(localMs, moment, zone, zones);
  return utcMs === null ? null : BigInt(utcMs) * 1_000_000n + BigInt(nanosecond);
}

function toUtcMs(
  localMs: number,
  { offset, zone: abbreviation }: Moment,
  zone: Zone,
  zones: ReadonlyMap<string, Zone>,
): number | null {
  if (offset !== undefined) return localMs - offsetMs(offset);
  if (abbreviation === undefined) return zone.toUtcMs(localMs);
  if (/^[+-]/.test(abbreviation)) return localMs - offsetMs(abbreviation);
  const named = zones.get(abbreviation);
  if (named !== undefined) return named.toUtcMs(localMs);
  const knownMs = abbreviationOffsetMs(abbreviation);
  return knownMs === null ? null : localMs - knownMs;
}

function offsetMs(text: string): number {
  if (text === 'Z') return 0;
  const digits = text.slice(1).replaceAll(':', '').padEnd(6, '0');
  const seconds = Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2, 4)) * 60
    + Number(digits.slice(4, 6));
  return (text[0] === '-' ? -seconds : seconds) * 1000;
}

const DIGITS: Record<string, number> = { s: 0, ms: 3, us: 6, ns: 9 };

/** Digits are moved as text, so that nanoseconds lose nothing where the value has them all. */
function readEpoch(value: Value, layout: string): bigint | null {
  const text = epochText(value);
  const match = text === null ? null : /^(-?\d{1,20})(?:\.(\d{1,18}))?$/.exec(text);
  if (match === null) return null;
  const [unit, fraction] = layout.split('.') as [string, string?];
  const whole = BigInt(match[1]!) * 10n ** BigInt(9 - DIGITS[unit]!);
  if (match[2] === undefined) return whole;
  if (fraction === undefined) return typeof value === 'number' ? whole : null;
  return whole + BigInt(match[2].padEnd(9, '0').slice(0, 9));
}

function epochText(value: Value): string | null {
  if (typeof value === 'string') return value.length <= TEXT_CHARS_MAX ? value : null;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return null;
  return Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(9);
}
