// The gate, statement by statement on a real engine: what it makes of a text, what it says of one
// it refuses, and that it remembers. hostile.test.ts and analysts.test.ts have the long lists.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { GATE_CODES, GateError, type GateCode } from '../../../backend/gate/errors.ts';
import { FORMATS } from '../../../backend/gate/formats.ts';
import type { Statement } from '../../../backend/gate/gate.ts';
import { METADATA_TABLES } from '../../../backend/gate/metadata.ts';
import { TABLE_FUNCTIONS } from '../../../backend/gate/select.ts';
import { SETTING_NAMES } from '../../../backend/gate/settings.ts';
import { NEVER } from '../storage/clickhouse/storage_fixture.ts';
import { startGate, type GateFixture } from './gate_fixture.ts';

const DOC = readFileSync(new URL('../../../docs/sql.md', import.meta.url), 'utf8');
const DATABASE = 'gate_test';
let fixture: GateFixture;

before(async () => {
  fixture = await startGate(DATABASE);
});

after(() => fixture?.stop());

const check = (sql: string, params: string[] = []): Promise<Statement> =>
  fixture.gate.check(sql, params, NEVER);

async function refusal(sql: string, code: GateCode): Promise<GateError> {
  const error = await check(sql).then(() => null, (thrown: unknown) => thrown);
  assert.ok(error instanceof GateError, `${sql}: ${String(error)}`);
  assert.equal(error.code, code, sql);
  return error;
}

test('gate: FORMAT and SETTINGS are taken off', async () => {
  const statement = await check(
    'select count() from otel_logs settings max_threads = 2 format csv -- all');
  assert.deepEqual(statement, { kind: 'select', format: 'CSV', settings: { max_threads: '2' },
    params: [], sql: 'SELECT count() FROM otel_logs', tables: ['otel_logs'] });
});

test('gate: parameters stay in the text and are named', async () => {
  const { sql, params } = await check('SELECT {n:UInt8} + {n:UInt8} LIMIT {m:UInt64}', ['n', 'm']);
  assert.deepEqual(params, ['n', 'm']);
  assert.equal(await fixture.read(sql, { params: { n: 4, m: 5 } }), '8\n');
});

test('gate: system tables show published tables only', async () => {
  const { sql } = await check(`SELECT name FROM system.tables WHERE name LIKE '%_batches'
    OR name = 'otel_logs'`);
  assert.equal(await fixture.read(sql), 'otel_logs\n');
});

test('gate: an error says what, where, and what instead', async () => {
  const file = await refusal("SELECT 1, file('/etc/passwd')", 'FUNCTION_DENIED');
  assert.match(file.message, /^file\(\) reads files of the server$/);
  assert.match(file.hint, /published tables instead: otel_logs, /);
  assert.equal(file.position, 10);
  const table = await refusal('SELECT 1 FROM otel_log', 'TABLE_DENIED');
  assert.match(table.hint, /did you mean otel_logs\?/);
  assert.equal(table.position, 14);
  const name = await refusal('SELECT cuont() FROM otel_logs', 'FUNCTION_UNKNOWN');
  assert.match(name.hint, /did you mean count\?/);
  const syntax = await refusal('SELECT 1 FROMM otel_logs WHERE', 'SYNTAX');
  assert.equal(syntax.position, 15);
});

test('gate: a verdict is remembered, whatever it is', async () => {
  await check('SELECT 40 + 2');
  await refusal('SELECT sleep(3)', 'FUNCTION_DENIED');
  const before = fixture.asked.length;
  await check('SELECT 40 + 2');
  await refusal('SELECT sleep(3)', 'FUNCTION_DENIED');
  assert.equal(fixture.asked.length, before);
});

test('gate: docs/sql.md says what there is', () => {
  const named = (part: string): string[] =>
    [...part.matchAll(/`([A-Za-z_.\d]+)`/g)].map(([, name]) => name!).sort();
  const codes = [...DOC.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual(codes, [...GATE_CODES]);
  const [, tables = ''] = /paths and hosts:\n\n(.*?)\n\n/s.exec(DOC) ?? [];
  assert.deepEqual(named(tables), [...METADATA_TABLES].sort());
  const [, formats = ''] = /other protocols: (.*?)\n\n/s.exec(DOC) ?? [];
  assert.deepEqual(named(formats), [...FORMATS.refused].sort());
  const [, settings = ''] = /\| settings \|.*?\n(\| limits.*?)\n\n/s.exec(DOC) ?? [];
  assert.deepEqual(named(settings), [...SETTING_NAMES].sort());
  const [, sources = ''] = /Rows without a table\*\*: (.*?)\n-/s.exec(DOC) ?? [];
  assert.deepEqual(named(sources), TABLE_FUNCTIONS.allowed
    .filter((name) => name !== 'SQLStandardValues').sort());
});
