// What a person sees: tables and vertical rows within the width of a terminal, nothing in a cell
// that steers it, places of errors, names of formats, sizes and times.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AskError } from '../../../backend/client/ask.ts';
import { failureText } from '../../../backend/client/failure.ts';
import { formOf } from '../../../backend/client/format.ts';
import { draw, limits, type DrawingOptions } from '../../../backend/client/table.ts';
import { bytesText, coloursFor, cut, durationText, harmless, widthOf }
  from '../../../backend/client/text.ts';
import { parseInterval } from '../../../backend/client/watch.ts';

const colours = coloursFor({ isTTY: false });
const PLAIN: DrawingOptions = { kind: 'table', columns: null, colours, mayChange: false };

async function drawn(rows: readonly unknown[][], options: Partial<DrawingOptions> = {}) {
  async function* lines() {
    for (const row of rows) yield JSON.stringify(row);
  }
  let counted = 0;
  let text = '';
  for await (const part of draw(lines(), { ...PLAIN, ...options }, (count) => {
    counted = count;
  })) text += part;
  return { text, counted };
}

const HEAD = [['n', 'text'], ['Nullable(UInt8)', 'String']];

test('table: numbers to the right, text to the left, empty results have a head', async () => {
  const { text, counted } = await drawn([...HEAD, ['1', 'x'], ['22', '名前']]);
  assert.equal(text, '┌──n─┬─text─┐\n│  1 │ x    │\n│ 22 │ 名前 │\n└────┴──────┘\n');
  assert.equal(counted, 2);
  assert.equal((await drawn(HEAD)).text, '┌─n─┬─text─┐\n└───┴──────┘\n');
  assert.equal((await drawn([])).text, '');
});

test('table: long cells are cut at the width of a terminal, not in a pipe', async () => {
  const long = 'x'.repeat(300);
  const rows = [...HEAD, ['1', long], ['2', 'a\nb']];
  const { text } = await drawn(rows, { columns: 40 });
  for (const line of text.split('\n')) assert.ok(widthOf(line) <= 40, line);
  assert.match(text, /x…/);
  assert.match(text, /│ 2 │ a +│\n│ {3}│ b +│/);
  assert.ok((await drawn(rows)).text.includes(long));
});

test('table: what would be too narrow is drawn vertically, unless a table was asked for',
  async () => {
    const names = Array.from({ length: 12 }, (_, column) => `column_${column}`);
    const rows = [names, names.map(() => 'String'), names.map(() => 'y'.repeat(50))];
    const changed = await drawn(rows, { columns: 80, mayChange: true });
    assert.match(changed.text, /^Row 1:\ncolumn_0: {2}y{50}\n/);
    const kept = await drawn(rows, { columns: 80 });
    for (const line of kept.text.split('\n')) assert.ok(widthOf(line) <= 85, line);
  });

test('table: many rows are drawn in blocks, all of them', async () => {
  const count = limits.blockRowsMax + 3;
  const rows = Array.from({ length: count }, (_, row) => [String(row), 'x']);
  const { text, counted } = await drawn([...HEAD, ...rows]);
  assert.equal(counted, count);
  assert.equal(text.match(/│ x/g)!.length, count);
  assert.equal(text.match(/┌/g)!.length, 2);
  const vertical = await drawn([...HEAD, ...rows], { kind: 'vertical' });
  assert.match(vertical.text, new RegExp(`Row ${count}:\nn: {4}${count - 1}\n`));
});

test('text: nothing in it steers a terminal', async () => {
  assert.equal(harmless('a\u001b[2Jb\u0007\u009b\u202e\rc\td'),
    'a\\e[2Jb\\x07\\x9b\\x202e\\rc\\td');
  const { text } = await drawn([...HEAD, ['1', '\u001b]0;title\u0007']]);
  assert.doesNotMatch(text, /[\u001b\u0007]/);
});

test('text: widths, cuts, sizes and times', () => {
  assert.equal(widthOf('é日本🙂'), 7);
  assert.equal(cut('日本語', 5), '日本…');
  assert.equal(cut('abc', 3), 'abc');
  assert.deepEqual([0, 999, 1000, 1_234_567].map(bytesText), ['0 B', '999 B', '1.0 kB', '1.2 MB']);
  assert.deepEqual([12, 1500, 61_000, 3_661_000].map(durationText),
    ['12 ms', '1.5 s', '1:01', '1:01:01']);
});

test('format: what was said, what the file is called, and what is usual', () => {
  const check = (format: string | undefined, file: string | undefined, isTerminal: boolean,
    want: string) => {
    const form = formOf({ format, file, isTerminal });
    assert.equal(form.kind === 'raw' ? form.format : form.kind, want);
  };
  check(undefined, undefined, true, 'table');
  check(undefined, undefined, false, 'TabSeparated');
  check(undefined, 'a.csv', false, 'CSVWithNames');
  check(undefined, 'a.parquet', false, 'Parquet');
  check(undefined, 'a.txt', false, 'TabSeparated');
  check('csv', undefined, true, 'CSVWithNames');
  check('CSV', undefined, true, 'CSV');
  check('vertical', 'a.csv', false, 'vertical');
  assert.throws(() => formOf({ format: 'a b', isTerminal: true }), /no format/);
});

test('failure: a caret stands below the place', () => {
  const show = (message: string, sql: string, position?: number, code = 'SYNTAX') =>
    failureText(new AskError(code, message, 'do', 400, position),
      { sql, origin: '', colours, columns: 60 });
  assert.equal(show('m', 'SELECT foo', 7),
    'binnacle: SYNTAX: m\n  SELECT foo\n         ^^^\n  do\n');
  assert.match(show('failed at position 13 (x)', "SELECT 'é' x"), /\n {2}SELECT 'é' x\n {13}\^\n/);
  assert.match(show('m', 'SELECT 1,\n  nope', 12), /\n {2}2: {3}nope\n {7}\^{4}\n/);
  assert.match(show("Unknown expression identifier 'nope'", 'SELECT nope', undefined,
    'UNKNOWN_IDENTIFIER'), /\n {9}\^{4}\n/);
  assert.match(show('no SQL: failed at position 8 (() (line 1, col 8): (1, FROM x. Unmatched: (',
    'SELECT (1, FROM x'), /SYNTAX: no SQL\. Unmatched: \(\n {2}SELECT/);
  const far = show('m', `SELECT ${'a, '.repeat(100)}nope`, 307);
  const [, line, marks] = far.split('\n');
  assert.equal(line!.slice(marks!.indexOf('^'), marks!.lastIndexOf('^') + 1), 'nope');
  assert.doesNotMatch(show('m', 'SELECT 1'), /\^/);
});

test('watch: intervals', () => {
  assert.deepEqual(['2s', '500ms', '1m', '2'].map(parseInterval), [2000, 500, 60_000, 2000]);
  for (const wrong of ['', '1ms', 'x', '-1s']) assert.throws(() => parseInterval(wrong), /--watch/);
});
