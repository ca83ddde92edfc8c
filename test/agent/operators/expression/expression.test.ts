// Proves the language of expressions: what each sign and function says of an entry, what is an
// error of the entry, and the sentences, with their places, for what is no expression.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileExpression } from '../../../../agent/operators/expression/compile.ts';
import { ExpressionFault } from '../../../../agent/operators/expression/operations.ts';
import { ExpressionError } from '../../../../agent/operators/expression/tokens.ts';
import { createEntry, emptyMap, type Value } from '../../../../agent/operators/entry.ts';

const ENTRY = createEntry('GET /cart 200', Object.assign(emptyMap(), {
  level: 'warn', status: 503n, ratio: 0.5, on: true, list: [1n, 2n, 3n], none: null,
  nested: { 'a b': { c: 'deep' } }, users: [{ name: 'ann', age: 30n }, { name: 'bob', age: 7n }],
}), Object.assign(emptyMap(), { 'host.name': 'h1' }));
ENTRY.severityText = 'WARN';
ENTRY.severityNumber = 13;

const say = (text: string): Value =>
  compileExpression(text, { STACK: 'blue' })({ entry: ENTRY, element: null });

const CASES: readonly [string, Value][] = [
  ['1 + 2 * 3', 7n], ['(1 + 2) * 3', 9n], ['7 / 2', 3.5], ['7 % 4', 3n], ['2 ** 3 ** 2', 512],
  ['2 ^ 3', 8], ['-3 + 1', -2n], ['1 + 0.5', 1.5], ['0x1f', 31n], ['1_000', 1000n], ['2.5e3', 2500],
  ['"a" + \'b\' + `c`', 'abc'], ['"\\u0041\\x42\\n\\t\\\\"', 'AB\n\t\\'],
  ['true and not false', true], ['true && !true || true', true], ['false or false', false],
  ['1 == 1.0', true], ['"1" == 1', false], ['nil == nil', true], ['[1, 2] == [1.0, 2]', true],
  ['{a: 1} == {"a": 1}', true], ['1 != 2', true], ['"a" < "b"', true], ['2 >= 2', true],
  ['body matches "^GET .* \\\\d{3}$"', true], ['body matches `^POST`', false],
  ['body not matches "^POST"', true], ['not (body matches "^GET")', false],
  ['body contains "cart"', true], ['body not contains "x"', true], ['body startsWith "GET"', true],
  ['body endsWith "200"', true], ['$ startsWith "GET"', true],
  ['attributes.level', 'warn'], ['attributes["level"]', 'warn'], ['attributes.status > 499', true],
  ['attributes.level in ["warn", "error"]', true], ['attributes.level not in ["info"]', true],
  ['"level" in attributes', true], ['"x" in attributes', false], ['attributes.x == nil', true],
  ['attributes.x ?? "none"', 'none'], ['attributes.x?.y?.z', null], ['attributes.none', null],
  ['attributes.nested["a b"].c', 'deep'], ['resource["host.name"]', 'h1'],
  ['attributes.list[0] + attributes.list[-1]', 4n], ['attributes.list[1:]', [2n, 3n]],
  ['body[:3]', 'GET'], ['attributes.on ? "yes" : "no"', 'yes'],
  ['false ? 1 : true ? 2 : 3', 2n],
  ['severity_text == "WARN" and severity_number == 13', true],
  ['env("STACK") + env("MISSING")', 'blue'],
  ['len(body)', 13n], ['len("äß")', 2n], ['len(attributes.list)', 3n], ['upper("a")', 'A'],
  ['lower("A")', 'a'], ['trim("  a ")', 'a'], ['trim("xax", "x")', 'a'],
  ['trimPrefix("foobar", "foo")', 'bar'], ['trimSuffix("foobar", "bar")', 'foo'],
  ['split("a,b,c", ",")', ['a', 'b', 'c']], ['split("a,b,c", ",", 2)', ['a', 'b,c']],
  ['join(["a", "b"], "-")', 'a-b'], ['replace("aXbX", "X", "$&")', 'a$&b$&'],
  ['repeat("ab", 2)', 'abab'], ['indexOf("abc", "c")', 2n], ['hasPrefix("abc", "a")', true],
  ['int("42") + 1', 43n], ['float("0.5")', 0.5], ['string(12)', '12'], ['type(nil)', 'nil'],
  ['abs(-2)', 2n], ['round(2.5)', 3], ['min(3, 1, 2)', 1n], ['max([3, 1])', 3n],
  ['keys({a: 1, b: 2})', ['a', 'b']], ['first([])', null], ['last([1, 2])', 2n],
  ['get(attributes, "x")', null], ['toJSON({a: [1]})', '{"a":[1]}'],
  ['fromJSON("{\\"a\\":1}").a', 1],
  ['toBase64("hi")', 'aGk='], ['fromBase64("aGk=")', 'hi'],
  ['any(attributes.users, {.age > 18})', true], ['all(attributes.list, {# > 1})', false],
  ['none(attributes.list, # > 5)', true], ['one(attributes.list, {# == 2})', true],
  ['count(attributes.list, {# >= 2})', 2n], ['filter(attributes.list, {# > 1})', [2n, 3n]],
  ['map(attributes.users, {.name})', ['ann', 'bob']], ['body | upper() | hasPrefix("GET")', true],
  ['1..3', [1n, 2n, 3n]], ['2 in 1..3', true], ['body // a comment', 'GET /cart 200'],
];

test('expressions: what they say', () => {
  for (const [text, value] of CASES) {
    const said = say(text);
    assert.deepEqual(typeof said === 'object' && said !== null ? JSON.stringify(said, plain) : said,
      typeof value === 'object' && value !== null ? JSON.stringify(value, plain) : value, text);
  }
});

const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);

test('expressions: what does not fit together is an error of the entry, without its text', () => {
  const check = (text: string, why: RegExp) =>
    assert.throws(() => say(text), (error) => error instanceof ExpressionFault
      && why.test(error.message) && !error.message.includes('cart'), text);
  check('attributes.x.y', /nil/);
  check('attributes.x matches "a"', /matches .* no text/);
  check('attributes.status contains "5"', /contains/);
  check('"a" < 1', /order/);
  check('body + 1', /no number/);
  check('not body', /neither true nor false/);
  check('body and true', /neither/);
  check('attributes.list[9]', /no such element/);
  check('1 % 0', /zero/);
  check('9223372036854775807 + 1', /64 bits/);
  check('int("x")', /no number/);
  check('1..999999', /too long/);
  check('repeat("ab", 99999999)', /repeat/);
  check('body in body', /list or a map/);
});

test('expressions: what is wrong is said with its place, and without what was written', () => {
  const check = (text: string, at: number, why: RegExp) =>
    assert.throws(() => say(text), (error) => error instanceof ExpressionError
      && error.at === at && why.test(error.message), text);
  check('body ==', 7, /ends too early/);
  check('body = 1', 5, /sign that means nothing/);
  check('bodi == 1', 0, /did you mean "body"/);
  check('lem(body)', 0, /did you mean "len"/);
  check('len()', 0, /takes 1 values/);
  check('(body', 5, /\) is missing/);
  check('body "x"', 5, /not expected/);
  check('"abc', 0, /does not end/);
  check('body matches attributes.p', 5, /in quotes/);
  check('body matches "(?P<a"', 13, /not a regular expression/);
  check('env(body)', 0, /name in quotes/);
  check('any(attributes.list)', 0, /a list and/);
  check('# > 1', 0, /in braces/);
  check('"\\q"', 1, /escape/);
  check('timestamp > 1', 0, /cannot be used/);
  check('attributes.', 11, /a name is expected/);
  check(`${'('.repeat(70)}1${')'.repeat(70)}`, 64, /too deep/);
  check('a'.repeat(9000), 8192, /longer than/);
});

test('expressions: a long text is not scanned', () => {
  const entry = createEntry('x'.repeat(70_000), emptyMap(), emptyMap());
  const evaluate = compileExpression('body matches "x+"', {});
  assert.throws(() => evaluate({ entry, element: null }), /too long to be scanned/);
});

test('expressions: any text is an expression, or is said to be none', () => {
  const word = fc.constantFrom('body', 'attributes', '.', 'level', '[', ']', '(', ')', '"a"', '1',
    '+', '-', 'not', 'in', 'and', '==', '??', '?', ':', '{', '}', ',', '#', 'any', '|', '..', ' ',
    'matches', '`', "'", '\\', 'nil');
  fc.assert(fc.property(fc.array(word, { maxLength: 20 }), (words) => {
    try {
      say(words.join(' '));
    } catch (error) {
      assert.ok(error instanceof ExpressionError || error instanceof ExpressionFault,
        `${words.join(' ')}: ${String(error)}`);
    }
  }), { numRuns: 3000, seed: 7 });
});
