// Texts by a format as Go's fmt.Sprintf has it: %v %s %q %d %x %X %o %b %c %U %f %e %g %t, with
// flags, width and precision. What does not fit is said in the text itself, as Go does.

import { jsonOf, isList, isMap, textOf, typeName, type Value } from '../value.ts';

const VERB = /%(?<flags>[-+# 0]*)(?<width>\d*)(?:\.(?<precision>\d*))?(?<verb>[\s\S]?)/gu;

const limits = {
  /** A larger width or precision is taken as this. */
  width: 1000,
};

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

export function formatGo(format: string, values: readonly Value[]): string {
  let next = 0;
  const text = format.replace(VERB, (...found) => {
    const { flags, width, precision, verb } = found.at(-1) as Record<string, string | undefined>;
    if (verb === '%') return '%';
    if (verb === '') return '%!(NOVERB)';
    if (next >= values.length) return `%!${verb}(MISSING)`;
    return formatOne(values[next++]!, {
      flags: flags!,
      width: Math.min(Number(width), limits.width),
      precision: precision === undefined ? undefined : Math.min(Number(precision), limits.width),
      verb: verb!,
    });
  });
  if (next >= values.length) return text;
  const extra = values.slice(next).map((value) => `${goType(value)}=${plain(value)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function formatOne(value: Value, directive: Directive): string {
  const written = formatted(value, directive);
  if (written === null) return `%!${directive.verb}(${goType(value)}=${plain(value)})`;
  return padded(written, directive, typeof value === 'bigint' || typeof value === 'number');
}

/** Null when the verb does not fit the value. */
function formatted(value: Value, directive: Directive): string | null {
  const { verb } = directive;
  if (verb === 'v') return plain(value);
  if (verb === 'T') return goType(value);
  switch (typeof value) {
    case 'bigint':
      return formatInt(value, directive);
    case 'number':
      return formatDouble(value, directive);
    case 'boolean':
      return verb === 't' ? String(value) : null;
    default:
      return formatText(value, directive);
  }
}

function formatInt(value: bigint, { verb, flags, precision }: Directive): string | null {
  const bases: Record<string, number> = { d: 10, x: 16, X: 16, o: 8, b: 2 };
  if (verb === 'c') return String.fromCodePoint(Number(value));
  if (verb === 'q') return `'${String.fromCodePoint(Number(value))}'`;
  if (verb === 'U') return `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;
  const base = bases[verb];
  if (base === undefined) return null;
  const digits = (value < 0n ? -value : value).toString(base).padStart(precision ?? 0, '0');
  const prefix = flags.includes('#') ? { 16: '0x', 8: '0', 2: '0b', 10: '' }[base]! : '';
  const sign = value < 0n ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const text = sign + prefix + digits;
  return verb === 'X' ? text.toUpperCase() : text;
}

function formatDouble(value: number, { verb, flags, precision }: Directive): string | null {
  const sign = value < 0 || Object.is(value, -0) ? '-' : flags.includes('+') ? '+'
    : flags.includes(' ') ? ' ' : '';
  const abs = Math.abs(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : `${value < 0 ? '-' : '+'}Inf`;
  switch (verb.toLowerCase()) {
    case 'f':
      return sign + abs.toFixed(Math.min(precision ?? 6, 100));
    case 'e':
      return sign + exponent(abs.toExponential(Math.min(precision ?? 6, 100)), verb);
    case 'g':
      return sign + shortest(abs, precision, verb);
    default:
      return null;
  }
}

/** Go writes two digits of an exponent at least. */
function exponent(text: string, verb: string): string {
  const padded = text.replace(/e([+-])(\d)$/, 'e$10$2');
  return verb === 'E' || verb === 'G' ? padded.toUpperCase() : padded;
}

function shortest(abs: number, precision: number | undefined, verb: string): string {
  const scientific = abs !== 0 && (abs < 1e-4 || abs >= 10 ** (precision ?? 21));
  if (precision === undefined) {
    return scientific ? exponent(abs.toExponential(), verb) : String(abs);
  }
  const digits = Math.max(1, Math.min(precision, 100));
  if (scientific) return exponent(abs.toExponential(digits - 1).replace(/\.?0+e/, 'e'), verb);
  return String(Number(abs.toPrecision(digits)));
}

function formatText(value: Value, { verb, flags, precision }: Directive): string | null {
  const text = value === null ? null : plain(value);
  if (text === null) return null;
  const cut = precision === undefined ? text : [...text].slice(0, precision).join('');
  switch (verb) {
    case 's':
      return cut;
    case 'q':
      return JSON.stringify(cut);
    case 'x':
    case 'X': {
      const hex = Buffer.from(value instanceof Uint8Array ? value : cut).toString('hex');
      const whole = flags.includes('#') ? `0x${hex}` : hex;
      return verb === 'X' ? whole.toUpperCase() : whole;
    }
    default:
      return null;
  }
}

/** What %v makes of a value. */
function plain(value: Value): string {
  if (value === null) return '<nil>';
  if (typeof value === 'number' && (Math.abs(value) >= 1e21
    || (value !== 0 && Math.abs(value) < 1e-4))) {
    return exponent(value.toExponential(), 'g');
  }
  return isMap(value) || isList(value) ? jsonOf(value) : textOf(value)!;
}

function padded(text: string, { flags, width }: Directive, isNumber: boolean): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || !isNumber) return ' '.repeat(missing) + text;
  const sign = /^[+\- ]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function goType(value: Value): string {
  if (value === null) return '<nil>';
  switch (typeof value) {
    case 'bigint':
      return 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    default:
      return typeName(value);
  }
}
