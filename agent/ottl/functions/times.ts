// Converters of times and durations.

import type { Clock } from '../../../runtime/clock.ts';
import { parseGotime, parseStrptime, type Layout } from '../../times/layout.ts';
import { momentNs, readMoment, type Place } from '../../times/moment.ts';
import { parseZone, UTC, type Zone } from '../../times/zone.ts';
import { fail, OttlFault } from '../fault.ts';
import { Duration, Time, type Value } from '../value.ts';
import { converter, type FunctionSpec, type Parameter } from './function.ts';
import { duration, int, literalText, optional, text, time } from './parameters.ts';
import { formatTime, parseFormat, type TimeFormat } from './time_format.ts';

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

/** The calendar of a time where it was. */
const localDate = ({ ns, offsetSeconds }: Time): Date =>
  new Date(Number(floorDivide(ns, NS_PER_MS)) + offsetSeconds * 1000);

const floorDivide = (value: bigint, by: bigint): bigint =>
  (value - (((value % by) + by) % by)) / by;

function ofTime(name: string, convert: (given: Time) => Value): FunctionSpec {
  return converter(name, { value: time() }, ({ value }) => (view) => convert(value(view)));
}

const ofDate = (name: string, part: (date: Date) => number): FunctionSpec =>
  ofTime(name, (given) => BigInt(part(localDate(given))));

function ofDuration(name: string, convert: (ns: bigint) => Value): FunctionSpec {
  return converter(name, { value: duration() }, ({ value }) => (view) => convert(value(view).ns));
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n, us: 1000n, '\u00b5s': 1000n, '\u03bcs': 1000n, ms: NS_PER_MS, s: NS_PER_SECOND,
  m: 60n * NS_PER_SECOND, h: 3600n * NS_PER_SECOND,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

/** As Go's time.ParseDuration; null when it is none. */
export function parseGoDuration(written: string): Duration | null {
  const body = written.replace(/^[+-]/, '');
  if (body === '0') return new Duration(0n);
  let sum = 0n;
  PART.lastIndex = 0;
  while (PART.lastIndex < body.length) {
    const match = PART.exec(body);
    if (match === null) return null;
    const [whole = '', fraction = ''] = match[1]!.split('.');
    const unit = UNITS[match[2]!]!;
    const digits = fraction.slice(0, 18);
    sum += BigInt(whole === '' ? 0 : whole) * unit
      + (BigInt(digits === '' ? 0 : digits) * unit) / 10n ** BigInt(digits.length);
  }
  if (body === '' || BigInt.asIntN(64, sum) !== sum) return null;
  return new Duration(written.startsWith('-') ? -sum : sum);
}

const durationOf = converter('Duration', { duration: text() }, ({ duration: asked }) => (view) =>
  parseGoDuration(asked(view)) ?? fail('this is no duration, such as 1h30m'));

const layout = (): Parameter<Layout> => ({
  type: 'layout of a time',
  optional: false,
  bind: (node, binder) => {
    const written = literalText().bind(node, binder);
    const found = written.includes('%') ? parseStrptime(written) : parseGotime(written);
    if (found !== null) return found;
    throw new OttlFault(node.at, 'this is no layout of a time', 'such as %Y-%m-%dT%H:%M:%S%z');
  },
});

interface Location {
  readonly name: string;
  readonly zone: Zone;
}

const location = (): Parameter<Location> => ({
  type: 'time zone',
  optional: true,
  bind: (node, binder) => {
    const written = literalText().bind(node, binder);
    const name = written === '' ? 'Local' : written;
    const zone = parseZone(name);
    if (zone !== null) return { name, zone };
    throw new OttlFault(node.at, 'this is no time zone', 'such as UTC or Europe/Berlin');
  },
});

const locale = (): Parameter<string> => ({
  type: 'locale',
  optional: true,
  bind: (node, binder) => {
    const written = literalText().bind(node, binder);
    if (written === '' || /^en\b/.test(written)) return written;
    throw new OttlFault(node.at, 'only English names of months and days are read');
  },
});

const limits = {
  /** Longer text is no time. */
  timeChars: 200,
};

const timeOf = converter('Time', {
  target: text(), format: layout(), location: location(), locale: locale(),
}, ({ target, format, location: given }, { environment }) => {
  const place = given ?? (format.endsInZ ? { name: 'UTC', zone: UTC }
    : { name: 'Local', zone: parseZone('Local')! });
  return (view) => {
    const written = target(view);
    const read = written.length > limits.timeChars ? null
      : parseTime(written, format, place, environment.clock);
    return read ?? fail('the text does not fit the layout of the time');
  };
});

const NO_ZONES = new Map<string, Zone>();

function parseTime(
  written: string, format: Layout, { name, zone }: Location, clock: Pick<Clock, 'nowMs'>,
): Time | null {
  const moment = readMoment(format, written);
  if (moment === null) return null;
  const place: Place = { zone, zones: NO_ZONES, nowMs: clock.nowMs() };
  const ns = momentNs(moment, place);
  if (ns === null) return null;
  // What the clock showed there, as if it had been in UTC, tells the offset.
  const shown = momentNs({ ...moment, offset: 'Z', zone: undefined }, place)!;
  const offsetSeconds = Number((shown - ns) / NS_PER_SECOND);
  const zoneName = moment.offset === undefined ? moment.zone ?? name : '';
  return new Time(ns, offsetSeconds, zoneName === 'Local' ? '' : zoneName);
}

const format = (): Parameter<TimeFormat> => ({
  type: 'format of a time',
  optional: false,
  bind: (node, binder) => {
    const found = parseFormat(literalText().bind(node, binder));
    if (found !== null) return found;
    throw new OttlFault(node.at, 'this is no format of a time', 'such as %Y-%m-%dT%H:%M:%S%z');
  },
});

const formatTimeOf = converter('FormatTime', { time: time(), format: format() },
  ({ time: asked, format: written }) => (view) => formatTime(asked(view), written));

/** Seconds from the year 1, from which Go counts, to the epoch. */
const YEAR_ONE_NS = 62_135_596_800n * NS_PER_SECOND;

const truncateTime = converter('TruncateTime', { time: time(), duration: duration() },
  ({ time: asked, duration: step }) => (view) => {
    const given = asked(view);
    const { ns } = step(view);
    if (ns <= 0n) return given;
    const over = (given.ns + YEAR_ONE_NS) % ns;
    return new Time(given.ns - over, given.offsetSeconds, given.zone);
  });

const unix = converter('Unix', { seconds: int(), nanoseconds: optional(int()) },
  ({ seconds, nanoseconds }) => (view) =>
    new Time(seconds(view) * NS_PER_SECOND + (nanoseconds?.(view) ?? 0n)));

const now = converter('Now', {}, (_bound, { environment }) => () =>
  new Time(environment.clock.nowNs()), { pure: false });

const fraction = (unit: bigint) => (ns: bigint): number => Number(ns) / Number(unit);

export const TIME_FUNCTIONS: readonly FunctionSpec[] = [
  durationOf, timeOf, formatTimeOf, truncateTime, unix, now,
  ofDate('Year', (date) => date.getUTCFullYear()),
  ofDate('Month', (date) => date.getUTCMonth() + 1),
  ofDate('Day', (date) => date.getUTCDate()),
  ofDate('Hour', (date) => date.getUTCHours()),
  ofDate('Minute', (date) => date.getUTCMinutes()),
  ofDate('Second', (date) => date.getUTCSeconds()),
  ofDate('Weekday', (date) => date.getUTCDay()),
  ofTime('Nanosecond', ({ ns }) => ns - floorDivide(ns, NS_PER_SECOND) * NS_PER_SECOND),
  ofTime('UnixNano', ({ ns }) => ns),
  ofTime('UnixMicro', ({ ns }) => floorDivide(ns, 1000n)),
  ofTime('UnixMilli', ({ ns }) => floorDivide(ns, NS_PER_MS)),
  ofTime('UnixSeconds', ({ ns }) => floorDivide(ns, NS_PER_SECOND)),
  ofDuration('Hours', fraction(3600n * NS_PER_SECOND)),
  ofDuration('Minutes', fraction(60n * NS_PER_SECOND)),
  ofDuration('Seconds', fraction(NS_PER_SECOND)),
  ofDuration('Milliseconds', (ns) => ns / NS_PER_MS),
  ofDuration('Microseconds', (ns) => ns / 1000n),
  ofDuration('Nanoseconds', (ns) => ns),
];
