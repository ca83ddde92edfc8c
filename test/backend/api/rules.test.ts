// `/api/rules` over HTTP, with a book over a journal and files in memory: rules are made, changed
// and deleted in YAML and JSON, mistakes come with their line and column, those of files are only
// shown, and each role may do what it may.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { hashOf } from '../../../backend/access/token.ts';
import type { Role } from '../../../backend/access/roles.ts';
import { registerRules } from '../../../backend/api/rules.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createRuleBook, type WatchedRuleBook } from '../../../backend/rules/book.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createWorld } from '../../../runtime/world.ts';
import { fakeStorage, startApi, type ApiFixture } from './api_fixture.ts';

const FILE = 'groups:\n- name: shop\n  rules:\n  - alert: Errors\n    logs: level:error\n'
  + '    condition: "> 5"\n    labels: {severity: page}\n';
const texts: Record<string, string> = { 'a.yaml': FILE, 'b.yaml': 'groups: [1]' };
const token = (name: string, role: Role) =>
  ({ name, role, hash: hashOf(`bnc_${name}`).toString('hex'), expiresMs: null });

let api: ApiFixture;
let book: WatchedRuleBook;

before(async () => {
  const world = createWorld();
  book = createRuleBook({
    clock: world.clock, random: world.random, log: SILENT_LOG, counters: createCounters(),
    files: { readText: async (path) => texts[path] ?? null, stat: async () => null,
      list: async () => null },
    patterns: ['a.yaml', 'b.yaml'], thresholdsFile: '',
    journal: createMemoryJournal(world.clock), retentionMs: 30 * 86_400_000,
    check: async ({ source }) => (source.type === 'sql'
      ? { why: 'there is no table x', hint: 'write otel_logs' } : null),
  });
  await book.start();
  api = await startApi(fakeStorage(() => Readable.from([])), {
    tokens: [token('op', 'operator'), token('ann', 'analyst'), token('vic', 'viewer')],
    others: [(app) => void app.register(async (scope) => registerRules(scope, { book }))],
  });
});

after(async () => {
  await api?.stop();
  await book?.stop(AbortSignal.timeout(1000));
});

async function send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: string,
  { type = 'application/yaml', as = 'op' } = {}) {
  const { status, text } = await api.get(`/api/rules${path}`, { method,
    headers: { authorization: `Bearer bnc_${as}`,
      ...(body === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body }) });
  return { status, json: JSON.parse(text) as any };
}

test('rules: those of files are shown with what is wrong, and not changed', async () => {
  const { status, json } = await send('GET', '');
  assert.equal(status, 200);
  const [rule] = json.items;
  assert.deepEqual([rule.name, rule.group, rule.origin, rule.editable, rule.file, rule.line],
    ['Errors', 'shop', 'file', false, 'a.yaml', 4]);
  assert.deepEqual(rule.severities, ['page']);
  assert.match(rule.text, /^alert: Errors\nlogs/);
  assert.deepEqual([json.next, json.problems[0].file], [null, 'b.yaml']);
  const change = await send('PUT', `/${rule.id}`, 'alert: X\nlogs: a\ncondition: "> 5"');
  assert.deepEqual([change.status, change.json.error.code], [409, 'READ_ONLY_RULE']);
  assert.equal((await send('DELETE', `/${rule.id}`)).status, 409);
  assert.equal((await send('GET', `/${rule.id}`)).json.name, 'Errors');
});

test('rules: made, changed and deleted', async () => {
  const text = 'alert: Slow\nspans: ""\nvalue: p95\ncondition: "> 1s"\ngroup: mine\n';
  const made = await send('POST', '', text);
  assert.equal(made.status, 201, JSON.stringify(made.json));
  const { id, changed, ...rest } = made.json;
  assert.deepEqual([rest.name, rest.group, rest.origin, rest.changed_by, rest.text, rest.interval],
    ['Slow', 'mine', 'api', 'op', text, '1m']);
  assert.ok(Date.parse(changed) > 0);
  const body = JSON.stringify({ alert: 'Slower', spans: '', value: 'p99', condition: '> 2s' });
  const put = await send('PUT', `/${id}`, body, { type: 'application/json' });
  assert.deepEqual([put.status, put.json.id, put.json.name], [200, id, 'Slower']);
  assert.equal((await send('GET', '')).json.items.length, 2);
  assert.equal((await send('DELETE', `/${id}`)).json.name, 'Slower');
  assert.equal((await send('GET', `/${id}`)).status, 404);
  assert.equal((await send('PUT', `/${id}`, body)).status, 404);
});

test('rules: mistakes come with their places', async () => {
  const { status, json } = await send('POST', '', 'alert: A\nlogs: "("\nconditon: "> 5"\n');
  assert.equal(status, 400);
  const { code, message, line, column, problems } = json.error;
  assert.deepEqual([code, message, line, column],
    ['INVALID_RULE', 'conditon: unknown key', 3, 1]);
  assert.equal(problems.length, 1);
  const sql = await send('POST', '',
    'alert: A\nsql: SELECT {from:DateTime64(9)}, {to:DateTime64(9)} FROM x\ncondition: "> 1"');
  assert.deepEqual([sql.status, sql.json.error.message], [400, 'there is no table x']);
  assert.equal((await send('POST', '', '')).status, 400);
  assert.equal((await send('POST', '', 'a', { type: 'image/png' })).status, 415);
});

test('rules: a rule and a whole file can be checked', async () => {
  const good = await send('POST', '/check', 'alert: A\nlogs: a\ncondition: "> 5"');
  assert.deepEqual(good.json, { ok: true, problems: [] });
  const wrong = await send('POST', '/check', FILE.replace('condition', 'conditions'));
  assert.equal(wrong.json.ok, false);
  assert.deepEqual([wrong.json.problems[0].line, wrong.json.problems[0].column], [6, 5]);
  const json = await send('POST', '/check', '{"groups": []}', { type: 'application/json' });
  assert.equal(json.json.ok, true);
});

test('rules: pages, and who may do what', async () => {
  const ids = [];
  for (const name of ['A', 'B', 'C']) {
    ids.push((await send('POST', '', `alert: ${name}\nlogs: a\ncondition: "> 5"`)).json.id);
  }
  const first = (await send('GET', '?limit=3')).json;
  const second = (await send('GET', `?limit=3&cursor=${first.next}`)).json;
  assert.deepEqual([first.items.length, second.items.length, second.next], [3, 1, null]);
  for (const id of ids) await send('DELETE', `/${id}`);
  const rule = 'alert: A\nlogs: a\ncondition: "> 5"';
  assert.equal((await send('GET', '', undefined, { as: 'vic' })).status, 200);
  assert.equal((await send('POST', '/check', rule, { as: 'vic' })).status, 403);
  assert.equal((await send('POST', '/check', rule, { as: 'ann' })).status, 200);
  assert.equal((await send('POST', '', rule, { as: 'ann' })).status, 403);
});
