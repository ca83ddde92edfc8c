// `binnacle query` as a process against a backend as a process: forms of results at a terminal and
// in a pipe, several statements, parameters, files that appear when they are complete, watching,
// and cancellation, which the backend must notice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createClock } from '../../../runtime/clock.ts';
import { ended, needsTerminal, startBackend } from './client_fixture.ts';

const backend = await startBackend();
after(() => backend.stop());
const { folder, run } = backend;
const query = (...args: string[]) => run(['query', ...args]);

/** Computes for long, in steps that can be cancelled. */
const SLOW = 'SELECT max(sipHash64(number)) FROM numbers(100000000000)';

test('query: in a pipe tab-separated, otherwise as it is said', async () => {
  assert.equal((await query("SELECT 1, 'a\tb'")).out, '1\ta\\tb\n');
  assert.equal((await query('-f', 'csv', 'SELECT 1 AS a')).out, '"a"\n1\n');
  assert.equal((await query('-f', 'ndjson', 'SELECT 1 AS a')).out, '{"a":1}\n');
  assert.equal((await query('-f', 'vertical', "SELECT 'x' AS a, 2 AS long")).out,
    'Row 1:\na:    x\nlong: 2\n\n');
  assert.equal((await query('-f', 'table', 'SELECT 1 AS a FORMAT TSV')).out, '1\n');
  assert.equal((await query('-p', "a=it's", 'SELECT {a:String}')).out, "it\\'s\n");
});

test('query: several statements run in order, and the first that fails ends it', async () => {
  const file = join(folder, 'report.sql');
  writeFileSync(file, "-- a report; of two\nSELECT 'a;b';\n\nSELECT 2;\nSELECT\n  nope; SELECT 3");
  const { code, out, errors } = await query('--file', file);
  assert.equal(code, 1);
  assert.equal(out, 'a;b\n2\n');
  assert.match(errors, /^binnacle: .*report\.sql:5: UNKNOWN_IDENTIFIER: /);
  assert.match(errors, /\n {2}2: {3}nope\n {7}\^{4}\n/);
  assert.equal((await run(['query'], 'SELECT 1; SELECT 2')).out, '1\n2\n');
  assert.equal((await query('-- nothing')).code, 2);
  assert.equal((await query('--file', join(folder, 'absent.sql'))).code, 2);
});

test('query: a file appears when it is complete, in the format of its name', async () => {
  const file = join(folder, 'numbers.csv');
  const { code, errors, out } = await query('-o', file, '--time',
    'SELECT number FROM numbers(3)');
  assert.equal(code, 0, errors);
  assert.equal(out, '');
  assert.match(errors, /^\d+ B in \d+ ms/);
  assert.equal(readFileSync(file, 'utf8'), '"number"\n0\n1\n2\n');
  const failed = await query('-o', file, 'SELECT 1; SELECT nope');
  assert.equal(failed.code, 1);
  assert.equal(readFileSync(file, 'utf8'), '"number"\n0\n1\n2\n');
  assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith('.part')), []);
  assert.equal((await query('-o', '-', 'SELECT 1')).out, '1\n');
  const nowhere = await query('-o', join(folder, 'absent', 'x.csv'), 'SELECT 1');
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.errors, /cannot write .*x\.csv: its folder does not exist/);
});

test('query: a reader who has enough ends it quietly', async () => {
  const child = backend.start(['query', 'SELECT number FROM numbers(100000000) LIMIT 900000']);
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  const [code] = await once(child, 'exit') as [number];
  assert.equal(code, 0);
});

test('query: an interrupt cancels the query in the store', async () => {
  const child = backend.start(['query', SLOW]);
  const end = ended(child);
  await until(async () => (await metric('binnacle_queries_running')) === 1);
  const before = await metric('binnacle_queries_total{result="abandoned"}');
  child.kill('SIGINT');
  const { code, errors } = await end;
  assert.equal(code, 1);
  assert.equal(errors, 'binnacle: cancelled\n');
  await until(async () => (await metric('binnacle_queries_running')) === 0);
  assert.equal(await metric('binnacle_queries_total{result="abandoned"}'), before + 1);
});

test('query: watching asks again until it is interrupted', async () => {
  const child = backend.start(['query', '--watch', '100ms', 'SELECT now64(9)']);
  const end = ended(child);
  let seen = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    seen += String(chunk);
  });
  await until(async () => seen.split('\n').length > 3);
  child.kill('SIGINT');
  const { code, errors } = await end;
  assert.equal(code, 0, errors);
  const times = seen.trim().split('\n');
  assert.equal(new Set(times).size, times.length);
  const wrong = await query('--watch', '1s', 'SELECT nope');
  assert.equal(wrong.code, 1);
  assert.equal((await query('--watch', 'soon', 'SELECT 1')).code, 2);
});

test('query: at a terminal a table that fits, and nothing binary', needsTerminal, async () => {
  const { out, errors } = await backend.type(
    ['query', "SELECT 1 AS a, repeat('x', 300) AS long, '\\x1b[31m' AS red"], []);
  assert.equal(errors, '');
  assert.match(out, /│ 1 │ x+… │ \\e\[31m │/);
  for (const line of out.replace(/\u001b\[\d+m/g, '').split('\r\n')) {
    assert.ok(line.length <= 100, line);
  }
  const binary = await backend.type(['query', '-f', 'parquet', 'SELECT 1'], []);
  assert.match(binary.out, /the result is binary/);
});

test('query: at a terminal waiting is shown, and Ctrl-C cancels', needsTerminal, async () => {
  const { out, errors } = await backend.type(['query', SLOW],
    [{ seen: /░ \d+ %, [\d,]+ rows, [^]*Ctrl-C cancels/, keys: '\u0003' }]);
  assert.equal(errors, '', out);
  assert.match(out, /binnacle: cancelled/);
});

test('query: at a terminal watching draws over what was there', needsTerminal, async () => {
  const { out, errors } = await backend.type(['query', '--watch', '100ms', 'SELECT 1 AS one'],
    [{ seen: /\u001b\[H[^]*one[^]*\u001b\[H[^]*one/, keys: '\u0003' }]);
  assert.equal(errors, '');
  assert.match(out, /every 100 ms, .*: SELECT 1 AS one/);
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${backend.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const clock = createClock();
  const lastMs = clock.monotonicMs() + 30_000;
  while (!await done()) {
    assert.ok(clock.monotonicMs() < lastMs, 'it did not happen within 30 s');
    await clock.sleep(50);
  }
}
