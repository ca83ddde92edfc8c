// The prompt at a pseudo terminal against a backend as a process, and its history: statements over
// lines, commands, completion, Ctrl-C while writing and while something runs; the file of the
// history is bounded and its owner's only.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync }
  from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { createCompleter } from '../../../backend/client/completion.ts';
import { historyPath, limits, openHistory } from '../../../backend/client/history.ts';
import { createFiles } from '../../../runtime/files.ts';
import { hasTerminal, needsTerminal, startBackend, type Key } from './client_fixture.ts';

const backend = hasTerminal ? await startBackend() : null;
const folder = mkdtempSync(join(tmpdir(), 'binnacle-history-'));
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await backend?.stop();
});

const PROMPT = /binnacle> (?:\u001b\[\d+G)?$/;
const at = (keys: string, seen: RegExp = PROMPT): Key => ({ seen, keys });
const QUIT = at('\\q\r');

async function typed(state: string, ...keys: Key[]): Promise<string> {
  const { out, errors } = await backend!.type(['query'], keys,
    { XDG_STATE_HOME: join(folder, state) });
  assert.equal(errors, '', out);
  return out;
}

const historyOf = (state: string): string =>
  readFileSync(historyPath({ XDG_STATE_HOME: join(folder, state) }), 'utf8');

test('prompt: statements over lines, several in one, vertically', needsTerminal, async () => {
  const out = await typed('lines',
    at("SELECT 'a;b' AS text,\r"), at('  2 AS two;\r', /-> (?:\u001b\[\d+G)?$/),
    at('SELECT 3 AS three; SELECT 4 AS four;\r', /1 row in[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('SELECT 5 AS five\\G\r', /four[^]*1 row in[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('-- nothing\r', /Row 1:[^]*binnacle> (?:\u001b\[\d+G)?$/), QUIT);
  assert.match(out, /│ a;b {2}│ {3}2 │/);
  assert.match(out, /│ {5}3 │/);
  assert.match(out, /five:(?:\u001b\[0m)? 5/);
  assert.equal(historyOf('lines'), "SELECT 'a;b' AS text, 2 AS two;\nSELECT 3 AS three;\n"
    + 'SELECT 4 AS four;\nSELECT 5 AS five;\n');
});

test('prompt: the history comes back with the arrow', needsTerminal, async () => {
  await typed('arrow', at('SELECT 41\r'), at('+ 1;\r', /-> (?:\u001b\[\d+G)?$/),
    at('\\q\r', /42[^]*binnacle> (?:\u001b\[\d+G)?$/));
  const out = await typed('arrow', at('\u001b[A'), at('\r', /SELECT 41 \+ 1;(?:\u001b\[\d+G)?$/),
    at('\\q\r', /42[^]*1 row in[^]*binnacle> (?:\u001b\[\d+G)?$/));
  assert.match(out, /│ +42 │/);
});

test('prompt: commands, completion and mistakes', needsTerminal, async () => {
  const out = await typed('commands',
    at('\\d\r'), at('\\d otel_logs\r', /otel_traces[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('\\timing\r', /Timestamp[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('\\x on\r', /timing is off[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('\\z\r', /vertical rows: on[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('SELECT nope;\r', /there is no \\z[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('SELECT count() FROM otel_lo\t', /\^{4}[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at(';\r', /otel_lo[^]*gs/), at('\\q\r', /count\(\):[^]*binnacle> (?:\u001b\[\d+G)?$/));
  assert.match(out, /UNKNOWN_IDENTIFIER/);
  assert.doesNotMatch(out, /1 row in/);
});

test('prompt: Ctrl-C drops what is written, and cancels what runs', needsTerminal, async () => {
  const out = await typed('cancel',
    at('SELECT wrong\r'), at('more\u0003', /-> (?:\u001b\[\d+G)?$/),
    at('SELECT max(sipHash64(number)) FROM numbers(100000000000);\r',
      /\^C[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('\u0003', /Ctrl-C cancels/),
    at('SELECT 7 AS seven;\r', /cancelled[^]*binnacle> (?:\u001b\[\d+G)?$/),
    at('\u0004', /seven[^]*1 row in[^]*binnacle> (?:\u001b\[\d+G)?$/));
  assert.match(out, /│ +7 │/);
});

test('history: bounded, for its owner only, without what begins with a blank', async () => {
  const path = historyPath({ XDG_STATE_HOME: join(folder, 'bounds') });
  mkdirSync(dirname(path), { recursive: true });
  const old = Array.from({ length: limits.entriesMax + 50 }, (_, index) => `SELECT ${index};`);
  writeFileSync(path, `${old.join('\n')}\n`);
  chmodSync(path, 0o644);
  const history = await openHistory(createFiles(), path);
  assert.equal(history.entries.length, limits.entriesMax);
  assert.equal(history.entries[0], old.at(-1));
  await history.add('SELECT new;');
  await history.add(' SELECT secret;');
  await history.add('x'.repeat(limits.entryCharactersMax + 1));
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  assert.equal(lines.length, limits.entriesMax);
  assert.equal(lines.at(-1), 'SELECT new;');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);

  const other = await openHistory(createFiles(), path);
  await other.add('SELECT other;');
  await history.add('SELECT mine;');
  assert.deepEqual(readFileSync(path, 'utf8').trim().split('\n').slice(-3),
    ['SELECT new;', 'SELECT other;', 'SELECT mine;']);
});

test('history: its place is absolute', () => {
  assert.equal(historyPath({ XDG_STATE_HOME: '/state' }), '/state/binnacle/query_history');
  assert.match(historyPath({ XDG_STATE_HOME: 'state' }), /\/\.local\/state\/binnacle\/query_hist/);
});

test('completion: tables, columns of the tables that are named, attributes, keywords', async () => {
  const column = (name: string) => ({ name, type: 'String', comment: '', kind: '' });
  const table = (name: string, ...columns: string[]) =>
    ({ name, comment: '', rows: 0, bytes: 0, columns: columns.map(column) });
  const complete = createCompleter({
    tables: [table('otel_logs', 'Body', 'LogAttributes'), table('otel_traces', 'SpanName')],
    attributesOf: async ({ name }) => (name !== 'otel_logs' ? []
      : [{ column: 'LogAttributes', key: 'http.route', rows: 1, values: [] }]),
  });
  const check = async (before: string, line: string, found: string[], part: string) =>
    assert.deepEqual(await complete(before, line), [found, part]);
  await check('', 'SELECT * FROM otel_', ['otel_logs', 'otel_traces'], 'otel_');
  await check('', 'SELECT bod', ['Body'], 'bod');
  await check('SELECT count() FROM otel_traces', 'WHERE bo', [], 'bo');
  await check('', 'sele', ['select'], 'sele');
  await check('', "SELECT LogAttributes['http", [], 'http');
  await check('', "FROM otel_logs SELECT LogAttributes['http", ["http.route']"], 'http');
  await check('', '\\d otel_l', ['otel_logs'], 'otel_l');
  await check('', '\\ti', ['\\timing'], '\\ti');
});
