// `binnacle export` and `binnacle schema` as processes against a backend whose queries may answer
// few rows: every row is in exactly one file, pieces with too many are halved, a killed export goes
// on without asking again for what is whole, and files that were touched are made again.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync }
  from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Manifest } from '../../../backend/client/manifest.ts';
import { createClock } from '../../../runtime/clock.ts';
import { startBackend } from './client_fixture.ts';

const ROWS_MAX = 100;
const backend = await startBackend({ query: { max_result_rows: ROWS_MAX } });
after(() => backend.stop());
const { folder, run } = backend;

const HOUR_MS = 3_600_000;
const START_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 30 * HOUR_MS;
const iso = (ms: number): string => new Date(ms).toISOString();
const FROM = iso(START_MS);
const TO = iso(START_MS + 24 * HOUR_MS);
const BODY = 'a "b",\nc';

/** An hour with many, hours with one each, hours with none. */
const times = [
  ...Array.from({ length: 330 }, (_, index) => START_MS + 2 * HOUR_MS + index * 10_000),
  ...Array.from({ length: 10 }, (_, index) => START_MS + (5 + index) * HOUR_MS),
  START_MS - 1, START_MS + 24 * HOUR_MS,
];
await backend.send(times, BODY);
const INSIDE = 340;

const manifestOf = (out: string): Manifest =>
  JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Manifest;

const period = ['--from', FROM, '--to', TO];

test('export: every row is in exactly one file, and no piece has too many', async () => {
  for (const format of ['parquet', 'csv', 'ndjson']) {
    const out = join(folder, `all-${format}`);
    const { code, errors, out: said } =
      await run(['export', 'otel_logs', ...period, '--format', format, '--out', out]);
    assert.equal(code, 0, errors);
    assert.match(said, /^340 rows, 1\d files, .*counts agree\n$/);
    const { complete, pieces } = manifestOf(out);
    assert.equal(complete, true);
    assert.equal(pieces.reduce((sum, { rows }) => sum + rows, 0), INSIDE);
    assert.ok(pieces.every(({ rows }) => rows <= ROWS_MAX));
    assert.deepEqual(pieces.slice(1).map(({ from }) => from), pieces.slice(0, -1)
      .map(({ to }) => to), 'pieces follow each other');
    const files = pieces.flatMap(({ file }) => file ?? []);
    assert.deepEqual(readdirSync(out).sort(), [...files, 'manifest.json'].sort());
    if (format !== 'ndjson') continue;
    const bodies = files.flatMap((file) => readFileSync(join(out, file), 'utf8').trim().split('\n')
      .map((line) => (JSON.parse(line) as { Body: string }).Body));
    assert.equal(new Set(bodies).size, INSIDE);
    assert.ok(bodies.every((body) => body.startsWith(BODY)));
  }
});

test('export: of a statement, with its own borders or a column of time', async () => {
  const own = join(folder, 'own');
  const sql = 'SELECT toStartOfHour(Timestamp) AS hour, count() AS records FROM otel_logs '
    + 'WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)} GROUP BY hour';
  const first = await run(['export', '--sql', sql, ...period, '--every', '1d', '--format', 'csv',
    '--out', own]);
  assert.equal(first.code, 0, first.errors);
  assert.match(first.out, /^\d+ rows, 2 files/);
  const wrapped = await run(['export', '--sql', 'SELECT Timestamp AS t, Body FROM otel_logs;',
    '--time-column', 't', ...period, '--format', 'csv', '--out', join(folder, 'wrapped')]);
  assert.match(wrapped.out, /^340 rows/, wrapped.errors);
});

test('export: after a kill it goes on where it stopped', async () => {
  const out = join(folder, 'killed');
  const args = ['export', 'otel_logs', ...period, '--out', out];
  const child = backend.start(args);
  const exit = once(child, 'exit');
  const clock = createClock();
  const lastMs = clock.monotonicMs() + 60_000;
  const files = () => (existsSync(out) ? readdirSync(out) : [])
    .filter((name) => /^otel_logs.*parquet$/.test(name));
  while (files().length < 3) {
    assert.ok(clock.monotonicMs() < lastMs);
    await clock.sleep(5);
  }
  child.kill('SIGKILL');
  await exit;
  const { complete, pieces } = manifestOf(out);
  assert.equal(complete, false);
  const had = pieces.flatMap(({ file }) => file ?? []).map((file) => join(out, file));
  assert.ok(had.length > 0);
  const changed = () => had.map((file) => statSync(file).mtimeMs);
  const before = changed();
  writeFileSync(join(out, '.left.parquet.part'), 'half');
  const { code, errors, out: said } = await run(args);
  assert.equal(code, 0, errors);
  assert.match(said, /^340 rows, .* \(\d+ pieces? were there\)/);
  assert.deepEqual(changed(), before, 'what was whole was not written again');
  assert.equal(readdirSync(out).filter((name) => name.endsWith('.part')).length, 0);

  truncateSync(had[0]!, 10);
  assert.match((await run(args)).out, /^340 rows/);
  assert.ok(statSync(had[0]!).size > 10, 'a damaged file is made again');
});

test('export: what cannot be is one sentence', async () => {
  const out = join(folder, 'wrong');
  const check = async (args: string[], wanted: RegExp) => {
    const { code, errors } = await run(['export', ...args]);
    assert.equal(code, 2, errors);
    assert.match(errors, wanted);
  };
  await check(['nowhere', ...period, '--out', out], /no table nowhere\n {2}there are .*otel_/);
  await check(['otel_logs', ...period, '--out', out, '--format', 'xml'], /'xml' is no format/);
  await check(['otel_logs', '--from', 'soon', '--out', out], /from must be a time/);
  await check(['otel_logs', '--from', '2020-01-01', '--out', out, '--every', '1s'],
    /period is longer|more than 10000 pieces/);
  await check(['--sql', 'SELECT 1', ...period, '--out', out], /which time a row belongs/);
  await check(['otel_logs', ...period, '--out', join(folder, 'all-csv')], /holds another export/);
  const relative = ['otel_logs', '--from', 'now-1h', '--out', join(folder, 'relative')];
  assert.equal((await run(['export', ...relative])).code, 0);
  await check(relative, /holds this export already, from 2/);
});

test('schema: tables, columns and attributes, as a page and as JSON', async () => {
  const tables = await run(['schema']);
  assert.match(tables.out, /│ otel_logs +│ +18 │ +342 │/);
  const logs = await run(['schema', 'otel_logs']);
  assert.match(logs.out, /│ Timestamp +│ DateTime64\(9\) /);
  const { columns, attributes } = JSON.parse((await run(['schema', 'otel_logs', '--json'])).out) as
    { columns: { name: string }[]; attributes: unknown[] };
  assert.equal(columns[0]!.name, 'Timestamp');
  assert.deepEqual(attributes.at(0), { column: 'ResourceAttributes', key: 'service.name',
    rows: INSIDE + 2 - times.filter((ms) => ms < Date.now() - 24 * HOUR_MS).length,
    values: ['shop'] });
  const absent = await run(['schema', 'nowhere']);
  assert.equal(absent.code, 2);
  assert.match(absent.errors, /there is no table nowhere/);
});
