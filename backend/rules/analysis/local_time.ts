// Hours of the week as people live them: in a time zone, so that what happens at nine happens at
// nine before and after the clocks are changed.

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-01 was a Thursday; weeks begin on Monday. */
const MONDAY_MS = 3 * DAY_MS;

export interface LocalTime {
  /** Milliseconds since the week began, from 0. */
  ofWeekMs(atMs: number): number;
  ofDayMs(atMs: number): number;
}

export const limits = {
  /** Days whose offset is remembered; with more, all are looked up again. */
  daysMax: 10_000,
} as const;

/** Throws RangeError for a zone that is not known. `zone`: an IANA name. */
export function createLocalTime(zone: string): LocalTime {
  const offsetMs = zone === 'UTC' ? () => 0 : offsetsOf(zone);
  const within = (ms: number, lengthMs: number) => ((ms % lengthMs) + lengthMs) % lengthMs;
  return {
    ofWeekMs: (atMs) => within(atMs + offsetMs(atMs) + MONDAY_MS, WEEK_MS),
    ofDayMs: (atMs) => within(atMs + offsetMs(atMs), DAY_MS),
  };
}

function offsetsOf(zone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
    hour: 'numeric', minute: 'numeric', second: 'numeric',
  });
  // Of a day of UTC; null for one on which the clocks are changed.
  const days = new Map<number, number | null>();
  return (atMs) => {
    const day = Math.floor(atMs / DAY_MS);
    let found = days.get(day);
    if (found === undefined) {
      if (days.size >= limits.daysMax) days.clear();
      const before = lookUp(format, day * DAY_MS);
      found = before === lookUp(format, (day + 1) * DAY_MS) ? before : null;
      days.set(day, found);
    }
    return found ?? lookUp(format, atMs);
  };
}

function lookUp(format: Intl.DateTimeFormat, atMs: number): number {
  const seconds = Math.floor(atMs / 1000) * 1000;
  const part = Object.fromEntries(format.formatToParts(seconds)
    .map(({ type, value }) => [type, Number(value)])) as Record<string, number>;
  return Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'],
    part['second']) - seconds;
}
