// A search as a condition of ClickHouse over a signal's tables. What a person wrote is only ever in
// the parameters. The condition is 0 or 1, never NULL, so that NOT means what it says.
//
// Words use the index `idx_body_words` of otel_logs. Equality with an attribute says besides that
// the map must have the value: without that hint ClickHouse 26.7 uses no index on resource
// attributes, nor one where a name may be that of two maps.

import type { Signal } from '../../proto/otlp/model.ts';
import { LEVEL_WORDS, MAP_COLUMNS, type Lookup } from './fields.ts';
import type { SearchNode } from './node.ts';
import { planSearch, wildcardPieces, type Condition, type NumberBound, type NumberSource,
  type Source } from './plan.ts';
import { printRegex } from './regex.ts';

export interface CompiledSearch {
  /** A boolean expression with `{p0:String}` and so on. */
  readonly sql: string;
  readonly params: Readonly<Record<string, string | number>>;
}

/**
 * `prefix` begins the names of the parameters, for statements with more than one search. Throws
 * SearchError for what the signal cannot be asked.
 */
export function compileSearch(node: SearchNode, signal: Signal, prefix = 'p'): CompiledSearch {
  const writer = new Writer(signal, prefix);
  const sql = writer.write(planSearch(node, signal));
  return { sql, params: writer.params };
}

/** What spans are searched for by words, each on a line. */
const TEXTS: Readonly<Record<Signal, string>> = {
  logs: 'Body',
  traces: "concat(SpanName, '\\n', StatusMessage, '\\n', "
    + "arrayStringConcat(mapValues(SpanAttributes), '\\n'), '\\n', arrayStringConcat("
    + "arrayFlatten(arrayMap(one -> mapValues(one), Events.Attributes)), '\\n'))",
  metrics: "concat(MetricName, '\\n', MetricDescription)",
};

/** Those whose values have an index. */
const INDEXED_MAPS: Readonly<Record<Signal, readonly Lookup['map'][]>> = {
  logs: ['record', 'resource'], traces: ['record', 'resource'], metrics: ['record'],
};

const LEVEL_TEXTS = Object.keys(LEVEL_WORDS).map((word) => `'${word}'`).join(', ');
const LEVEL_NUMBERS = Object.values(LEVEL_WORDS).join(', ');

/** The level of a record as a number, 0 when it is unknown. */
export const LEVEL_SQL: Readonly<Record<Signal, string>> = {
  logs: 'if(SeverityNumber BETWEEN 1 AND 24, SeverityNumber, '
    + `transform(lower(SeverityText), [${LEVEL_TEXTS}], [${LEVEL_NUMBERS}], 0))`,
  traces: "if(StatusCode = 'Error', 17, 9)",
  metrics: '0',
};

/** Tokens that are looked up in the index; one more would hardly leave out another block. */
const TOKENS_MAX = 8;

class Writer {
  readonly params: Record<string, string | number> = {};
  private readonly signal: Signal;
  private readonly prefix: string;
  private count = 0;

  constructor(signal: Signal, prefix: string) {
    this.signal = signal;
    this.prefix = prefix;
  }

  write(condition: Condition): string {
    switch (condition.type) {
      case 'all': return '1';
      case 'not': return `(NOT ${this.write(condition.part)})`;
      case 'and': return `(${condition.parts.map((part) => this.write(part)).join(' AND ')})`;
      case 'or': return `(${condition.parts.map((part) => this.write(part)).join(' OR ')})`;
      case 'equals': return this.equals(condition);
      case 'like': return this.onSource(condition.source, (text) =>
        `${text} LIKE ${this.text(likePattern(condition.pattern))}`);
      case 'words': return this.words(condition.tokens, condition.part);
      case 'regex': return this.regex(condition);
      default: return this.within(condition.source, condition.from, condition.to);
    }
  }

  private param(value: string | number, type: 'String' | 'Float64'): string {
    const name = `${this.prefix}${this.count}`;
    this.count += 1;
    this.params[name] = value;
    return `{${name}:${type}}`;
  }

  private text(value: string): string {
    return this.param(value, 'String');
  }

  private equals({ source, value }: Condition & { type: 'equals' }): string {
    const whole = this.onSource(source, (text) => `${text} = ${this.text(value)}`);
    // A missing key is ''.
    if (source.type !== 'attribute' || value === '') return whole;
    const maps = [...new Set(source.lookups.map(({ map }) => map))]
      .filter((map) => MAP_COLUMNS[this.signal][map] !== '');
    if (maps.length === 0 || maps.some((map) => !INDEXED_MAPS[this.signal].includes(map))) {
      return whole;
    }
    const found = maps.map((map) =>
      `has(mapValues(${MAP_COLUMNS[this.signal][map]}), ${this.text(value)})`);
    return `(${whole} AND indexHint(${found.join(' OR ')}))`;
  }

  private onSource(source: Source, test: (text: string) => string): string {
    switch (source.type) {
      case 'text': return `(${test(TEXTS[this.signal])})`;
      case 'column': return `(${test(source.column)})`;
      case 'list': return `arrayExists(one -> ${test('one')}, ${source.column})`;
      default: return `(${test(this.attribute(source.lookups))})`;
    }
  }

  /** The first that is not ''. */
  private attribute([first, ...others]: readonly Lookup[]): string {
    if (first === undefined) return "''";
    const column = MAP_COLUMNS[this.signal][first.map];
    if (column === '') return this.attribute(others);
    const found = `${column}[${this.text(first.key)}]`;
    return others.length === 0 ? found : `if(${found} != '', ${found}, ${this.attribute(others)})`;
  }

  private words(tokens: readonly string[], part: string): string {
    const lower = `lower(${TEXTS[this.signal]})`;
    const conditions = tokens.map((token) => `hasToken(${lower}, ${this.text(token)})`);
    if (part !== '') conditions.push(`position(${lower}, ${this.text(part)}) > 0`);
    return `(${conditions.join(' AND ')})`;
  }

  private regex({ source, regex, tokens, lowers }: Condition & { type: 'regex' }): string {
    const text = (one: string) => (lowers ? `lower(${one})` : one);
    const whole = this.onSource(source, (one) =>
      `match(${text(one)}, ${this.text(printRegex(regex))})`);
    const words = tokens.slice(0, TOKENS_MAX);
    return words.length === 0 ? whole : `(${this.words(words, '')} AND ${whole})`;
  }

  private within(source: NumberSource, from: NumberBound | null, to: NumberBound | null): string {
    const value = this.number(source);
    const compare = (operator: string, bound: NumberBound) => `${value} ${operator}`
      + `${bound.inclusive ? '=' : ''} ${this.param(bound.value, 'Float64')}`;
    const conditions = [
      ...(from === null ? [] : [compare('>', from)]), ...(to === null ? [] : [compare('<', to)]),
    ].join(' AND ');
    return source.type === 'attribute' ? `ifNull(${conditions}, 0)` : `(${conditions})`;
  }

  private number(source: NumberSource): string {
    if (source.type === 'level') return LEVEL_SQL[this.signal];
    if (source.type === 'number') return source.column;
    return `toFloat64OrNull(${this.attribute(source.lookups)})`;
  }
}

const likePattern = (pattern: string): string => wildcardPieces(pattern).map((piece) => {
  if (typeof piece !== 'string') return piece.wild === '*' ? '%' : '_';
  return piece.replace(/[%_\\]/g, '\\$&');
}).join('');
