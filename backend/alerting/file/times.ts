// Time intervals as a person writes them: `monday:friday`, `-3:-1`, `09:00` to `17:00`.

import * as z from 'zod';
import { fault, strictObject } from '../../../config/schema.ts';
import { isTimeZone, type Range, type TimeInterval } from '../times.ts';

export interface NamedTimes {
  readonly name: string;
  readonly time_intervals: readonly TimeInterval[];
}

export const timeIntervals = (): z.ZodType<readonly NamedTimes[]> => z.array(strictObject({
  name: z.string().min(1).describe('By which routes name it.'),
  time_intervals: z.array(interval()).describe('It holds when one of these does.').default([]),
})).default([]);

const interval = (): z.ZodType<TimeInterval> => strictObject({
  times: z.array(strictObject({
    start_time: z.string().describe('From, such as 09:00.'),
    end_time: z.string().describe('Until, such as 17:00 or 24:00; not inside.'),
  }).transform(timesOf)).describe('Times of the day.').optional(),
  weekdays: ranges(weekdayOf, 'monday or monday:friday').describe('Days of the week.').optional(),
  days_of_month: daysOfMonth().describe('Days from 1, or back from -1, the last.').optional(),
  months: ranges(monthOf, 'january, 1 or january:march').describe('Months.').optional(),
  years: ranges(yearOf, '2027 or 2027:2030').describe('Years.').optional(),
  location: z.string().superRefine((name, ctx) => {
    if (!isTimeZone(name)) fault(ctx, 'is not a time zone', 'write it like Europe/Berlin or UTC');
  }).describe('Time zone of all that; an IANA name.').default('UTC'),
}).transform((written): TimeInterval => ({
  times: written.times ?? null,
  weekdays: written.weekdays ?? null,
  daysOfMonth: written.days_of_month ?? null,
  months: written.months ?? null,
  years: written.years ?? null,
  location: written.location,
})) as z.ZodType<TimeInterval>;

function timesOf(
  { start_time: start, end_time: end }: { start_time: string; end_time: string },
  ctx: z.core.$RefinementCtx<unknown>,
): Range {
  const [first, last] = [minuteOf(start), minuteOf(end)];
  const hint = 'write it like 09:00; the last of a day is 24:00';
  if (first === null) fault(ctx, 'is not a time of the day', hint, ['start_time']);
  if (last === null) fault(ctx, 'is not a time of the day', hint, ['end_time']);
  if (first !== null && last !== null && first >= last) {
    fault(ctx, 'must be later than start_time', 'over midnight needs two entries', ['end_time']);
  }
  return [first ?? 0, last ?? 0];
}

function minuteOf(text: string): number | null {
  const match = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(text);
  if (match === null) return null;
  return match[1] === undefined ? 1440 : Number(match[1]) * 60 + Number(match[2]);
}

/** Texts such as `a:b` or `a`, of members that `member` knows. */
function ranges(member: (text: string) => number | null, example: string) {
  const entry = z.union([z.string(), z.number()]).transform((written, ctx): Range => {
    const range = rangeOf(String(written), member);
    if (range === null) fault(ctx, 'is not such a range', `write it like ${example}`);
    else if (range[0] > range[1]) fault(ctx, 'ends before it begins', `write it like ${example}`);
    return range ?? [0, 0];
  });
  return z.array(entry);
}

function daysOfMonth() {
  const example = 'write it like 1:5 or -3:-1';
  return z.array(z.union([z.string(), z.number()]).transform((written, ctx): Range => {
    const range = rangeOf(String(written), dayOf);
    if (range === null) {
      fault(ctx, 'is not a range of days of a month', example);
      return [1, 1];
    }
    const [first, last] = range;
    // In the shortest month, so that it is wrong in none.
    const early = (day: number) => (day < 0 ? 28 + day : day);
    if (first < 0 && last > 0) fault(ctx, 'must end with a negative day, too', example);
    else if (early(first) > early(last)) fault(ctx, 'ends before it begins', example);
    return range;
  }));
}

function rangeOf(text: string, member: (text: string) => number | null): Range | null {
  const [first = '', last = first, ...rest] = text.trim().toLowerCase().split(':');
  const [from, to] = [member(first.trim()), member(last.trim())];
  return from === null || to === null || rest.length > 0 ? null : [from, to];
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august',
  'september', 'october', 'november', 'december'];

function weekdayOf(text: string): number | null {
  const index = WEEKDAYS.indexOf(text);
  return index === -1 ? null : index;
}

function monthOf(text: string): number | null {
  const index = MONTHS.indexOf(text);
  return index === -1 ? numberOf(text, 1, 12) : index + 1;
}

const yearOf = (text: string): number | null => numberOf(text, 1970, 9999);

function dayOf(text: string): number | null {
  const day = numberOf(text, -31, 31);
  return day === 0 ? null : day;
}

function numberOf(text: string, min: number, max: number): number | null {
  if (!/^-?\d{1,4}$/.test(text)) return null;
  const number = Number(text);
  return number >= min && number <= max ? number : null;
}
