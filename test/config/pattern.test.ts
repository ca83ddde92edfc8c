// Proves that expressions in Go's syntax are read as Go reads them, by what they match, and that
// those which JavaScript would read as something else are refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern, pattern } from '../../config/pattern.ts';

const matches = (source: string, text: string): boolean => parsePattern(source)!.test(text);

test('pattern: compiled with the u flag when it can be', () => {
  assert.equal(pattern().parse('^\\p{L}+$').flags, 'u');
  assert.equal(pattern().parse('a\\-b').flags, '');
  assert.equal(pattern('gm').parse('^a').flags, 'gmu');
});

test('pattern: names of groups and flags in front', () => {
  const year = pattern().parse('(?i)^(?P<year>\\d+) OK');
  assert.equal('2024 Ok'.match(year)?.groups?.['year'], '2024');
  assert.ok(matches('(?i)^ERROR', 'error'));
});

test('pattern: only LF is a line end', () => {
  assert.ok(matches('\\Aa.b', 'a\rb'));
  assert.ok(!matches('a.b', 'a\nb'));
  assert.ok(matches('(?s)a.b', 'a\nb'));
  assert.ok(matches('(?m)^b$', 'a\nb\nc'));
  assert.ok(!matches('(?m)^b$', 'a\rb\rc'));
});

test('pattern: classes and escapes of Go', () => {
  assert.ok(matches('^[[:alpha:]_]+[[:digit:]]\\z', 'ab_1'));
  assert.ok(matches('[]a]+\\-[^]]', ']-x'));
  assert.ok(matches('^\\x{e4}[\\x{F6}]\\x41$', 'äöA'));
  assert.ok(matches('^\\a[\\a]$', '\u0007\u0007'));
  assert.ok(matches('^\\\\Q$', '\\Q'), 'an escaped backslash begins nothing');
});

test('pattern: what JavaScript would read as something else is refused', () => {
  const refused = [
    '(a', 'a(?i)b', 'a(?i:b)', '(?U)a', '\\Q.\\E', '\\C', 'a\\Z', '\\pL', '\\p{Greek}',
    '[[:^alpha:]]', '[[:letters:]]', 'a\\-\\x{41}',
  ];
  assert.deepEqual(refused.filter((source) => parsePattern(source) !== null), []);
  const { error } = pattern().safeParse('(hunter2');
  assert.deepEqual(error!.issues.map(({ message }) => message),
    ['is not a regular expression that can be used here']);
});
