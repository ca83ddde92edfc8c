// Converters that read structure out of texts: JSON, key=value, CSV, ints, severities, patterns,
// grok, URLs.

import type { AnyValue, KeyValue } from '../../../proto/otlp/model.ts';
import { fail, OttlFault } from '../fault.ts';
import { findKey, fromAny, listOf, mapOf, stringAny, typeName, type Value } from '../value.ts';
import { splitCsv } from './csv.ts';
import { converter, type FunctionSpec, type Parameter } from './function.ts';
import { compileGrok } from './grok.ts';
import {
  anyValue, int, literalBool, literalText, literalTexts, literalWord, map, optional, pattern,
  searchable, text,
} from './parameters.ts';
import { ofText } from './texts.ts';
import { urlParts } from './url.ts';

const limits = {
  /** JSON that is nested deeper is not read. */
  jsonDepth: 64,
};

function parseJson(input: string): Value {
  // Lines that are no JSON are common; an exception with its stack costs more than the rest.
  if (!/^\s*[{[]/.test(input)) return fail('the text is no JSON object or array');
  let parsed: unknown;
  try {
    parsed = JSON.parse(input);
  } catch {
    return fail('the text is no JSON object or array');
  }
  return fromAny(anyOf(parsed, limits.jsonDepth));
}

function anyOf(value: unknown, depth: number): AnyValue {
  switch (typeof value) {
    case 'string':
      return { type: 'string', value };
    case 'number':
      return { type: 'double', value };
    case 'boolean':
      return { type: 'bool', value };
    default:
  }
  if (value === null) return { type: 'empty', value };
  if (depth === 0) return fail(`JSON is nested more than ${limits.jsonDepth} deep`);
  if (Array.isArray(value)) return listOf(value.map((item) => anyOf(item, depth - 1)));
  return mapOf(Object.entries(value as object).map(([key, inner]) =>
    ({ key, value: anyOf(inner, depth - 1) })));
}

const parseKeyValue = converter('ParseKeyValue', {
  target: text(), delimiter: optional(literalText()), pairDelimiter: optional(literalText()),
}, ({ target, delimiter = '=', pairDelimiter = ' ' }) => {
  if (delimiter === pairDelimiter) {
    throw new OttlFault(0, 'delimiter and pair_delimiter of ParseKeyValue are the same');
  }
  return (view) => {
    const input = target(view);
    if (input === '') return fail('the text is empty');
    const pairs = new Map<string, AnyValue>();
    for (const pair of splitQuoted(input, pairDelimiter)) {
      const at = pair.indexOf(delimiter);
      if (at === -1) return fail('a pair has no delimiter');
      pairs.set(bare(pair.slice(0, at)), stringAny(bare(pair.slice(at + delimiter.length))));
    }
    return mapOf([...pairs].map(([key, value]) => ({ key, value })));
  };
});

/** Cut at delimiters that are not in quotes; what is empty is left out. */
function splitQuoted(input: string, delimiter: string): string[] {
  const parts: string[] = [];
  let quote = '';
  let start = 0;
  for (let at = 0; at < input.length; at++) {
    const letter = input[at]!;
    if (quote !== '') {
      if (letter === quote && input[at - 1] !== '\\') quote = '';
    } else if (letter === '"' || letter === "'") {
      quote = letter;
    } else if (input.startsWith(delimiter, at)) {
      if (at > start) parts.push(input.slice(start, at));
      at += delimiter.length - 1;
      start = at + 1;
    }
  }
  if (quote !== '') return fail('a quote in the text is not closed');
  if (start < input.length) parts.push(input.slice(start));
  return parts;
}

/** Without white space and quotes around. */
function bare(part: string): string {
  const trimmed = part.trim();
  const quoted = /^(["'])([\s\S]*)\1$/.exec(trimmed);
  return quoted === null ? trimmed : quoted[2]!.trim();
}

const parseCsv = converter('ParseCSV', {
  target: text(), headers: text(), delimiter: optional(literalText()),
  headerDelimiter: optional(literalText()),
  mode: optional(literalWord(['strict', 'lazyQuotes', 'ignoreQuotes'])),
}, ({ target, headers, delimiter = ',', headerDelimiter = delimiter, mode = 'strict' }) => {
  if (delimiter.length !== 1 || headerDelimiter.length !== 1) {
    throw new OttlFault(0, 'the delimiters of ParseCSV are one character each');
  }
  return (view) => {
    const names = headers(view).split(headerDelimiter);
    const fields = splitCsv(target(view).replace(/^[\r\n]+|[\r\n]+$/g, ''), delimiter,
      mode);
    if (fields === null) return fail('the text is no row of CSV');
    if (fields.length !== names.length) {
      return fail(`${fields.length} fields for ${names.length} headers`);
    }
    return mapOf(names.map((key, index): KeyValue => ({ key, value: stringAny(fields[index]!) })));
  };
});

const parseInteger = converter('ParseInt', { target: text(), base: int() },
  ({ target, base }) => (view) => {
    const number = readInteger(target(view), Number(base(view)));
    if (number === null || BigInt.asIntN(64, number) !== number) {
      return fail('the text is no int of 64 bits in this base');
    }
    return number;
  });

/** As Go's strconv.ParseInt. */
function readInteger(written: string, base: number): bigint | null {
  if (base !== 0 && (base < 2 || base > 36)) return fail(`there is no base ${base}`);
  const [, sign = '', body = ''] = /^([+-]?)([\s\S]*)$/.exec(written)!;
  const prefix = base === 0 ? /^0(?:([bB])|([xX])|([oO])|(?=[0-7_]))/.exec(body) : null;
  const radix = base !== 0 ? base
    : prefix === null ? 10 : prefix[1] ? 2 : prefix[2] ? 16 : 8;
  const digits = prefix === null ? body : body.slice(prefix[0].length);
  const plain = base === 0 ? digits.replace(/(?<=\w|^)_(?=\w)/g, '') : digits;
  if (!/^[0-9a-zA-Z]+$/.test(plain)) return null;
  let number = 0n;
  for (const digit of plain) {
    const value = parseInt(digit, 36);
    if (value >= radix) return null;
    number = number * BigInt(radix) + BigInt(value);
  }
  return sign === '-' ? -number : number;
}

const parseSeverity = converter('ParseSeverity', { target: anyValue(), severityMapping: map() },
  ({ target, severityMapping }) => (view) => {
    const given = target(view);
    const found = severityMapping(view).find(({ value }) => {
      if (value.type !== 'array') return fail('a level is mapped from a list');
      return value.value.some((criterion) => meets(given, criterion));
    });
    return found?.key ?? fail(`no level is mapped from this ${typeName(given)}`);
  });

function meets(given: Value, criterion: AnyValue): boolean {
  if (criterion.type !== 'kvlist') return fail('a level is mapped from maps with equals or range');
  const equals = findKey(criterion.value, 'equals');
  if (equals?.type === 'array' && equals.value.some((one) => one.value === given)) return true;
  const range = findKey(criterion.value, 'range');
  if (range === undefined || typeof given !== 'bigint') return false;
  const [least, most] = boundsOf(range);
  return given >= least && given <= most;
}

function boundsOf(range: AnyValue): readonly [bigint, bigint] {
  if (range.type === 'string') {
    const hundreds = /^([2-5])xx$/.exec(range.value);
    if (hundreds === null) return fail('a range is "2xx" to "5xx", or has min and max');
    const least = BigInt(hundreds[1]!) * 100n;
    return [least, least + 99n];
  }
  const min = range.type === 'kvlist' ? findKey(range.value, 'min') : undefined;
  const max = range.type === 'kvlist' ? findKey(range.value, 'max') : undefined;
  if (min?.type !== 'int' || max?.type !== 'int') return fail('a range has an int min and max');
  return [min.value, max.value];
}

const namedPattern = (): ReturnType<typeof pattern> => ({
  ...pattern(),
  bind: (node, binder) => {
    const asked = pattern().bind(node, binder);
    const { constant } = binder.value(node);
    if (typeof constant === 'string' && !/\(\?P?<[A-Za-z_]/.test(constant)) {
      throw new OttlFault(node.at, 'this pattern has no named group', 'write (?P<name>…)');
    }
    return asked;
  },
});

const extractPatterns = converter('ExtractPatterns', { target: text(), pattern: namedPattern() },
  ({ target, pattern: asked }) => (view) => {
    const groups = asked(view).exec(searchable(target(view)))?.groups ?? {};
    return mapOf(Object.entries(groups).map(([key, value]) =>
      ({ key, value: stringAny(value ?? '') })));
  });

const extractGrokPatterns = converter('ExtractGrokPatterns', {
  target: text(), pattern: grokText(), namedCapturesOnly: optional(literalBool()),
  patternDefinitions: optional(literalTexts()),
}, ({ target, pattern: written, namedCapturesOnly = false, patternDefinitions = [] }) => {
  const extract = compileGrok(written.text, {
    at: written.at, namedOnly: namedCapturesOnly, definitions: patternDefinitions,
  });
  return (view) => mapOf(extract(target(view)));
});

/** A pattern with the place where it stands, for what is wrong inside of it. */
function grokText(): Parameter<{ readonly text: string; readonly at: number }> {
  return {
    type: 'grok pattern',
    optional: false,
    bind: (node, binder) => ({ text: literalText().bind(node, binder), at: node.at }),
  };
}

export const PARSE_FUNCTIONS: readonly FunctionSpec[] = [
  ofText('ParseJSON', parseJson), parseKeyValue, parseCsv, parseInteger, parseSeverity,
  extractPatterns, extractGrokPatterns, ofText('URL', (input) => urlParts(input)),
];
