// Random searches and random log records that they may find, from a seed: a small vocabulary, so
// that searches have hits, with the odd sign that a parser, LIKE or a regular expression could take
// for its own.

import type { SearchBound, SearchNode, SearchTest } from '../../../backend/search/node.ts';
import type { Random } from '../../proto/generate.ts';

/** A log record as its row: what the tests insert. */
export interface LogRow {
  readonly EventName: string;
  readonly ServiceName: string;
  readonly SeverityNumber: number;
  readonly SeverityText: string;
  readonly Body: string;
  readonly TraceId: string;
  readonly ResourceAttributes: Readonly<Record<string, string>>;
  readonly LogAttributes: Readonly<Record<string, string>>;
}

const WORDS = ['timeout', 'Connection', 'refused', 'time', 'out', 'ERROR', 'user_id', 'web-1',
  '10.0.0.7', 'größe', 'Ärger', '100%', 'a_b', 'C:\\temp', '/api/cart', '"quoted"', '*', '?',
  '->', '(x)', 'foo=bar', '日本', '😀', '-v', 'OR', 'x:y', '\t', 'É'];
const VALUES = ['checkout', 'web', 'web-1', 'web-2', '500', '404', '1e3', '-7.5', '+5', '0.1',
  'nan',
    'inf', '', 'true', 'ä_%', 'Web', '12px', '0x10', ' 5', '5.', '.5', '1,5', 'a*b', 'a?b', 'a\\b'];
const FIELDS = ['service', 'http.status', 'user.id', 'host', 'attr.k', 'resource.k', 'k', 'odd key',
  'SERVICE', 'body', 'a"b'];
const KEYS = ['http.status', 'http.response.status_code', 'user.id', 'host.name', 'k', 'odd key',
  'a"b', 'host'];
const LEVELS = ['trace', 'DEBUG', 'info', 'warn', 'Error', 'fatal', 'unknown', '17', '3'];
const LEVEL_TEXTS = ['', 'ERROR', 'warning', 'Notice', 'odd', 'emerg'];
const REGEXES = ['time(out)?', '^web-\\d$', '[Cc]onn', '\\d{2,3}', 'a.b', 'größ[a-zäöü]',
  '\\bout\\b',
    '^$', 'x|y', '[^a-z ]+', '\\w+\\s\\w+', '(?:ab?)*c', '\\x{1F600}', '日.', '\\/api', '😀+$',
  '[\\s\\S]', '^.?$', 'É', '[à-ü]'];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

const count = (random: Random, most: number): number => Math.floor(random() * (most + 1));

export function generateRow(random: Random, id: number): LogRow {
  const map = () => Object.fromEntries(Array.from({ length: count(random, 3) }, () =>
    [pick(random, KEYS), pick(random, VALUES)]));
  const join = () => pick(random, [' ', ' ', ' ', ', ', ':', '', '\n']);
  return {
    EventName: String(id),
    ServiceName: pick(random, VALUES),
    SeverityNumber: random() < 0.3 ? 0 : count(random, 26),
    SeverityText: pick(random, LEVEL_TEXTS),
    Body: Array.from({ length: count(random, 6) }, () => pick(random, WORDS) + join()).join(''),
    TraceId: random() < 0.5 ? '' : '0af7651916cd43dd8448eb211c80319c',
    ResourceAttributes: map(),
    LogAttributes: map(),
  };
}

export function generateSearch(random: Random, depth = 3): SearchNode {
  const kind = depth === 0 ? 1 : random();
  if (kind < 0.2 || (kind >= 0.2 && kind < 0.4)) {
    const type = kind < 0.2 ? 'and' : 'or';
    const parts = Array.from({ length: 2 + count(random, 2) }, () =>
      generateSearch(random, depth - 1)).filter((part) => part.type !== type);
    return parts.length < 2 ? generateTerm(random) : { type, parts };
  }
  if (kind < 0.5) return { type: 'not', part: generateSearch(random, depth - 1) };
  return random() < 0.03 ? { type: 'all' } : generateTerm(random);
}

const TRACE = '0AF7651916cd43dd-8448eb211c80319c';

function generateTerm(random: Random): SearchNode {
  const kind = random();
  if (kind < 0.4) return term('', textTest(random, WORDS));
  if (kind < 0.5) return term('level', levelTest(random));
  if (kind < 0.55) return term('trace', { kind: 'text', text: TRACE });
  const field = pick(random, FIELDS);
  const isText = field === 'body' || field.toLowerCase() === 'service';
  if (kind < 0.75 && !isText) return term(field, numberTest(random));
  return term(field, random() < 0.15 ? { kind: 'exists' } : textTest(random, VALUES));
}

const term = (field: string, test: SearchTest): SearchNode =>
  ({ type: 'term', field, test, at: 0 });

function textTest(random: Random, from: readonly string[]): SearchTest {
  const kind = random();
  if (kind < 0.2) {
    return { kind: 'regex', source: pick(random, REGEXES), ignoresCase: random() < 0.3 };
  }
  const text = random() < 0.7 ? pick(random, from) : `${pick(random, from)} ${pick(random, from)}`;
  if (kind < 0.5 && text !== '') {
    const pattern = [...text].map((one) => (random() < 0.15 ? pick(random, ['?', '*'])
      : '*?\\'.includes(one) ? `\\${one}` : one)).join('').replace(/(?<!\\)\*+/g, '*');
    const wild = /(?<!\\)[*?]/.test(pattern.replace(/\\\\/g, '')) ? pattern : `${pattern}*`;
    if (!/^\*$/.test(wild) && !wild.includes('**')) return { kind: 'wildcard', pattern: wild };
  }
  return { kind: 'text', text: text === '' && from === WORDS ? 'x' : text };
}

function bound(random: Random, from: readonly string[]): SearchBound | null {
  return random() < 0.3 ? null : { value: pick(random, from), inclusive: random() < 0.5 };
}

function rangeTest(random: Random, values: readonly string[]): SearchTest {
  const from = bound(random, values);
  const to = bound(random, values);
  return from === null && to === null ? { kind: 'exists' } : { kind: 'range', from, to };
}

const numberTest = (random: Random): SearchTest =>
  rangeTest(random, ['500', '404', '-7.5', '1e3', '0', '5', '0.1', '.5']);

function levelTest(random: Random): SearchTest {
  if (random() < 0.5) return { kind: 'text', text: pick(random, LEVELS) };
  return rangeTest(random, LEVELS.filter((one) => one !== 'unknown'));
}
