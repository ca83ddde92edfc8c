// From what a text says by its layout to nanoseconds since the epoch. A time without a year is of
// the current year, or of the last one if it would be more than 7 days ahead, as in the Collector;
// February 29th goes back to a leap year.

import { MONTHS, type Layout, type Part } from './layout.ts';
import { abbreviationOffsetMs, type Zone } from './zone.ts';

/** What a text says of a time, before it is known where. */
export interface Moment {
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

/** Null when the text does not fit the layout. */
export function readMoment({ expression, parts }: Layout, text: string): Moment | null {
  const match = expression.exec(text);
  if (match === null) return null;
  const moment: Moment = {
    year: undefined, month: 1, day: 1, hour: 0, half: undefined, minute: 0, second: 0,
    nanosecond: 0, offset: undefined, zone: undefined,
  };
  for (let index = 0; index < parts.length; index++) {
    const found = match[index + 1];
    if (found !== undefined) readPart(moment, parts[index]!, found);
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

/** What a time that says too little is completed with. */
export interface Place {
  readonly zone: Zone;
  /** Of abbreviations. */
  readonly zones: ReadonlyMap<string, Zone>;
  readonly nowMs: number;
}

const AHEAD_MS_MAX = 7 * 86_400_000;

/** Nanoseconds since the epoch; null for a day or a zone that there is not. */
export function momentNs(moment: Moment, place: Place): bigint | null {
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
