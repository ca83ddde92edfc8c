// The language of searches: what each form means, what is refused, where and with which advice;
// that a printed tree reads back the same; and that no text whatever makes the parser do anything
// but answer or throw SearchError, in time.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { KNOWN_FIELDS } from '../../../backend/search/fields.ts';
import { limits, SearchError, type SearchNode } from '../../../backend/search/node.ts';
import { parseSearch } from '../../../backend/search/parse.ts';
import { printSearch } from '../../../backend/search/print.ts';
import { compileSearch } from '../../../backend/search/sql.ts';
import { seededRandom } from '../../proto/generate.ts';
import { generateSearch, pick } from './generate.ts';

/** Without places, which are no part of the meaning. */
const bare = (node: SearchNode): unknown =>
  JSON.parse(JSON.stringify(node, (key, value: unknown) => (key === 'at' ? undefined : value)));

const term = (field: string, one: object) => ({ type: 'term', field, test: one });
const word = (text: string, field = '') => term(field, { kind: 'text', text });
const check = (text: string, want: unknown) =>
  assert.deepEqual(bare(parseSearch(text)), want, text);

test('search: words, phrases, and what joins them', () => {
  check('', { type: 'all' });
  check('  * ', { type: 'all' });
  check('a b', { type: 'and', parts: [word('a'), word('b')] });
  check('a AND b c', { type: 'and', parts: [word('a'), word('b'), word('c')] });
  check('a OR b c', { type: 'or', parts: [word('a'),
    { type: 'and', parts: [word('b'), word('c')] }] });
  check('(a OR b) -c', { type: 'and', parts: [{ type: 'or', parts: [word('a'), word('b')] },
    { type: 'not', part: word('c') }] });
  check('NOT (a OR b)', { type: 'not', part: { type: 'or', parts: [word('a'), word('b')] } });
  check('((a))', word('a'));
  check('"connection refused"', word('connection refused'));
  check('"say \\"hi\\" C:\\temp"', word('say "hi" C:\\temp'));
  check('ORDER android', { type: 'and', parts: [word('ORDER'), word('android')] });
  check('/api/users', word('/api/users'));
  check('/api/', term('', { kind: 'regex', source: 'api', ignoresCase: false }));
  check('/a\\/b|c d/i', term('', { kind: 'regex', source: 'a\\/b|c d', ignoresCase: true }));
  check('time* ?x', { type: 'and', parts: [term('', { kind: 'wildcard', pattern: 'time*' }),
    term('', { kind: 'wildcard', pattern: '?x' })] });
  check('100\\* \\(x\\)', { type: 'and', parts: [word('100*'), word('(x)')] });
});

test('search: what looks like a field and is none', () => {
  for (const text of ['http://shop/cart', '10:23:45', 'std::vector', 'C:\\temp', 'a->b', 'x=1',
    'user=42', '{"a"'.slice(0, 1), '[error]', '=>']) check(text, word(text));
});

test('search: fields', () => {
  check('service:checkout', word('checkout', 'service'));
  check('level>=error', term('level', { kind: 'range', to: null,
    from: { value: 'error', inclusive: true } }));
  check('http.status:>=500 http.status<600', { type: 'and', parts: [
    term('http.status', { kind: 'range', from: { value: '500', inclusive: true }, to: null }),
    term('http.status', { kind: 'range', from: null, to: { value: '600', inclusive: false } })] });
  check('duration:[100ms TO 1s}', term('duration', { kind: 'range',
    from: { value: '100ms', inclusive: true }, to: { value: '1s', inclusive: false } }));
  check('a:{1 TO *]', term('a', { kind: 'range', from: { value: '1', inclusive: false },
    to: null }));
  check('user.id:*', term('user.id', { kind: 'exists' }));
  check('-user.id:17', { type: 'not', part: word('17', 'user.id') });
  check('level:(error OR fatal)', { type: 'or', parts: [word('error', 'level'),
    word('fatal', 'level')] });
  check('name:(a* AND NOT "b c")', { type: 'and', parts: [
    term('name', { kind: 'wildcard', pattern: 'a*' }),
    { type: 'not', part: word('b c', 'name') }] });
  check('t:-5', word('-5', 't'));
  check('url:http://x:80/y', word('http://x:80/y', 'url'));
  check('my\\ key:""', word('', 'my key'));
  check('name:/^GET \\/c.rt$/', term('name', { kind: 'regex', source: '^GET \\/c.rt$',
    ignoresCase: false }));
});

test('search: what cannot be is refused where it stands, with advice', () => {
  const refuse = (text: string, position: number, message: RegExp, advice: RegExp) => {
    assert.throws(() => compileSearch(parseSearch(text), 'traces'), (error) => {
      assert.ok(error instanceof SearchError, String(error));
      assert.match(error.message, message, text);
      assert.equal(error.position, position, `${text}: ${error.message}`);
      assert.match(error.suggestion, advice, text);
      return true;
    });
  };
  refuse('a (b', 2, /\( has no \)/, /close it/);
  refuse('a) b', 1, /\) without its \(/, /leave it out/);
  refuse('a "b', 2, /" has no second/, /close it/);
  refuse('a OR', 4, /missing at the end/, /what to look for/);
  refuse('OR a', 0, /nothing in front of OR/, /"OR"/);
  refuse('a AND AND b', 6, /nothing in front of AND/, /quotes/);
  refuse('main()', 5, /nothing between \( and \)/, /"\(\)"/);
  refuse('Error: disk full', 0, /no value behind Error:/, /"Error:"/);
  refuse('level=error', 0, /compared with :/, /level:error/);
  refuse('x service!=web', 2, /compared with :/, /-service:web/);
  refuse('level:eror', 0, /no level 'eror'/, /did you mean level:error/);
  refuse('level:err*', 0, /no wildcards/, /level:\(error OR fatal\)/);
  refuse('level:(error fatal)', 13, /between the values of level/, /OR or AND/);
  refuse('a status:eror', 2, /one of Unset, Ok, Error/, /status:error/);
  refuse('status:500', 0, /one of/, /http\.status:500/);
  refuse('duration:>250', 0, /no duration/, /duration:>250ms/);
  refuse('duration:1*', 0, /is a number/, /duration:>250/);
  refuse('x.y:>250ms', 0, /no number/, /no unit/);
  refuse('x:[1 5]', 2, /no range/, /1 TO 5/);
  refuse('name:>b', 0, /text/, /name:val\*/);
  refuse('a -', 2, /nothing behind -/, /quotes/);
  refuse('""', 0, /nothing between the quotes/, /leave/);
  refuse('a /b(/', 5, /\( has no \)/, /\\\(/);
  refuse('/(?=a)/', 3, /only \(\?:/, /lookaround/);
  refuse('/(a)\\1/', 5, /\\1 is not known/, /linear/);
  refuse('/a{5,2}/', 2, /no repetition/, /in order/);
  refuse('/(?:a{999}){999}/', 1, /repeats too much/, /smaller/);
  refuse('/*a/', 1, /nothing to repeat/, /\\\*/);
  refuse('/[z-a]/', 5, /range in \[\]/, /low to high/);
  refuse(`${'('.repeat(40)}a`, 33, /more than 32 times/, /fewer/);
  refuse('a '.repeat(201), 400, /at most 200 terms/, /leave/);
  refuse('a'.repeat(5000), limits.charactersMax, /at most 4096 characters/, /leave/);
});

test('search: a printed tree reads back the same', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 5000; round += 1) {
    const node = generateSearch(random);
    const text = printSearch(node);
    assert.deepEqual(bare(parseSearch(text)), bare(node), text);
    assert.equal(printSearch(parseSearch(text)), text);
  }
});

const PIECES = ['a', ' ', '(', ')', '"', '\\', '/', ':', '*', '?', '-', '>', '<', '=', '[', ']',
  '{', '}', 'TO', ' OR ', ' AND ', 'NOT ', 'level', 'duration', '5ms', 'é', '😀',
  '\ud800', '\u0000', '^',
  '$', '|', '+', '(?i)', '\\d', '{2,3}', 'http.status', ','];

test('search: any text is answered or refused with SearchError, in time', () => {
  const random = seededRandom(12);
  const signals = ['logs', 'traces', 'metrics'] as const;
  for (let round = 0; round < 20_000; round += 1) {
    const length = Math.floor(random() * 12);
    const text = Array.from({ length }, () => pick(random, PIECES)).join('');
    try {
      const node = parseSearch(text);
      assert.deepEqual(bare(parseSearch(printSearch(node))), bare(node), JSON.stringify(text));
      compileSearch(node, pick(random, signals));
    } catch (error) {
      if (!(error instanceof SearchError)) throw new Error(JSON.stringify(text), { cause: error });
      assert.ok(error.position >= 0 && error.position <= text.length + 1, JSON.stringify(text));
    }
  }
  const started = process.cpuUsage();
  for (const piece of PIECES) {
    for (const long of [piece.repeat(4000), `${piece} `.repeat(1500), `x:${piece}`.repeat(900)]) {
      try {
        compileSearch(parseSearch(long.slice(0, limits.charactersMax)), 'logs');
      } catch (error) {
        assert.ok(error instanceof SearchError, `${piece}: ${String(error)}`);
      }
    }
  }
  const { user } = process.cpuUsage(started);
  assert.ok(user < 10_000_000, `${user} µs`);
});

test('search: the documentation has every short name', async () => {
  const page = await readFile(new URL('../../../docs/search.md', import.meta.url), 'utf8');
  for (const name of KNOWN_FIELDS) assert.ok(page.includes(`\`${name}\``), name);
});
