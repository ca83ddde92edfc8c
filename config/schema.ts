// The words of which every configuration schema is made, on top of zod.
//
//   section(shape)         a group of keys that has its defaults even when nobody wrote it
//   optionalSection(shape) a group of keys that is absent (undefined) until somebody names it
//   duration(range?)       `200ms`, `1m30s`, `7d`, `0`          → milliseconds, a number
//   byteSize(range?)       `1MiB`, `64KiB`, `10kb`, `4096`      → bytes, a whole number
//   endpoint()             `localhost:4317`, `[::1]:80`, `:80`  → { host, port } to listen on
//   percentage()           `80`, `12.5`, `80%`                  → a number from 0 to 100
//   count(range?)          a whole number, from 0 on unless told otherwise
//   secret()               text that is never printed
//   refusedKey(hint)       a key of the Collector that is not built, with what to do instead
//   ignoredKey(why)        a key of the Collector that means nothing here
//   fault(ctx, why, hint)  reports a mistake from a transform or superRefine, with its hint
//
// Regular expressions have a word of their own, `pattern()` of config/pattern.ts.
//
// Rules for schemas:
// - Keys of a parsed configuration are spelt as in the YAML (`max_recv_msg_size_mib`): one name for
//   a thing, in the file, in the code, in an error. Units are those above.
// - Defaults are written as a person would: `duration().prefault('200ms')`, `section({…})`; plain
//   zod types may use `.default(…)`. Every key has a `.describe('…')`, which becomes the editor's
//   help. Put `.describe` before `.prefault`, `.default` and `.optional`.
// - In a section an unknown key is an error, and `null` (a key with nothing behind it) means {}.
// - A message says why, without the value; the position is added by config/parse.ts.

import * as z from 'zod';
import { parseEndpoint, type Endpoint } from '../runtime/net.ts';

// A configuration is read once: to compile a function for each section costs more than it saves.
z.config({ jitless: true });

export interface TextRange {
  /** The smallest and largest allowed value, written as in the configuration: `1ms`, `64KiB`. */
  readonly min?: string;
  readonly max?: string;
}

type Parsed<S extends z.ZodRawShape> = z.output<z.ZodObject<S, z.core.$strict>>;

/** A group of keys; absent means all defaults, so all its keys need one or are optional. */
export function section<S extends z.ZodRawShape>(shape: S): z.ZodType<Parsed<S>> {
  return strictObject(shape).prefault({});
}

/** A group of keys which means something by being there, such as `tls`. */
export function optionalSection<S extends z.ZodRawShape>(
  shape: S,
): z.ZodType<Parsed<S> | undefined> {
  return strictObject(shape).optional();
}

/** A group of keys that must be there. The other two are made of it; lists hold these. */
export function strictObject<S extends z.ZodRawShape>(shape: S): z.ZodType<Parsed<S>> {
  return z.preprocess((value) => (value === null ? {} : value), z.strictObject(shape));
}

/** A time span as Go writes it, with `d` for 24 hours. The result is in milliseconds. */
export function duration(range: TextRange = {}): z.ZodType<number, string> {
  return measured(parseDuration, range, 'a duration', 'write it like 200ms, 30s or 1m30s', {
    type: 'string',
    pattern: '^(0|([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h|d))+$',
  });
}

/** A number of bytes; kb, mb… are powers of 1000, KiB, MiB… powers of 1024, as in the Collector. */
export function byteSize(range: TextRange = {}): z.ZodType<number, string | number> {
  return measured(parseByteSize, range, 'a size in bytes', 'write it like 64KiB, 1MiB or 4096', {
    type: ['string', 'integer'],
    pattern: '^[0-9]+(\\.[0-9]+)? ?([kKmMgGtT]?[iI]?[bB]?)$',
    minimum: 0,
  });
}

/** A whole number. */
export function count(range: { min?: number; max?: number } = {}): z.ZodNumber {
  return z.int().min(range.min ?? 0).max(range.max ?? Number.MAX_SAFE_INTEGER);
}

/** Where to listen: `host:port`, `[v6]:port`, or `:port` for all interfaces. */
export function endpoint(): z.ZodType<Endpoint, string> {
  const hint = 'write host:port, such as localhost:4317';
  return converted((value) => (typeof value === 'string' ? parseEndpoint(value) : null),
    'an endpoint', hint, { type: 'string', pattern: ':[0-9]{1,5}$' });
}

export function percentage(): z.ZodType<number, string | number> {
  return converted(parsePercentage, 'a percentage', 'write a number from 0 to 100', {
    type: ['number', 'string'],
    pattern: '^[0-9.]+ ?%?$',
    minimum: 0,
    maximum: 100,
  });
}

/** Text that no message, log or printed configuration ever shows. */
export function secret(): z.ZodString {
  // These two are JSON Schema's own words for it; `isSecret` in shape.ts reads them back.
  return z.string().meta({ format: 'password', writeOnly: true });
}

/** A key of the Collector for what is not built: whoever asks for it is told what to do instead. */
export function refusedKey(hint: string) {
  return z.unknown().superRefine((value, ctx) => {
    const off = value === undefined || value === null || value === false || value === '';
    if (!off) fault(ctx, 'is not supported', hint);
  }).transform(() => undefined).describe(`Not supported: ${hint}.`).optional();
}

/** A key that is right for the Collector and means nothing here. */
export function ignoredKey(why: string) {
  return z.unknown().transform(() => undefined).describe(`Accepted: ${why}.`).optional();
}

/** Reports a mistake in a transform or superRefine. `path` is relative to the checked value. */
export function fault(
  ctx: z.core.$RefinementCtx<unknown>,
  why: string,
  hint = '',
  path: (string | number)[] = [],
): void {
  ctx.addIssue({ code: 'custom', message: why, params: { hint }, path });
}

/** Milliseconds, or null. `1.5h`, `1m30s`, `0`; never negative. */
export function parseDuration(value: unknown): number | null {
  if (value === 0 || value === '0') return 0;
  if (typeof value !== 'string' || value.length > 100) return null;
  // A character beyond Latin-1 would make the whole bundle twice as large in memory.
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)/gy;
  let sum = 0;
  let position = 0;
  for (let match = part.exec(value); match !== null; match = part.exec(value)) {
    sum += Number(match[1]) * DURATION_UNITS_MS[match[2]!]!;
    position = part.lastIndex;
  }
  return value !== '' && position === value.length ? sum : null;
}

/** Bytes, rounded up to a whole one, or null. */
export function parseByteSize(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null;
  if (typeof value !== 'string') return null;
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?$/i.exec(value);
  if (match === null) return null;
  const power = ' kmgt'.indexOf(match[2] === '' ? ' ' : match[2]!.toLowerCase());
  const bytes = Math.ceil(Number(match[1]) * (match[3] === '' ? 1000 : 1024) ** power);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const DURATION_UNITS_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // Both characters that look like this are written: U+00B5 and U+03BC.
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parsePercentage(value: unknown): number | null {
  const text = typeof value === 'string' ? value.replace(/ ?%$/, '') : String(value);
  if (!/^\d+(\.\d+)?$/.test(text)) return null;
  const number = Number(text);
  return number <= 100 ? number : null;
}

function measured<I>(
  parse: (value: unknown) => number | null,
  { min, max }: TextRange,
  noun: string,
  hint: string,
  json: Record<string, unknown>,
): z.ZodType<number, I> {
  const least = min === undefined ? 0 : parse(min);
  const most = max === undefined ? Infinity : parse(max);
  if (least === null || most === null) throw new TypeError(`${noun}: the range cannot be read`);
  const schema = converted<number, I>(parse, noun, hint, json);
  return schema.superRefine((value, ctx) => {
    if (value < least) fault(ctx, `must be at least ${min}`);
    if (value > most) fault(ctx, `must be at most ${max}`);
  });
}

/** A schema for text that becomes something else; `json` is what a JSON Schema says of it. */
function converted<O, I>(
  parse: (value: unknown) => O | null,
  noun: string,
  hint: string,
  json: Record<string, unknown>,
): z.ZodType<O, I> {
  const schema = z.unknown().transform((value, ctx) => {
    const result = value === undefined || value === null ? null : parse(value);
    if (result !== null) return result;
    if (value === undefined) fault(ctx, 'is required', hint);
    else if (value === null) fault(ctx, 'has no value', 'write one, or remove the key');
    else fault(ctx, `is not ${noun}`, hint);
    return z.NEVER;
  });
  return schema.meta({ ...json, title: noun.replace(/^an? /, '') }) as unknown as z.ZodType<O, I>;
}
