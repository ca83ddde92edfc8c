// Mixtures of hostile and legitimate statements, of fixed seeds: tokens taken out, put in, moved
// and swapped between two statements, letters changed in case. Whatever the gate lets through has
// no function, source or table in its tree that was refused, and run on a locked session it opens
// no connection, writes no file and does not show the secret. FUZZ_SEED and FUZZ_ROUNDS choose
// other mixtures and more of them.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GateError } from '../../../backend/gate/errors.ts';
import { REVIEWED } from '../../../backend/gate/functions.ts';
import { TABLE_FUNCTIONS } from '../../../backend/gate/select.ts';
import { tokenize } from '../../../backend/gate/tokens.ts';
import { QueryError } from '../../../backend/storage/contract.ts';
import { seededRandom, type Random } from '../../proto/generate.ts';
import { NEVER } from '../storage/clickhouse/storage_fixture.ts';
import { ANALYSTS } from './analyst_queries.ts';
import { startGate, type GateFixture } from './gate_fixture.ts';
import { HOSTILE } from './hostile_statements.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 400);
const MARKER = 'the-secret-of-this-server';
const OTHER = 'binnacle_batches';
const lowerCase = (names: readonly string[]): ReadonlySet<string> =>
  new Set(names.map((name) => name.toLowerCase()));
const REFUSED = lowerCase(REVIEWED.refused);
const SOURCES_REFUSED = lowerCase(TABLE_FUNCTIONS.refused);

let fixture: GateFixture;
let folder: string;
let listener: Server;
let connections = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-fuzz-'));
  writeFileSync(join(folder, 'secret.txt'), MARKER);
  listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  fixture = await startGate('default');
});

after(async () => {
  await fixture?.stop();
  listener?.close();
  rmSync(folder, { recursive: true, force: true });
});

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

function corpus(): string[][] {
  const port = String((listener.address() as AddressInfo).port);
  const hostile = Object.values(HOSTILE).flat().map((text) => text
    .replaceAll('$SECRET', join(folder, 'secret.txt')).replaceAll('$OUT', join(folder, 'out.txt'))
    .replaceAll('$PORT', port).replaceAll('$OTHER', OTHER));
  return [...ANALYSTS, ...hostile].map((text) => tokenize(text).map((token) => token.text));
}

/** Tokens of one statement, changed with those of another. */
function mixed(random: Random, texts: readonly string[][]): string {
  const [one, two] = [texts[below(random, texts.length)]!, texts[below(random, texts.length)]!];
  const tokens = [...one];
  const at = below(random, tokens.length + 1);
  const from = below(random, two.length + 1);
  const piece = two.slice(from, from + 1 + below(random, 8));
  switch (below(random, 6)) {
    case 0: tokens.splice(at, 0, ...piece); break;
    case 1: tokens.splice(at, piece.length, ...piece); break;
    case 2: tokens.splice(at, 1 + below(random, 3)); break;
    case 3: tokens.splice(at, 0, tokens[below(random, tokens.length)] ?? ''); break;
    case 4: tokens[at] = ['file', OTHER, 'APPLY', 'IN', 'system', ';', '/*', '`', '('][
      below(random, 9)]!; break;
    default: tokens[at] = (below(random, 2) === 0 ? tokens[at]?.toUpperCase() : piece[0]) ?? '';
  }
  return tokens.join(below(random, 5) === 0 ? '\n' : ' ');
}

/** Names in the tree of a text, as the engine prints it. */
async function treeOf(sql: string): Promise<string> {
  let plain = sql;
  for (const { kind, start, end } of tokenize(sql).reverse()) {
    if (kind === 'param') plain = `${plain.slice(0, start)}0${plain.slice(end)}`;
  }
  return fixture.read(`EXPLAIN AST ${plain}`);
}

async function checkPassed(sql: string, given: string): Promise<void> {
  if (/^(?:SELECT|WITH|\()/.test(sql)) {
    const tree = await treeOf(sql);
    const names = [...tree.matchAll(/^ *Function (\S+)/gm)].map(([, name]) => name!.toLowerCase());
    assert.deepEqual(names.filter((name) => REFUSED.has(name)), [], given);
    const sources = [...tree.matchAll(/^ *TableExpression.*\n *Function (\S+)/gm)]
      .map(([, name]) => name!.toLowerCase());
    assert.deepEqual(sources.filter((name) => SOURCES_REFUSED.has(name)), [], given);
    const tables = [...tree.matchAll(/^ *TableIdentifier (\S+)/gm)].map(([, name]) => name!);
    assert.deepEqual(tables.filter((name) => name.includes(OTHER)), [], given);
  }
  const settings = { max_execution_time: 1, max_result_rows: 1000 };
  const result = await fixture.read(sql, { settings, params: { n: 1, service: 'x', from: '0',
    services: [] } }).catch((error: unknown) => {
    assert.ok(error instanceof QueryError && error.kind !== 'unavailable', `${given}: ${error}`);
    return error.message;
  });
  // The text itself may be repeated in an answer; what the file says may not.
  assert.ok(!result.includes(MARKER), given);
}

test('fuzz: what passes has nothing refused in it, and no effect', async () => {
  const random = seededRandom(SEED);
  const texts = corpus();
  let passed = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const given = mixed(random, texts);
    const verdict = await fixture.gate.check(given, ['n', 'service', 'services', 'from'], NEVER)
      .catch((error: unknown) => error);
    if (verdict instanceof GateError) continue;
    assert.ok(!(verdict instanceof Error), `${given}: ${String(verdict)}`);
    passed += 1;
    await checkPassed((verdict as { sql: string }).sql, given);
  }
  assert.ok(passed > ROUNDS / 50, `${passed} of ${ROUNDS} passed`);
  assert.equal(connections, 0);
  assert.equal(existsSync(join(folder, 'out.txt')), false);
});
