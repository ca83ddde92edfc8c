// What a search finds: for random searches over random records, ClickHouse with the compiled
// condition, the matcher of live tails, and a plain evaluator written here from docs/search.md
// answer the same. Regular expressions besides beside those of JavaScript; spans and metrics by
// examples; and that words are looked up in the index.

import assert from 'node:assert/strict';
import { text as textOf } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { createAutomaton } from '../../../config/regex/automaton.ts';
import { createMatcher, type SearchRecord } from '../../../backend/search/match.ts';
import type { SearchNode, SearchTest } from '../../../backend/search/node.ts';
import { parseSearch } from '../../../backend/search/parse.ts';
import { printSearch } from '../../../backend/search/print.ts';
import { parseRegex } from '../../../backend/search/regex.ts';
import { compileSearch } from '../../../backend/search/sql.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { seededRandom } from '../../proto/generate.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';
import { generateRow, generateSearch, type LogRow } from './generate.ts';

let engine: EngineFixture;
let store: StorageFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'search_language' });
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

async function ask<T>(sql: string, params: Readonly<Record<string, unknown>> = {}): Promise<T[]> {
  const { body } = await store.storage.query({ sql, params, format: 'JSONEachRow', abort: NEVER });
  return (await textOf(body)).split('\n').filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** What docs/search.md says, in the plainest words. */
function means(node: SearchNode, row: LogRow): boolean {
  switch (node.type) {
    case 'all': return true;
    case 'not': return !means(node.part, row);
    case 'and': return node.parts.every((part) => means(part, row));
    case 'or': return node.parts.some((part) => means(part, row));
    default: return termMeans(node.field.toLowerCase(), node.test, row, node.field);
  }
}

const lower = (text: string): string => text.replace(/[A-Z]/g, (one) => one.toLowerCase());
const NAMES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
const WORDS: Readonly<Record<string, number>> = { warning: 13, notice: 9, emerg: 24 };
const numberOf = (name: string): number => {
  const at = NAMES.indexOf(name.toLowerCase());
  return WORDS[name.toLowerCase()] ?? (at === -1 ? Number(name) : at * 4 + 1);
};

function termMeans(field: string, test: SearchTest, row: LogRow, name: string): boolean {
  if (field === '' || field === 'body') return bodyHas(test, row.Body);
  if (field === 'level') return levelIs(test, row);
  const value = valueOf(field, name, row);
  switch (test.kind) {
    case 'exists': return value !== '';
    case 'text': return value === (field === 'trace' ? test.text.toLowerCase().replace('-', '')
      : test.text);
    case 'wildcard': return new RegExp(`^${wild(test.pattern, '.')}$`, 'su').test(value);
    case 'regex': return regexOf(test).test(value);
    default: {
      const isNumber = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value) || value === 'inf';
      const number = value === 'inf' ? Infinity : Number(value);
      return isNumber && within(number, test);
    }
  }
}

function within(value: number, { from, to }: SearchTest & { kind: 'range' }): boolean {
  return (from === null || value > Number(from.value)
      || (from.inclusive && value === Number(from.value)))
    && (to === null || value < Number(to.value) || (to.inclusive && value === Number(to.value)));
}

function valueOf(field: string, name: string, row: LogRow): string {
  const { LogAttributes: own, ResourceAttributes: from } = row;
  const first = (...values: (string | undefined)[]) =>
    values.find((one) => (one ?? '') !== '') ?? '';
  if (field === 'service') return row.ServiceName;
  if (field === 'trace') return row.TraceId;
  if (field === 'host') return first(from['host.name'], own['host.name'], own['host']);
  if (field === 'http.status') return first(own['http.response.status_code'], own['http.status']);
  if (field === 'user.id') return first(own['user.id']);
  if (field === 'attr.k') return own['k'] ?? '';
  if (field === 'resource.k') return from['k'] ?? '';
  return first(own[name], from[name]);
}

function levelIs(test: SearchTest, { SeverityNumber, SeverityText }: LogRow): boolean {
  const said = numberOf(SeverityText === '' ? 'none' : SeverityText);
  const level = SeverityNumber >= 1 && SeverityNumber <= 24 ? SeverityNumber : said || 0;
  const group = (number: number) => Math.floor((number - 1) / 4);
  if (test.kind === 'exists') return level > 0;
  if (test.kind === 'text') {
    if (test.text === 'unknown') return level === 0;
    return /\d/.test(test.text) ? level === Number(test.text)
      : level > 0 && group(level) === group(numberOf(test.text));
  }
  if (test.kind !== 'range' || level === 0) return false;
  const side = (name: string) => (/\d/.test(name) ? Number(name) : group(numberOf(name)));
  const own = (name: string) => (/\d/.test(name) ? level : group(level));
  const { from, to } = test;
  return (from === null || own(from.value) > side(from.value)
      || (from.inclusive && own(from.value) === side(from.value)))
    && (to === null || own(to.value) < side(to.value)
      || (to.inclusive && own(to.value) === side(to.value)));
}

const regexOf = ({ source, ignoresCase }: SearchTest & { kind: 'regex' }): RegExp =>
  new RegExp(source.replace('\\x{', '\\u{'), ignoresCase ? 'sui' : 'su');

const wild = (pattern: string, any: string): string =>
  pattern.replace(/\\(.)|([*?])|([^\w\s])/gsu, (_, ...groups: (string | undefined)[]) => {
    const [escaped, sign, other] = groups;
    if (sign !== undefined) return sign === '*' ? `${any}*` : any;
    return `\\u{${(escaped ?? other)!.codePointAt(0)!.toString(16)}}`;
  });

const SIGN = '[^0-9a-z\\u0080-\\u{10FFFF}]';

function bodyHas(test: SearchTest, body: string): boolean {
  const tokens = (text: string) => lower(text).split(new RegExp(SIGN, 'u')).filter((one) => one);
  switch (test.kind) {
    case 'exists': return body !== '';
    case 'text': return test.text === '' ? body === '' : lower(body).includes(lower(test.text))
      && tokens(test.text).every((one) => tokens(body).includes(one));
    case 'wildcard': {
      const inner = wild(lower(test.pattern), '[^\\t-\\r ]');
      const begins = test.pattern.startsWith('*') ? '' : `(?:^|${SIGN})`;
      const ends = /(?<!\\)\*$/.test(test.pattern) ? '' : `(?:$|${SIGN})`;
      return new RegExp(`${begins}${inner}${ends}`, 'u').test(lower(body));
    }
    case 'regex': return regexOf(test).test(body);
    default: return false;
  }
}

const recordOf = (row: LogRow): SearchRecord => ({
  text: row.Body,
  column: (name) => (row as unknown as Record<string, string | number>)[name] ?? '',
  list: () => [],
  attribute: (map, key) => (map === 'record' ? row.LogAttributes : map === 'resource'
    ? row.ResourceAttributes : {} as LogRow['LogAttributes'])[key] ?? '',
});

const ROWS = 600;
const SEARCHES = 800;
const AT_ONCE = 40;

test('search: ClickHouse, the live tail and the documentation agree', async () => {
  const random = seededRandom(21);
  const rows = Array.from({ length: ROWS }, (_, id) => generateRow(random, id));
  await insert('otel_logs', rows.map((row) => ({ Timestamp: '2026-01-02 03:04:05', ...row })));
  const found = new Set<number>();
  for (let round = 0; round < SEARCHES; round += AT_ONCE) {
    const nodes = Array.from({ length: AT_ONCE }, () => generateSearch(random));
    const compiled = nodes.map((node, index) => compileSearch(node, 'logs', `s${index}_`));
    const columns = compiled.map(({ sql }, index) =>
      `groupArrayIf(EventName, ${sql}) AS c${index}`);
    const params = Object.assign({}, ...compiled.map((one) => one.params)) as object;
    const [row] = await ask<Record<string, string[]>>(
      `SELECT ${columns.join(',\n')} FROM otel_logs`, { ...params });
    nodes.forEach((node, index) => {
      const stored = row![`c${index}`]!.map(Number).sort((one, other) => one - other);
      const text = printSearch(node);
      const matches = createMatcher(node, 'logs');
      const idsOf = (has: (row: LogRow) => boolean) =>
        rows.flatMap((one, id) => (has(one) ? [id] : []));
      same(rows, text, stored, idsOf((one) => matches(recordOf(one))), 'tail');
      same(rows, text, stored, idsOf((one) => means(node, one)), 'docs');
      found.add(stored.length);
    });
  }
  assert.ok(found.size > 100, `${found.size} different counts`);
});

function same(rows: readonly LogRow[], text: string, stored: number[], own: number[], who: string) {
  const odd = [...stored.filter((id) => !own.includes(id)), ...own.filter((id) =>
    !stored.includes(id))];
  if (odd.length === 0) return;
  assert.fail(`${text}: ClickHouse ${stored.length}, ${who} ${own.length}, such as `
    + JSON.stringify(rows[odd[0]!]));
}

async function insert(table: string, rows: readonly object[]): Promise<void> {
  const lines = rows.map((row) => JSON.stringify(row)).join('\n');
  const answer = await fetch(`${engine.url}/?database=search_language&query=${
    encodeURIComponent(`INSERT INTO ${table} FORMAT JSONEachRow`)}`, { method: 'POST', body: lines,
    headers: { 'x-clickhouse-user': 'default',
      'x-clickhouse-key': process.env['CLICKHOUSE_PASSWORD'] ?? '' } });
  assert.equal(answer.status, 200, await answer.text());
}

test('search: regular expressions find what those of JavaScript find', () => {
  const random = seededRandom(22);
  const parts = ['a', 'b', '.', '[ab]', '[^a]', '(?:ab|b)', '(a|)', '^', '$', '\\b', '\\w', '\\s',
    'é'];
  const repeats = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}?', '{2,}'];
  for (let round = 0; round < 3000; round += 1) {
    const any = (from: readonly string[]) => from[Math.floor(random() * from.length)]!;
    const one = () => {
      const part = any(parts);
      return ['^', '$', '\\b'].includes(part) ? part : part + any(repeats);
    };
    const list = () => Array.from({ length: Math.floor(random() * 5) }, one).join('');
    const source = random() < 0.3 ? `${list()}|${list()}` : list();
    const finds = createAutomaton(parseRegex(source, false, 0));
    for (let count = 0; count < 10; count += 1) {
      const text = Array.from({ length: Math.floor(random() * 8) }, () =>
        any(['a', 'b', 'c', ' ', 'é', '\n'])).join('');
      assert.equal(finds(text), new RegExp(source, 'su').test(text), `/${source}/ ${text}`);
    }
  }
});

test('search: a regular expression takes time in proportion to the text', () => {
  const finds = createAutomaton(parseRegex('(?:a+)+b|(?:a*)*c|(?:a|a?)+d', false, 0));
  const started = process.cpuUsage();
  assert.equal(finds('a'.repeat(100_000)), false);
  const { user } = process.cpuUsage(started);
  assert.ok(user < 5_000_000, `${user} µs`);
});

const count = async (table: string, signal: Signal, search: string): Promise<number> => {
  const { sql, params } = compileSearch(parseSearch(search), signal);
  const [row] = await ask<{ c: string }>(`SELECT toString(count()) AS c FROM ${table} WHERE ${sql}`,
    params);
  return Number(row!.c);
};

test('search: spans and metrics', async () => {
  await insert('otel_traces', [
    { Timestamp: '2026-01-02 03:04:05', ServiceName: 'shop', SpanName: 'GET /cart', Duration: 3e8,
      SpanKind: 'Server', StatusCode: 'Error', StatusMessage: 'upstream Timeout',
      TraceId: '0af7651916cd43dd8448eb211c80319c', SpanAttributes: { 'http.status_code': '503' },
      'Events.Timestamp': ['2026-01-02 03:04:05'], 'Events.Name': ['exception'],
      'Events.Attributes': [{ 'exception.message': 'socket hang up' }] },
    { Timestamp: '2026-01-02 03:04:06', ServiceName: 'shop', SpanName: 'SELECT cart', Duration: 2e6,
      SpanKind: 'Client', StatusCode: 'Unset', 'Events.Timestamp': [], 'Events.Name': [],
      'Events.Attributes': [], ResourceAttributes: { 'host.name': 'web-7' } },
  ]);
  const spans = async (search: string, want: number) =>
    assert.equal(await count('otel_traces', 'traces', search), want, search);
  await spans('duration:>250ms', 1);
  await spans('duration:[2ms TO 300ms]', 2);
  await spans('duration:{2ms TO 300ms}', 0);
  await spans('duration:0.3s', 1);
  await spans('status:error kind:SERVER', 1);
  await spans('level>=error', 1);
  await spans('cart', 2);
  await spans('timeout "hang up"', 1);
  await spans('event:exception http.status:>=500', 1);
  await spans('-event:*', 1);
  await spans('event:/^ex/ name:GET*', 1);
  await spans('trace:0AF76519-16cd43dd8448eb211c80319c', 1);
  await spans('host:web-* scope.x:""', 1);
  await spans('name:"SELECT cart" OR http.status:503', 2);
  await insert('otel_metrics_gauge', [{ MetricName: 'system.cpu.load',
    TimeUnix: '2026-01-02 03:04:05',
    MetricDescription: 'Load of a minute', Attributes: { cpu: '0' } }]);
  const metrics = async (search: string, want: number) =>
    assert.equal(await count('otel_metrics_gauge', 'metrics', search), want, search);
  await metrics('name:system.cpu.* cpu:0 minute', 1);
  await metrics('cpu:>0', 0);
});

test('search: words and values of attributes use indexes', async () => {
  const { sql, params } = compileSearch(parseSearch('"connection refused" web-1* x'), 'logs');
  const rows = await ask<{ explain: string }>(
    `EXPLAIN indexes = 1 SELECT count() FROM otel_logs WHERE ${sql}`, params);
  assert.match(rows.map(({ explain }) => explain).join('\n'), /idx_body_words/);
  const own = compileSearch(parseSearch('attr.user.id:17'), 'logs');
  const plan = await ask<{ explain: string }>(
    `EXPLAIN indexes = 1 SELECT count() FROM otel_logs WHERE ${own.sql}`, own.params);
  assert.match(plan.map(({ explain }) => explain).join('\n'), /idx_log_attr_value/);
  for (const search of ['resource.host.name:web-1', 'host.name:web-1', 'NOT host.name:web-1']) {
    const compiled = compileSearch(parseSearch(search), 'logs');
    const steps = await ask<{ explain: string }>(
      `EXPLAIN indexes = 1 SELECT count() FROM otel_logs WHERE ${compiled.sql}`, compiled.params);
    const text = steps.map(({ explain }) => explain).join('\n');
    assert.match(text, /idx_res_attr_value/, search);
    const hinted = await ask(`SELECT count() AS c FROM otel_logs WHERE ${compiled.sql}`,
      compiled.params);
    const plain = await ask(`SELECT count() AS c FROM otel_logs WHERE ${compiled.sql}
      SETTINGS use_skip_indexes = 0`, compiled.params);
    assert.deepEqual(hinted, plain, search);
  }
});
