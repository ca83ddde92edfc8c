// How names and units are said in OpenTelemetry and in Prometheus, both ways ("Prometheus and
// OpenMetrics compatibility", metric metadata): OpenTelemetry has any name and a UCUM unit beside
// it, Prometheus letters, digits, `_` and `:`, with the unit as a word and `_total` at the end.

/** UCUM → the word of Prometheus; what is not here stays as it is. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['d', 'days'], ['h', 'hours'], ['min', 'minutes'], ['s', 'seconds'], ['ms', 'milliseconds'],
  ['us', 'microseconds'], ['ns', 'nanoseconds'],
  ['By', 'bytes'], ['KiBy', 'kibibytes'], ['MiBy', 'mebibytes'], ['GiBy', 'gibibytes'],
  ['TiBy', 'tibibytes'], ['KBy', 'kilobytes'], ['MBy', 'megabytes'], ['GBy', 'gigabytes'],
  ['TBy', 'terabytes'],
  ['m', 'meters'], ['V', 'volts'], ['A', 'amperes'], ['J', 'joules'], ['W', 'watts'],
  ['g', 'grams'], ['Cel', 'celsius'], ['Hz', 'hertz'], ['%', 'percent'], ['1', 'ratio'],
]);

/** The same behind a slash. */
const PER_WORDS: ReadonlyMap<string, string> = new Map([
  ['s', 'second'], ['m', 'minute'], ['min', 'minute'], ['h', 'hour'], ['d', 'day'], ['w', 'week'],
  ['mo', 'month'], ['y', 'year'],
]);

const UCUM = new Map([...WORDS].map(([unit, word]) => [word, unit]));
const PER_UCUM = new Map([...PER_WORDS].reverse().map(([unit, word]) => [word, unit]));

/** `seconds` → `s`, `meters_per_second` → `m/s`; a word that is not known stays. */
export function ucumOf(words: string): string {
  const [main = '', per] = words.split('_per_');
  const unit = UCUM.get(main) ?? main;
  return per === undefined || per === '' ? unit : `${unit}/${PER_UCUM.get(per) ?? per}`;
}

/** `s` → `seconds`, `m/s` → `meters_per_second`; '' for what is not a unit (`1`, `{requests}`). */
export function unitWords(ucum: string): string {
  const bare = ucum.replace(/\{[^}]*\}/g, '').trim();
  const [main = '', per] = bare.split('/');
  const word = main === '1' ? '' : clean(WORDS.get(main) ?? main);
  const perWord = per === undefined ? '' : clean(PER_WORDS.get(per) ?? per);
  if (perWord === '') return word;
  return word === '' ? `per_${perWord}` : `${word}_per_${perWord}`;
}

export interface Named {
  /** Of OpenTelemetry. */
  readonly name: string;
  readonly unit: string;
  readonly type: 'counter' | 'gauge' | 'other';
}

export interface NameOptions {
  /** Put in front, '' for none. */
  readonly namespace: string;
  /** Add the unit and `_total`. */
  readonly suffixes: boolean;
}

/** The name of a metric for Prometheus. */
export function metricName(named: Named, { namespace, suffixes }: NameOptions): string {
  const bare = cleanMetric(named.name);
  const name = suffixes ? withSuffixes(bare, named) : bare;
  const whole = namespace === '' ? name : `${clean(namespace)}_${name}`;
  return /^\d/.test(whole) ? `_${whole}` : whole;
}

function withSuffixes(name: string, { unit, type }: Named): string {
  const total = type === 'counter';
  let rest = total ? name.replace(/_total$/, '') : name;
  const words = unitWords(unit);
  const tokens = new Set(rest.split('_'));
  // A part of the unit that the name has already, wherever it stands, is not said again.
  const [main = '', per] = words.startsWith('per_') ? ['', words.slice(4)] : words.split('_per_');
  if (main !== '' && !tokens.has(main) && !rest.endsWith(`_${main}`)) rest += `_${main}`;
  if (per !== undefined && !rest.endsWith(`_per_${per}`)) rest += `_per_${per}`;
  if (unit === '1' && type === 'gauge') rest = `${rest.replace(/_ratio$/, '')}_ratio`;
  return total ? `${rest}_total` : rest;
}

/** The name of a label for Prometheus. */
export function labelName(name: string): string {
  const bare = name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/__+/g, '_');
  if (/^\d/.test(bare)) return `key_${bare}`;
  return bare === '_' || bare === '' ? 'key' : bare;
}

/** Takes the unit's word, and `_total` from a counter, from the end of a name. */
export function trimSuffixes(name: string, counter: boolean, words: string): string {
  const bare = counter ? name.replace(/_total$/, '') : name;
  const end = `_${words}`;
  return words !== '' && bare.endsWith(end) && bare.length > end.length
    ? bare.slice(0, -end.length) : bare;
}

const clean = (text: string): string =>
  text.replace(/[^a-zA-Z0-9]+/g, '_').replace(/^_+|_+$/g, '');

const cleanMetric = (text: string): string => text.replace(/[^a-zA-Z0-9_:]/g, '_')
  .replace(/__+/g, '_').replace(/^_+|_+$/g, '');
