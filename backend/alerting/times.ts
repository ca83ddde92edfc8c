// When a route is mute or active: Alertmanager's time intervals, on the wall clock of a place.
//
// - An interval holds a moment when each of its parts does, and a part when one of its ranges does;
//   a part that is not there holds always.
// - Times are minutes of the day, the end not inside; everything else is with both ends.
// - The wall clock decides. An hour that daylight saving time leaves out is never inside, one that
//   comes twice is inside twice.

/** From and to, both inside. */
export type Range = readonly [first: number, last: number];

export interface TimeInterval {
  /** Minutes since midnight; the last one is not inside. Null: at any time. */
  readonly times: readonly Range[] | null;
  /** 0 is Sunday. */
  readonly weekdays: readonly Range[] | null;
  /** 1 to 31, or -1 (the last of the month) to -31. */
  readonly daysOfMonth: readonly Range[] | null;
  readonly months: readonly Range[] | null;
  readonly years: readonly Range[] | null;
  /** An IANA name. */
  readonly location: string;
}

/** Which of the named intervals hold the moment, each once. */
export function intervalsAt(
  names: readonly string[],
  intervals: ReadonlyMap<string, readonly TimeInterval[]>,
  atMs: number,
): string[] {
  return names.filter((name) =>
    (intervals.get(name) ?? []).some((interval) => holdsMoment(interval, atMs)));
}

export function holdsMoment(interval: TimeInterval, atMs: number): boolean {
  const { year, month, day, weekday, minute } = wallClock(atMs, interval.location);
  const within = (ranges: readonly Range[] | null, value: number) =>
    ranges === null || ranges.some(([first, last]) => value >= first && value <= last);
  return (interval.times === null
      || interval.times.some(([first, end]) => minute >= first && minute < end))
    && holdsDay(interval.daysOfMonth, day, daysIn(year, month))
    && within(interval.months, month)
    && within(interval.weekdays, weekday)
    && within(interval.years, year);
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

export interface WallClock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Since midnight, as the clock on the wall shows it. */
  readonly minute: number;
}

/** What calendar and clock show there. Throws RangeError for an unknown zone. */
export function wallClock(atMs: number, zone: string): WallClock {
  const parts = new Map(formatOf(zone).formatToParts(atMs).map(({ type, value }) =>
    [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? NaN;
  const [year, month, day] = [part('year'), part('month'), part('day')];
  return {
    year, month, day, minute: part('hour') * 60 + part('minute'),
    weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
  };
}

const limits = {
  /** Zones whose formats are kept; beyond it all are made anew. */
  zonesMax: 1000,
} as const;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  if (formats.size >= limits.zonesMax) formats.clear();
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
    hour: 'numeric', minute: 'numeric',
  });
  formats.set(zone, format);
  return format;
}

const daysIn = (year: number, month: number): number =>
  new Date(Date.UTC(year, month, 0)).getUTCDate();

/** Negative days count from the end; what is beyond the month is cut to it. */
function holdsDay(ranges: readonly Range[] | null, day: number, days: number): boolean {
  if (ranges === null) return true;
  const dayOf = (written: number) => (written < 0 ? days + written + 1 : written);
  return ranges.some(([first, last]) => {
    const begin = dayOf(first);
    return begin <= days && day >= begin && day <= Math.min(dayOf(last), days);
  });
}
