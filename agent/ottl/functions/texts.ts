// Converters of texts.

import { fail, OttlFault } from '../fault.ts';
import { listOf, stringAny, textOf, typeName, type Value } from '../value.ts';
import { camelCase, snakeCase } from './cases.ts';
import { formatGo } from './format.ts';
import { converter, type FunctionSpec, type Parameter } from './function.ts';
import {
  anyValue, int, literalBool, literalText, literalWord, optional, text, values,
} from './parameters.ts';
import { boundaryAfter, boundaryBefore } from './truncate.ts';

/** A converter of one text, which can also be given to `replace_…`. */
export function ofText(name: string, convert: (input: string) => Value): FunctionSpec {
  return converter(name, { target: text() }, ({ target }) => (view) => convert(target(view)),
    { ofText: convert });
}

const CASES: Readonly<Record<'lower' | 'upper' | 'snake' | 'camel', (input: string) => string>> = {
  lower: (input) => input.toLowerCase(),
  upper: (input) => input.toUpperCase(),
  snake: snakeCase,
  camel: camelCase,
};

const convertCase = converter('ConvertCase', {
  target: text(), toCase: literalWord(['lower', 'upper', 'snake', 'camel']),
}, ({ target, toCase }) => {
  const convert = CASES[toCase];
  return (view) => convert(target(view));
});

const concat = converter('Concat', { values: values(), delimiter: literalText() },
  ({ values: asked, delimiter }) => (view) =>
    asked(view).map((value) => textOf(value) ?? '<nil>').join(delimiter));

const split = converter('Split', { target: text(), delimiter: literalText() },
  ({ target, delimiter }) => (view) => {
    const input = target(view);
    const parts = delimiter === '' ? [...input] : input.split(delimiter);
    return listOf(parts.map(stringAny));
  });

const hasPrefix = converter('HasPrefix', { value: text(), prefix: text() },
  ({ value, prefix }) => (view) => value(view).startsWith(prefix(view)));

const hasSuffix = converter('HasSuffix', { value: text(), suffix: text() },
  ({ value, suffix }) => (view) => value(view).endsWith(suffix(view)));

const trimPrefix = converter('TrimPrefix', { value: text(), prefix: text() },
  ({ value, prefix }) => (view) => {
    const [input, start] = [value(view), prefix(view)];
    return input.startsWith(start) ? input.slice(start.length) : input;
  });

const trimSuffix = converter('TrimSuffix', { value: text(), suffix: text() },
  ({ value, suffix }) => (view) => {
    const [input, end] = [value(view), suffix(view)];
    return end !== '' && input.endsWith(end) ? input.slice(0, -end.length) : input;
  });

/** Takes characters of `cutset` from both ends. */
function trimmed(input: string, cutset: ReadonlySet<string>): string {
  const characters = [...input];
  let start = 0;
  let end = characters.length;
  while (start < end && cutset.has(characters[start]!)) start++;
  while (end > start && cutset.has(characters[end - 1]!)) end--;
  return characters.slice(start, end).join('');
}

const trim = converter('Trim', { target: text(), replacement: optional(literalText()) },
  ({ target, replacement = ' ' }) => {
    const cutset = new Set(replacement);
    return (view) => trimmed(target(view), cutset);
  }, { ofText: (input) => trimmed(input, new Set(' ')) });

const substring = converter('Substring', {
  target: text(), start: int(), length: int(), utf8Safe: optional(literalBool()),
}, ({ target, start, length, utf8Safe = false }) => (view) => {
  const bytes = Buffer.from(target(view));
  const from = Number(start(view));
  const count = Number(length(view));
  if (from < 0) return fail(`the start ${from} is below zero`);
  if (count <= 0) return fail(`the length ${count} is not above zero`);
  if (from + count > bytes.length) {
    return fail(`${from} + ${count} is more than the ${bytes.length} bytes of the text`);
  }
  if (!utf8Safe) return bytes.toString('utf8', from, from + count);
  const first = boundaryAfter(bytes, from);
  return bytes.toString('utf8', first, Math.max(first, boundaryBefore(bytes, from + count)));
});

const format = converter('Format', { formatString: text(), formatArguments: values() },
  ({ formatString, formatArguments }) => (view) =>
    formatGo(formatString(view), formatArguments(view)));

type Base64 = 'base64' | 'base64-raw' | 'base64-url' | 'base64-raw-url';
const BASE64: readonly Base64[] = ['base64', 'base64-raw', 'base64-url', 'base64-raw-url'];

function encodeBase64(input: string, variant: Base64): string {
  const padded = Buffer.from(input).toString('base64');
  const safe = variant.endsWith('url')
    ? padded.replaceAll('+', '-').replaceAll('/', '_') : padded;
  return variant.includes('raw') ? safe.replaceAll('=', '') : safe;
}

function decodeBase64(input: string, variant: Base64): string {
  const url = variant.endsWith('url');
  const body = input.replace(/[\r\n]/g, '');
  const padded = variant.includes('raw') ? body : body.replace(/={1,2}$/, '');
  const wellFormed = (url ? /^[A-Za-z0-9_-]*$/ : /^[A-Za-z0-9+/]*$/).test(padded)
    && padded.length % 4 !== 1 && (variant.includes('raw') || body.length % 4 === 0);
  if (!wellFormed) return fail(`this is not ${variant}`);
  return Buffer.from(padded, url ? 'base64url' : 'base64').toString();
}

const base64Encode = converter('Base64Encode', {
  value: text(), variant: optional(literalWord(BASE64)),
}, ({ value, variant = 'base64' }) => (view) => encodeBase64(value(view), variant),
{ ofText: (input) => encodeBase64(input, 'base64') });

/** A decoder of texts in an encoding that the web knows; base64 is read as what it holds. */
const decoding = (): Parameter<(value: Value) => string> => ({
  type: 'encoding',
  optional: false,
  bind: (node, binder) => {
    const name = literalText().bind(node, binder);
    if (BASE64.includes(name as Base64)) {
      return (value) => decodeBase64(bytesIn(value).toString('latin1'), name as Base64);
    }
    try {
      const decoder = new TextDecoder(name);
      return (value) => decoder.decode(bytesIn(value));
    } catch {
      throw new OttlFault(node.at, 'this encoding is not known', 'such as base64, utf-8, latin1');
    }
  },
});

function bytesIn(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  return value instanceof Uint8Array ? Buffer.from(value)
    : fail(`expected string or bytes, got ${typeName(value)}`);
}

const decode = converter('Decode', { value: anyValue(), encoding: decoding() },
  ({ value, encoding }) => (view) => encoding(value(view)));

export const TEXT_FUNCTIONS: readonly FunctionSpec[] = [
  ofText('ToLowerCase', CASES.lower), ofText('ToUpperCase', CASES.upper),
  ofText('ToSnakeCase', CASES.snake), ofText('ToCamelCase', CASES.camel), convertCase,
  concat, split, hasPrefix, hasSuffix, trim, trimPrefix, trimSuffix, substring, format,
  base64Encode, decode, ofText('Base64Decode', (input) => decodeBase64(input, 'base64')),
];
