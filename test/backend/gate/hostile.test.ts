// Hostile statements: each is refused by the gate with its code, and without effect: no file of the
// server is read into an answer or written, no connection is opened, no table changed, and the
// engine lives. What the engine alone would let through, were the gate not there, is recorded in
// test/golden/gate/second_wall.txt (UPDATE_GOLDEN=1): a change there is a change of the engine.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GateError } from '../../../backend/gate/errors.ts';
import { QueryError } from '../../../backend/storage/contract.ts';
import { NEVER } from '../storage/clickhouse/storage_fixture.ts';
import { startGate, type GateFixture } from './gate_fixture.ts';
import { HEAVY, HOSTILE, LONG } from './hostile_statements.ts';

const MARKER = 'the-secret-of-this-server';
const GOLDEN = new URL('../../golden/gate/second_wall.txt', import.meta.url);
const DATABASE = 'default';

let fixture: GateFixture;
let folder: string;
let listener: Server;
let connections = 0;
let state: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-hostile-'));
  writeFileSync(join(folder, 'secret.txt'), `${MARKER}\n`);
  listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  fixture = await startGate(DATABASE);
  state = await stateOf();
});

after(async () => {
  await fixture?.stop();
  listener?.close();
  rmSync(folder, { recursive: true, force: true });
});

const statements = (): { code: string; text: string; sql: string }[] =>
  Object.entries(HOSTILE).flatMap(([code, texts]) => texts.map((text) =>
    ({ code, text, sql: filled(text) })));

const filled = (text: string): string => text
  .replaceAll('$SECRET', join(folder, 'secret.txt'))
  .replaceAll('$OUT', join(folder, 'out.txt'))
  .replaceAll('$PORT', String((listener.address() as AddressInfo).port))
  .replaceAll('$OTHER', 'binnacle_batches');

/** Everything that a statement could change. */
const stateOf = (): Promise<string> => fixture.read(`SELECT database, name, create_table_query,
  total_rows FROM system.tables WHERE database NOT IN ('system', 'information_schema',
  'INFORMATION_SCHEMA') ORDER BY ALL`);

async function nothingHappened(): Promise<void> {
  assert.equal(existsSync(join(folder, 'out.txt')), false, 'a file was written');
  assert.equal(connections, 0, 'a connection was opened');
  assert.equal(readFileSync(join(folder, 'secret.txt'), 'utf8'), `${MARKER}\n`);
  assert.equal(await stateOf(), state, 'a table was changed');
}

test('hostile: at least 150 statements, and each once', () => {
  const texts = statements().map(({ text }) => text);
  assert.ok(texts.length >= 150, String(texts.length));
  assert.deepEqual(texts.filter((text, index) => texts.indexOf(text) !== index), []);
});

test('hostile: each is refused with its code, without effect', async () => {
  const wrong: string[] = [];
  for (const { code, text, sql } of statements()) {
    const error = await fixture.gate.check(sql, ['t', 'd'], NEVER)
      .then((statement) => statement.sql, (thrown: unknown) => thrown);
    if (!(error instanceof GateError)) wrong.push(`${text} → passed or broke: ${String(error)}`);
    else if (error.code !== code) wrong.push(`${text} → ${error.code}: ${error.message}`);
    else if (error.message === '' || error.hint === '') wrong.push(`${text} → says nothing`);
    else if (error.message.includes(MARKER)) wrong.push(`${text} → tells the secret`);
  }
  assert.deepEqual(wrong, []);
  await nothingHappened();
});

test('hostile: long and deep ones end soon, and the engine lives', async () => {
  for (const [name, sql] of HEAVY) {
    const began = performance.now();
    const error = await fixture.gate.check(sql, [], NEVER).then((statement) => statement,
      (thrown: unknown) => thrown);
    assert.ok(error instanceof GateError, `${name}: ${String(error).slice(0, 200)}`);
    assert.ok(performance.now() - began < 10_000, `${name} took long`);
  }
  assert.equal(await fixture.read('SELECT 1'), '1\n');
});

test('hostile: what is long takes no long time of ours', async () => {
  for (const sql of LONG) {
    const before = performance.eventLoopUtilization();
    const error = await fixture.gate.check(sql, [], NEVER).catch((thrown: unknown) => thrown);
    const { active } = performance.eventLoopUtilization(before);
    assert.ok(error instanceof GateError, `${sql.slice(0, 50)}: ${String(error).slice(0, 200)}`);
    assert.match(error.code, /^(?:FUNCTION_DENIED|TOO_LARGE|SYNTAX)$/, sql.slice(0, 50));
    assert.ok(active < 3_000, `${sql.slice(0, 50)} took ${active} ms`);
  }
});

test('hostile: what the engine alone lets through is known', async () => {
  const passed: string[] = [];
  for (const { text, sql } of statements()) {
    const before = connections;
    const answer = await fixture.read(sql, { params: { t: 'binnacle_batches', d: 'default' } })
      .then((result) => (result.includes(MARKER) ? 'READS THE FILE' : 'passes'),
        (error: unknown) => engineRefused(error, sql));
    const connected = connections > before ? ' CONNECTS' : '';
    if (answer !== '' || connected !== '') {
      passed.push(`${answer}${connected}: ${JSON.stringify(text)}`);
    }
  }
  const found = `${passed.join('\n')}\n`;
  assert.doesNotMatch(found, /CONNECTS/);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(new URL('.', GOLDEN), { recursive: true });
    writeFileSync(GOLDEN, found);
  }
  assert.equal(found, readFileSync(GOLDEN, 'utf8'));
  await nothingHappened();
});

function engineRefused(error: unknown, sql: string): string {
  assert.ok(error instanceof QueryError, `${sql}: ${String(error)}`);
  assert.notEqual(error.kind, 'unavailable', `${sql}: ${error.message}`);
  return error.message.includes(MARKER) ? 'READS THE FILE' : '';
}
