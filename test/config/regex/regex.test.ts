// The linear regular expressions: that the scanner and the finder see what JavaScript's see, for
// random expressions and texts, however many are asked for at once, and in linear time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAutomaton } from '../../../config/regex/automaton.ts';
import { createFinder } from '../../../config/regex/finder.ts';
import { createScanner } from '../../../config/regex/scanner.ts';
import { parseRegex, RegexError } from '../../../config/regex/tree.ts';
import { createSeededRandom } from '../../../runtime/random.ts';

const PARTS = ['a', 'b', '.', '[ab]', '[^a]', '(?:ab|b)', '(a|)', '^', '$', '\\b', '\\B', '\\w',
  '\\s', '\\d', 'é'];
const REPEATS = ['', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}'];
const LETTERS = ['a', 'b', 'c', ' ', 'é', '\n', '7'];

function createSource(float: () => number): () => string {
  const any = (from: readonly string[]) => from[Math.floor(float() * from.length)]!;
  const one = () => {
    const part = any(PARTS);
    return /^(?:[\^$]|\\[bB])$/.test(part) ? part : part + any(REPEATS);
  };
  const list = () => Array.from({ length: 1 + Math.floor(float() * 4) }, one).join('');
  return () => (float() < 0.3 ? `${list()}|${list()}` : list());
}

const createText = (float: () => number, length: number): string =>
  Array.from({ length: Math.floor(float() * length) }, () =>
    LETTERS[Math.floor(float() * LETTERS.length)]).join('');

test('regex: the scanner finds all of many at once, and never too little', () => {
  const { float } = createSeededRandom(3);
  const source = createSource(float);
  for (let round = 0; round < 300; round += 1) {
    const sources = [source(), source(), source()];
    const regexes = sources.map((one) => parseRegex(one));
    const scanner = createScanner(regexes.map((regex, index) => ({ regex, bits: 1 << index })));
    const automatons = regexes.map(createAutomaton);
    for (let count = 0; count < 20; count += 1) {
      const text = createText(float, 10);
      const bytes = Buffer.from(`xx${text}yy`);
      const found = scanner.scan(bytes, 2, bytes.length - 2);
      for (const [index, one] of sources.entries()) {
        const isFound = (found & (1 << index)) !== 0;
        const want = new RegExp(one, 'su').test(text);
        assert.equal(automatons[index]!(text), want, `/${one}/ ${text}`);
        // Characters beyond ASCII are of one class.
        if (/^[\x00-\x7f]*$/.test(one + text)) assert.equal(isFound, want, `/${one}/ ${text}`);
        else assert.ok(isFound || !want, `/${one}/ ${text}`);
      }
    }
  }
});

test('regex: the finder finds the union of all matches', () => {
  const { float } = createSeededRandom(4);
  const source = createSource(float);
  for (let round = 0; round < 2000; round += 1) {
    const one = source();
    const find = createFinder(parseRegex(one));
    for (let count = 0; count < 5; count += 1) {
      const text = createText(float, 7);
      const covered = new Set(find(text).flatMap(({ start, end }) =>
        Array.from({ length: end - start }, (_, index) => start + index)));
      const found = [...covered].sort((a, b) => a - b);
      assert.deepEqual(found, coveredBy(one, text), `/${one}/ ${text}`);
    }
  }
});

/** The places that any match covers: each stretch is tried whole. */
function coveredBy(source: string, text: string): number[] {
  const covered = new Set<number>();
  for (let start = 0; start < text.length; start += 1) {
    for (let end = start + 1; end <= text.length; end += 1) {
      const exact = `(?<=^[^]{${start}})(?:${source})(?=[^]{${text.length - end}}$)`;
      const match = new RegExp(exact, 'su').exec(text);
      if (match === null || match.index !== start || match[0].length !== end - start) continue;
      for (let at = start; at < end; at += 1) covered.add(at);
    }
  }
  return [...covered].sort((a, b) => a - b);
}

test('regex: stretches do not overlap and are in order', () => {
  const find = createFinder(parseRegex('\\d{4}'));
  assert.deepEqual(find('12345678 1234'), [{ start: 0, end: 8 }, { start: 9, end: 13 }]);
  assert.deepEqual(createFinder(parseRegex('ab'))('abab'),
    [{ start: 0, end: 2 }, { start: 2, end: 4 }]);
  assert.deepEqual(createFinder(parseRegex('.b'))('a😀b'), [{ start: 1, end: 4 }]);
  assert.deepEqual(createFinder(parseRegex('a*'))('bb'), []);
});

test('regex: more states than are kept make it slower, not wrong', () => {
  // Which of the last 14 letters were an a: 2^14 states.
  const scanner = createScanner([{ regex: parseRegex('a[ab]{14}c'), bits: 1 }]);
  const { float } = createSeededRandom(5);
  const letters = Array.from({ length: 20_000 }, () => (float() < 0.5 ? 'a' : 'b')).join('');
  const check = (text: string) =>
    assert.equal(scanner.scan(Buffer.from(text), 0, text.length) === 1, /a[ab]{14}c/.test(text));
  check(letters);
  check(`${letters}a${letters.slice(0, 14)}c`);
  check(`${letters}b${letters.slice(0, 14)}c`);
});

test('regex: time is linear where trial is not', () => {
  const text = 'a'.repeat(200_000);
  const regex = parseRegex('(?:a+)+b|(?:a*)*c|(?:a|a?)+d');
  const bytes = Buffer.from(text);
  const before = process.cpuUsage();
  assert.equal(createScanner([{ regex, bits: 1 }]).scan(bytes, 0, bytes.length), 0);
  assert.deepEqual(createFinder(regex)(text), []);
  const { user } = process.cpuUsage(before);
  assert.ok(user < 5_000_000, `${user} µs`);
});

test('regex: what cannot be linear is refused with a place', () => {
  const check = (source: string, position: number) => assert.throws(() => parseRegex(source),
    (error) => error instanceof RegexError && error.position === position, source);
  check('a(?=b)', 3);
  check('(a)\\1', 4);
  check('a**', 3);
  check('[b-a]', 4);
  check('a'.repeat(501), 0);
});
