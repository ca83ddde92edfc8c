// Times written by a format: with the directives of the Collector (`%Y-%m-%d`), or as a layout of
// Go (`2006-01-02`), which are translated to the former.

import type { Time } from '../value.ts';

type Piece = string | ((moment: Moment) => string);

/** What a time is written with, in order. */
export type TimeFormat = readonly Piece[];

interface Moment {
  /** The calendar where the time is, as if it were UTC. */
  readonly date: Date;
  readonly ns: number;
  readonly offsetSeconds: number;
  readonly zone: string;
}

const pad = (number: number, width = 2, sign = '0'): string => String(number).padStart(width, sign);

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
  'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const hour12 = ({ date }: Moment): number => date.getUTCHours() % 12 || 12;

/** `+01:30` with these separators, and seconds when asked for. */
function offset({ offsetSeconds }: Moment, colon: string, parts: 1 | 2 | 3): string {
  const abs = Math.abs(offsetSeconds);
  const shown = [Math.floor(abs / 3600), Math.floor(abs / 60) % 60, abs % 60].slice(0, parts);
  return (offsetSeconds < 0 ? '-' : '+') + shown.map((part) => pad(part)).join(colon);
}

const DIRECTIVES: Readonly<Record<string, (moment: Moment) => string>> = {
  Y: ({ date }) => pad(date.getUTCFullYear(), 4),
  y: ({ date }) => pad(date.getUTCFullYear() % 100),
  m: ({ date }) => pad(date.getUTCMonth() + 1),
  o: ({ date }) => pad(date.getUTCMonth() + 1, 2, ' '),
  q: ({ date }) => String(date.getUTCMonth() + 1),
  b: ({ date }) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  h: ({ date }) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  B: ({ date }) => MONTHS[date.getUTCMonth()]!,
  d: ({ date }) => pad(date.getUTCDate()),
  e: ({ date }) => pad(date.getUTCDate(), 2, ' '),
  g: ({ date }) => String(date.getUTCDate()),
  a: ({ date }) => DAYS[date.getUTCDay()]!.slice(0, 3),
  A: ({ date }) => DAYS[date.getUTCDay()]!,
  H: ({ date }) => pad(date.getUTCHours()),
  I: (moment) => pad(hour12(moment)),
  l: (moment) => String(hour12(moment)),
  p: ({ date }) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  P: ({ date }) => (date.getUTCHours() < 12 ? 'am' : 'pm'),
  M: ({ date }) => pad(date.getUTCMinutes()),
  S: ({ date }) => pad(date.getUTCSeconds()),
  L: ({ ns }) => pad(ns, 9).slice(0, 3),
  f: ({ ns }) => pad(ns, 9).slice(0, 6),
  s: ({ ns }) => pad(ns, 9),
  z: (moment) => offset(moment, '', 2),
  Z: (moment) => (/^[A-Z]{3,5}$/.test(moment.zone) ? moment.zone : offset(moment, '', 2)),
  i: (moment) => offset(moment, '', 1),
  j: (moment) => offset(moment, ':', 2),
  k: (moment) => offset(moment, ':', 3),
  w: (moment) => offset(moment, '', 3),
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

const SHORTHANDS: Readonly<Record<string, string>> = {
  D: '%m/%d/%y', x: '%m/%d/%y', F: '%Y-%m-%d', T: '%H:%M:%S', X: '%H:%M:%S',
  r: '%I:%M:%S %P', R: '%H:%M', c: '%a %b %d %H:%M:%S %Y', v: '%e-%b-%Y',
};

/** Null when it has a directive that is not known, or none at all. */
export function parseFormat(text: string): TimeFormat | null {
  const expanded = (text.includes('%') ? text : ofGo(text))
    .replace(/%([\s\S])/g, (found, letter: string) => SHORTHANDS[letter] ?? found);
  const pieces: Piece[] = [];
  for (const [found, letter] of expanded.matchAll(/%([\s\S]?)|[^%]+/g)) {
    const directive = letter === undefined ? found : DIRECTIVES[letter];
    if (directive === undefined) return null;
    pieces.push(directive);
  }
  return pieces.some((piece) => typeof piece !== 'string') ? pieces : null;
}

// Longest first, as Go looks for them.
const GO_CHUNKS = new RegExp([
  'January|Jan|Monday|Mon|MST|2006|01|02|03|04|05|06|_2|15|PM|pm|-07:00:00|-070000|-07:00|-0700',
  '-07|[.,]0{3}(?:0{3}){0,2}|1|2|3|4|5',
].join('|'), 'g');

const GO_DIRECTIVES: Readonly<Record<string, string>> = {
  January: '%B', Jan: '%b', Monday: '%A', Mon: '%a', MST: '%Z', 2006: '%Y', '06': '%y',
  '01': '%m', 1: '%q', '02': '%d', _2: '%e', 2: '%g', 15: '%H', '03': '%I', 3: '%l', PM: '%p',
  pm: '%P', '04': '%M', 4: '%M', '05': '%S', 5: '%S', '-07:00:00': '%k', '-070000': '%w',
  '-07:00': '%j', '-0700': '%z', '-07': '%i',
};

function ofGo(layout: string): string {
  return layout.replace(GO_CHUNKS, (chunk) => {
    const directive = GO_DIRECTIVES[chunk];
    if (directive !== undefined) return directive;
    return chunk[0] + { 3: '%L', 6: '%f', 9: '%s' }[chunk.length - 1]!;
  });
}

export function formatTime(time: Time, format: TimeFormat): string {
  const second = 1_000_000_000n;
  const ns = ((time.ns % second) + second) % second;
  const moment: Moment = {
    date: new Date(Number((time.ns - ns) / 1_000_000n) + time.offsetSeconds * 1000),
    ns: Number(ns),
    offsetSeconds: time.offsetSeconds,
    zone: time.zone,
  };
  return format.map((piece) => (typeof piece === 'string' ? piece : piece(moment))).join('');
}
