// Layouts of times, as `strptime` (%Y-%m-%d, the Collector's list of directives) or `gotime`
// (2006-01-02), compiled to one regular expression with a capture for each part.
//
//   part      matches                           strptime           gotime
//   year      4 or 2 digits                     %Y %y              2006 06
//   month     number or English name            %m %o %q %b %B     01 _1 1 Jan January
//   day       number                            %d %e %g           02 _2 2
//   weekday   English name, not used            %a %A              Mon Monday
//   hour      24 hours, or 12 with the half     %H, %I %l          15, 03 3
//   half      AM PM                             %p %P              PM pm
//   minute, second                              %M %S              04 4, 05 5
//   fraction  1 to 9 digits, behind . or ,      %L %f %s           .000 .999 ,000000
//   offset    Z, +01, +0100, +01:00             %z %i %j %k        Z0700 -07:00 …
//   zone      an abbreviation                   %Z                 MST
//
// As Go has it: a fraction behind the seconds is read even when the layout has none, and one that
// the layout has may be absent. A padded number is read with or without its padding.

export type Part =
  | 'year4' | 'year2' | 'month' | 'monthName' | 'day' | 'weekday' | 'hour24' | 'hour12' | 'half'
  | 'minute' | 'second' | 'fraction' | 'offset' | 'zone';

export interface Layout {
  readonly expression: RegExp;
  /** The part of each capture, in order. */
  readonly parts: readonly Part[];
  /** The layout ends in a literal Z, which means UTC. */
  readonly endsInZ: boolean;
}

export const MONTHS = [
  'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec',
];

/** Null when the layout has a directive that is not known. */
export function parseStrptime(layout: string): Layout | null {
  const items: Item[] = [];
  const pieces = /%(.?)|[^%]+/gsu;
  for (const [found, letter] of expandShorthands(layout).matchAll(pieces)) {
    if (letter === undefined) {
      items.push(found);
      continue;
    }
    const literal = LITERALS[letter];
    const part = DIRECTIVES[letter];
    if (literal === undefined && part === undefined) return null;
    items.push(literal ?? { part: part! });
  }
  return compile(items);
}

/** Null when the layout has no part of a time at all. */
export function parseGotime(layout: string): Layout | null {
  const items: Item[] = [];
  let position = 0;
  for (const match of layout.matchAll(GO_CHUNKS)) {
    if (match.index > position) items.push(layout.slice(position, match.index));
    const [found] = match;
    items.push({ part: goPart(found) });
    position = match.index + found.length;
  }
  if (position < layout.length) items.push(layout.slice(position));
  return compile(items);
}

type Item = string | { readonly part: Part };

const LITERALS: Record<string, string> = { n: '\n', t: '\t', '%': '%' };

const DIRECTIVES: Record<string, Part> = {
  Y: 'year4', y: 'year2', m: 'month', o: 'month', q: 'month', b: 'monthName', B: 'monthName',
  h: 'monthName', d: 'day', e: 'day', g: 'day', a: 'weekday', A: 'weekday', H: 'hour24',
  I: 'hour12', l: 'hour12', p: 'half', P: 'half', M: 'minute', S: 'second', L: 'fraction',
  f: 'fraction', s: 'fraction', Z: 'zone', z: 'offset', i: 'offset', j: 'offset',
  k: 'offset',
};

const SHORTHANDS: Record<string, string> = {
  D: '%m/%d/%y', F: '%Y-%m-%d', T: '%H:%M:%S', r: '%l:%M:%S %p', c: '%a %b %d %H:%M:%S %Y',
  x: '%m/%d/%y', X: '%H:%M:%S', v: '%e-%b-%Y', R: '%H:%M',
};

const expandShorthands = (layout: string): string =>
  layout.replace(/%(.)/gs, (found, letter: string) => SHORTHANDS[letter] ?? found);

// Longest first, as Go looks for them.
const GO_CHUNKS = new RegExp([
  'January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|01|02|03|04|05|06|_2(?!006)|_1',
  '15|PM|pm|Z07(?::?00){0,2}|-07(?::?00){0,2}|[.,](?:0+|9+)(?!\\d)|1|2|3|4|5',
].join('|'), 'g');

const GO_PARTS: Record<string, Part> = {
  January: 'monthName', Jan: 'monthName', Monday: 'weekday', Mon: 'weekday', MST: 'zone',
  2006: 'year4', '06': 'year2', '01': 'month', _1: 'month', 1: 'month', '02': 'day', _2: 'day',
  2: 'day', 15: 'hour24', '03': 'hour12', 3: 'hour12', PM: 'half', pm: 'half', '04': 'minute',
  4: 'minute', '05': 'second', 5: 'second',
};

function goPart(chunk: string): Part {
  const known = GO_PARTS[chunk];
  if (known !== undefined) return known;
  return /^[.,]/.test(chunk) ? 'fraction' : 'offset';
}

const NAMES = '[A-Za-z]{3,9}';
const SOURCES: Record<Part, string> = {
  year4: '(\\d{4})', year2: '(\\d{2})', month: ' ?(\\d{1,2})', monthName: `(${NAMES})`,
  day: ' ?(\\d{1,2})', weekday: `(${NAMES})`, hour24: ' ?(\\d{1,2})', hour12: ' ?(\\d{1,2})',
  half: '([AaPp][Mm])', minute: '(\\d{1,2})', second: '(\\d{1,2})',
  fraction: '(?:[.,](\\d{1,9})\\d*)?',
  offset: '(Z|[+-]\\d{2}(?::?\\d{2}){0,2})', zone: '([A-Z][A-Za-z]{1,4}|[+-]\\d{2}(?:\\d{2})?)',
};

function compile(items: readonly Item[]): Layout | null {
  const parts: Part[] = [];
  let source = '';
  items.forEach((item, index) => {
    if (typeof item === 'string') {
      // The separator of a fraction belongs to it: both may be absent.
      const next = items[index + 1];
      const joined = typeof next === 'object' && next.part === 'fraction';
      source += escape(joined ? item.replace(/[.,]$/, '') : item);
      return;
    }
    const after = items[index + 1];
    const fractionFollows = typeof after === 'object'
      ? after.part === 'fraction'
      : /^[.,]$/.test(after ?? '') && isFraction(items[index + 2]);
    parts.push(item.part);
    source += SOURCES[item.part];
    if (item.part === 'second' && !fractionFollows) {
      parts.push('fraction');
      source += SOURCES.fraction;
    }
  });
  if (parts.length === 0) return null;
  const last = items.at(-1);
  return {
    expression: new RegExp(`^${source}$`, 's'),
    parts,
    endsInZ: typeof last === 'string' && last.endsWith('Z'),
  };
}

const isFraction = (item: Item | undefined): boolean =>
  typeof item === 'object' && item.part === 'fraction';

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
