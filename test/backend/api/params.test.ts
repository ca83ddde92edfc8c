// Parameters of JSON become ClickHouse's escaped text by the type that the statement declares. The
// table here is of texts; query.test.ts shows that a real engine reads them as the same values.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ParamError, limits, paramTexts } from '../../../backend/api/params.ts';

const textOf = (type: string, value: unknown) =>
  paramTexts(`SELECT {v:${type}}`, { v: value }).param_v;

test('params: plain values', () => {
  const check = (type: string, value: unknown, wanted: string) =>
    assert.equal(textOf(type, value), wanted, `${type} ${JSON.stringify(value)}`);
  check('String', "it's\ta\nb\r\\ \0", "it\\'s\\ta\\nb\\r\\\\ \\0");
  check('String', '', '');
  check('String', 5, '5');
  check('Nullable(String)', null, '\\N');
  check('UInt8', true, '1');
  check('Bool', true, 'true');
  check('Float64', 1e300, '1e+300');
  check('Int64', '-9223372036854775808', '-9223372036854775808');
  check('JSON', { a: "x'" }, '{"a":"x\\\'"}');
});

test('params: arrays, tuples and maps, inside of each other too', () => {
  const check = (type: string, value: unknown, wanted: string) =>
    assert.equal(textOf(type, value), wanted, `${type} ${JSON.stringify(value)}`);
  check('Array(String)', ["a'b", 'c\n', ''], "['a\\'b','c\\n','']");
  check('Array(Nullable(Int32))', [1, null], '[1,NULL]');
  check('Array(UInt64)', ['18446744073709551615'], '[18446744073709551615]');
  check('Array(Array(Bool))', [[true], []], '[[true],[]]');
  check('Tuple(String, UInt8)', ['a', 1], "('a',1)");
  check('Tuple(name String, size UInt8)', { size: 2, name: 'b' }, "('b',2)");
  check("Array(Tuple(Enum8('a,(' = 1), DateTime64(3, 'UTC')))", [['a,(', '2026-01-02T03:04:05.6Z']],
    "[('a,(','1767323045.6')]");
  check('Map(String, Array(UInt8))', { a: [1], "b'": [] }, "{'a':[1],'b\\'':[]}");
  check('Point', [1, 2.5], '(1,2.5)');
  check('LowCardinality(Nullable(String))', 'x', 'x');
  check('Dynamic', [1, 'a', true], "[1,'a',true]");
});

test('params: text for an array, tuple or map is ClickHouse\'s own literal', () => {
  assert.equal(textOf('Array(String)', "['a','b']"), "['a','b']");
  assert.equal(textOf('Tuple(String, UInt8)', "('a',1)"), "('a',1)");
  assert.equal(textOf('String', "['a']"), "[\\'a\\']");
});

test('params: an instant of ISO 8601 with a zone is seconds, all else is left as it is', () => {
  const check = (type: string, value: string, wanted: string) =>
    assert.equal(textOf(type, value), wanted);
  check('DateTime', '2026-01-02T03:04:05Z', '1767323045');
  check('DateTime', '2026-01-02T03:04:05.999+02:00', '1767315845');
  check('DateTime64(9)', '2026-01-02T03:04:05.123456789Z', '1767323045.123456789');
  check('DateTime64(3)', '2026-01-02T03:04:05.123456789Z', '1767323045.123');
  check('DateTime64(0)', '2026-01-02T03:04:05.5Z', '1767323045');
  check("DateTime64(6, 'Europe/Berlin')", '2026-01-02T03:04Z', '1767323040');
  check('DateTime', '1970-01-01T00:00:01Z', '0000000001');
  check('DateTime', '2026-01-02 03:04:05', '2026-01-02 03:04:05');
  check('DateTime64(3)', '1969-12-31T23:59:59Z', '1969-12-31T23:59:59Z');
  check('DateTime', '2026-13-99T99:04:05Z', '2026-13-99T99:04:05Z');
  check('String', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z');
});

test('params: what would lose digits or pass a bound is refused', () => {
  const refused = (type: string, value: unknown, why: RegExp) =>
    assert.throws(() => textOf(type, value), (error) =>
      error instanceof ParamError && why.test(error.message));
  refused('UInt64', 2 ** 53, /write it as text/);
  refused('Array(UInt64)', [1, -(2 ** 60)], /write it as text/);
  refused('String', 'x'.repeat(limits.encodedCharactersMax + 1), /more than/);
  refused('String', 'ü'.repeat(limits.encodedCharactersMax / 6 + 1), /more than/);
  const deep = JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) as unknown;
  refused('Array(Array(UInt8))', deep, /nested too deeply/);
  assert.throws(() => paramTexts('SELECT 1', { 'a b': 1 }), ParamError);
  assert.equal(textOf('String', 'ü'.repeat(limits.encodedCharactersMax / 6)),
    'ü'.repeat(limits.encodedCharactersMax / 6));
});

test('params: a statement made to be slow is read in no time', () => {
  const startMs = performance.now();
  paramTexts(`${'{a:'.repeat(40_000)}${' '.repeat(100_000)}`, { a: 'x' });
  paramTexts(`{a:${'Array('.repeat(40_000)}`, { a: ['x'] });
  assert.ok(performance.now() - startMs < 1000);
});
