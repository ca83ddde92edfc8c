// Go's fmt.Sprintf, as far as messages need it: %s %v %d %f %g %e %q %t %x %% with flags, width and
// precision. More generous than Go: %s takes numbers, and %d those with a fraction.

import { exponentText, numberOf, numberText, significant, textOf } from './values.ts';

const limits = {
  /** Width and precision; larger ones are taken for it. */
  digitsMax: 100,
} as const;

const VERB = /%([-+ 0#]*)(\d{1,9})?(?:\.(\d{0,9}))?([a-zA-Z%])/g;

/** What has no argument, or is no verb, is said in Go's words: `%!d(MISSING)`. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let next = 0;
  return format.replace(VERB, (_, flags: string, width: string | undefined,
    precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const arg = args[next];
    next += 1;
    const digits = precision === undefined ? null : Math.min(Number(precision), limits.digitsMax);
    const text = verbText(verb, arg, digits);
    return padded(text, flags, Math.min(Number(width ?? 0), limits.digitsMax), isNumeric(verb));
  });
}

const isNumeric = (verb: string): boolean => 'dfFgGeEvx'.includes(verb);

function verbText(verb: string, arg: unknown, digits: number | null): string {
  switch (verb) {
    case 's': return cutTo(textOf(arg), digits);
    case 'v': return textOf(arg);
    case 't': return String(arg);
    case 'q': return JSON.stringify(textOf(arg));
    case 'd': return numberText(Math.trunc(numberOf(arg)));
    case 'f':
    case 'F': return fixed(numberOf(arg), digits ?? 6);
    case 'e':
    case 'E': return exponentText(numberOf(arg).toExponential(digits ?? 6));
    case 'g':
    case 'G': return digits === null ? shortest(numberOf(arg)) : significant(numberOf(arg), digits);
    case 'x': return typeof arg === 'number' ? Math.trunc(arg).toString(16)
      : Buffer.from(textOf(arg)).toString('hex');
    default: return `%!${verb}(${textOf(arg)})`;
  }
}

const cutTo = (text: string, digits: number | null): string =>
  (digits === null ? text : [...text].slice(0, digits).join(''));

/** `%g` of Go takes exponents from 1e+21 on. */
const shortest = (value: number): string => numberText(value);

/** toFixed gives exponents from 1e21 on. */
const fixed = (value: number, digits: number): string => (Math.abs(value) < 1e21
  ? value.toFixed(digits) : Number.isFinite(value)
    ? BigInt(value).toString() + (digits > 0 ? `.${'0'.repeat(digits)}` : '') : numberText(value));

function padded(text: string, flags: string, width: number, isNumber: boolean): string {
  const signed = flags.includes('+') && isNumber && /^\d/.test(text) ? `+${text}` : text;
  if (flags.includes('-')) return signed.padEnd(width);
  if (!flags.includes('0') || !isNumber) return signed.padStart(width);
  const sign = /^[+-]/.exec(signed)?.[0] ?? '';
  return sign + signed.slice(sign.length).padStart(width - sign.length, '0');
}
