// What values of a template are: text, numbers, true and false, lists, and maps, which are plain
// objects. How they are looked into, compared and written.

import { TemplateFailure } from './failure.ts';

type Fields = Readonly<Record<string, unknown>>;

export const isMap = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/**
 * What the path leads to; undefined where nothing is. Of names with dots the longest that there is
 * counts. Methods of Alertmanager's data are fields, too; `args` are for the last of the path.
 */
export function fieldOf(
  value: unknown,
  path: readonly string[],
  args: readonly unknown[] = [],
): unknown {
  let found = value;
  for (let at = 0; at < path.length;) {
    if (found === undefined || found === null) return undefined;
    const taken = longestKey(found, path, at);
    if (taken > 0) {
      found = (found as Fields)[path.slice(at, at + taken).join('.')];
      at += taken;
      continue;
    }
    found = methodOf(found, path[at]!, at === path.length - 1 ? args : []);
    at += 1;
  }
  return found;
}

/** How many parts of the path are one key of the value; 0 when none is. */
function longestKey(value: unknown, path: readonly string[], at: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  for (let end = path.length; end > at; end -= 1) {
    if (Object.hasOwn(value, path.slice(at, end).join('.'))) return end - at;
  }
  return 0;
}

/** As Alertmanager's KV, Pairs and Alerts have them, and Go's times. */
function methodOf(value: unknown, name: string, args: readonly unknown[]): unknown {
  if (Array.isArray(value)) {
    const items = value as unknown[];
    if (name === 'Firing' || name === 'Resolved') {
      return items.filter((one) => fieldOf(one, ['Status']) === name.toLowerCase());
    }
    if (name === 'Names') return items.map((one) => fieldOf(one, ['Name']));
    if (name === 'Values') return items.map((one) => fieldOf(one, ['Value']));
    return undefined;
  }
  if (isMap(value)) return mapMethodOf(value, name, args);
  return timeMethodOf(value, name, args);
}

function mapMethodOf(value: Fields, name: string, args: readonly unknown[]): unknown {
  const keys = sortedKeys(value);
  switch (name) {
    case 'SortedPairs': return pairsOf(value);
    case 'Names': return pairsOf(value).map(({ Name }) => Name);
    case 'Values': return pairsOf(value).map(({ Value }) => Value);
    case 'Remove': {
      const removed = args.flat().map(String);
      return Object.fromEntries(keys.filter((key) => !removed.includes(key))
        .map((key) => [key, value[key]]));
    }
    default: return undefined;
  }
}

/** `alertname` first, the others by name. */
function pairsOf(value: Fields): { Name: string; Value: unknown }[] {
  const keys = sortedKeys(value);
  const first = keys.filter((key) => key === 'alertname');
  return [...first, ...keys.filter((key) => key !== 'alertname')]
    .map((Name) => ({ Name, Value: value[Name] }));
}

function timeMethodOf(value: unknown, name: string, args: readonly unknown[]): unknown {
  const time = timeOf(value);
  if (time === null) return undefined;
  switch (name) {
    case 'Format': return formatTime(time, String(args[0] ?? ''));
    case 'Unix': return Math.floor(time.getTime() / 1000);
    case 'UTC': return time;
    case 'String': return textOf(time);
    default: return undefined;
  }
}

/** A Date, or text of ISO 8601; null for all else. */
export function timeOf(value: unknown): Date | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(value)) {
    return null;
  }
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? null : time;
}

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
  'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const LAYOUT = new RegExp('January|Jan|Monday|Mon|MST|2006|-07:00|-0700|Z07:00|\\.0+|\\.9+|01|02|'
  + '03|04|05|06|15|PM|pm|_2|1|2|3|4|5', 'g');

/** In UTC, with the reference time of Go as layout: `2006-01-02 15:04:05`. */
export function formatTime(time: Date, layout: string): string {
  const hour12 = ((time.getUTCHours() + 11) % 12) + 1;
  const two = (number: number) => String(number).padStart(2, '0');
  const milliseconds = String(time.getUTCMilliseconds()).padStart(3, '0');
  const parts: Readonly<Record<string, string>> = {
    January: MONTHS[time.getUTCMonth()]!, Jan: MONTHS[time.getUTCMonth()]!.slice(0, 3),
    Monday: DAYS[time.getUTCDay()]!, Mon: DAYS[time.getUTCDay()]!.slice(0, 3), MST: 'UTC',
    '2006': String(time.getUTCFullYear()), '-07:00': '+00:00', '-0700': '+0000', 'Z07:00': 'Z',
    '01': two(time.getUTCMonth() + 1), '02': two(time.getUTCDate()), '03': two(hour12),
    '04': two(time.getUTCMinutes()), '05': two(time.getUTCSeconds()),
    '06': two(time.getUTCFullYear() % 100), '15': two(time.getUTCHours()),
    PM: time.getUTCHours() < 12 ? 'AM' : 'PM', pm: time.getUTCHours() < 12 ? 'am' : 'pm',
    _2: String(time.getUTCDate()).padStart(2), 1: String(time.getUTCMonth() + 1),
    2: String(time.getUTCDate()), 3: String(hour12), 4: String(time.getUTCMinutes()),
    5: String(time.getUTCSeconds()),
  };
  return layout.replace(LAYOUT, (found) => {
    if (!found.startsWith('.')) return parts[found]!;
    const digits = milliseconds.padEnd(9, '0').slice(0, found.length - 1);
    const kept = found.startsWith('.9') ? digits.replace(/0+$/, '') : digits;
    return kept === '' ? '' : `.${kept}`;
  });
}

/** As Go has it: empty and zero are false. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return typeof value === 'number' ? value !== 0 : Boolean(value);
}

/** Keys and items of what can be ranged over. Maps in the order of their keys. */
export function keyed(value: unknown): (readonly [key: unknown, item: unknown])[] {
  if (Array.isArray(value)) return value.map((item: unknown, index) => [index, item] as const);
  if (isMap(value)) return sortedKeys(value).map((key) => [key, value[key]] as const);
  return [];
}

const sortedKeys = (value: Fields): string[] => Object.keys(value).sort();

/** As Go prints it. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  if (value instanceof Date) return formatTime(value, '2006-01-02 15:04:05.999999999 -0700 MST');
  if (Array.isArray(value)) return `[${value.map(textOf).join(' ')}]`;
  if (isMap(value)) {
    return `map[${keyed(value).map(([key, item]) => `${String(key)}:${textOf(item)}`).join(' ')}]`;
  }
  return String(value);
}

/** The shortest that means the number; exponents from 1e+21 on and below 1e-04. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e21)) return String(value);
  return exponentText(value.toExponential());
}

/** Go writes at least two digits of the exponent. */
export const exponentText = (text: string): string =>
  text.replace(/e([+-])(\d)$/, 'e$10$2');

/** `%.{digits}g`: significant digits, without zeros at the end. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return numberText(value);
  if (value === 0) return '0';
  const precision = Math.max(1, digits);
  const [mantissa, exponent] = value.toExponential(precision - 1).split('e') as [string, string];
  const plain = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  const power = Number(exponent);
  if (power < -4 || power >= precision) return exponentText(`${plain}e${exponent}`);
  return String(Number(`${plain}e${power}`));
}

/** Text is read as a number. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value.trim() : '';
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (text !== '' && !Number.isNaN(Number(text))) return Number(text);
  throw new TemplateFailure(`${typeof value} is no number`);
}

/** Below 0, 0, or above 0. Only what is of one kind can be compared. */
export function compared(one: unknown, other: unknown): number {
  const isSame = typeof one === typeof other;
  if (isSame && (typeof one === 'number' || typeof one === 'string')) {
    return one === other ? 0 : one < other! ? -1 : 1;
  }
  throw new TemplateFailure('these cannot be compared');
}

export function isEqual(one: unknown, other: unknown): boolean {
  const [a, b] = [one ?? null, other ?? null];
  if (a === null || b === null) return a === b || a === '' || b === '';
  if (typeof a !== typeof b || typeof a === 'object') {
    throw new TemplateFailure('these cannot be compared');
  }
  return a === b;
}
