// `POST /api/rules/backtest` over HTTP and `binnacle rules backtest`, with what was measured made
// up: a rule by its text, of a file and by its id; periods, who may, and what is refused.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { hashOf } from '../../../backend/access/token.ts';
import type { Role } from '../../../backend/access/roles.ts';
import { registerBacktest } from '../../../backend/api/backtest.ts';
import { backtest } from '../../../backend/client/backtest.ts';
import { readRule } from '../../../backend/rules/file/single.ts';
import type { Sample } from '../../../backend/rules/model.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createWorld } from '../../../runtime/world.ts';
import { fakeStorage, startApi, type ApiFixture } from './api_fixture.ts';

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 5);
const RULE = "alert: Errors\nlogs: level:error\ncondition: '> 5'\nfor: 2m";
const DAY = { from: '2026-01-05', to: '2026-01-06' };
const token = (name: string, role: Role) =>
  ({ name, role, hash: hashOf(`bnc_${name}`).toString('hex'), expiresMs: null });

let api: ApiFixture;
let folder: string;

/** Too many for half an hour from 1:00, and again from 3:00. */
const measured = (minute: number): Sample[] =>
  [{ labels: { service: 'a' }, value: minute % 120 >= 60 && minute % 120 < 90 && minute < 240
    ? minute : 0 }];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'binnacle-backtest-'));
  writeFileSync(join(folder, 'rule.yaml'), RULE);
  const known = readRule(RULE, { retentionMs: 1e12 });
  assert.ok(known.ok);
  const group = known.group;
  const one = { rule: group.rules[0]!, group, origin: 'api', written: null } as const;
  const options = {
    book: { rule: (id: string) => (id === 'known' ? one : null) },
    check: async ({ name }: { name: string }) =>
      (name === 'Wrong' ? { why: 'there is no table x', hint: 'write otel_logs' } : null),
    clock: createWorld().clock, retentionMs: 40 * 86_400_000, readSeries: async () => [],
    measureRange: async (_: unknown, { fromMs, toMs, stepMs }:
      { fromMs: number; toMs: number; stepMs: number }) => {
      const found = new Map<number, Sample[]>();
      for (let atMs = fromMs + stepMs; atMs <= toMs; atMs += stepMs) {
        found.set(atMs, measured((atMs - START_MS) / MINUTE_MS));
      }
      return found;
    },
    grouping: () => ({ groupBy: ['alertname'], groupWaitMs: 30_000, groupIntervalMs: 300_000,
      repeatIntervalMs: 14_400_000 }),
  };
  api = await startApi(fakeStorage(() => Readable.from([])), {
    tokens: [token('ann', 'analyst'), token('vic', 'viewer')],
    others: [(app) => void app.register(async (scope) => registerBacktest(scope, options))],
  });
});

after(async () => {
  await api?.stop();
  rmSync(folder, { recursive: true });
});

async function post(body: object, as = 'ann') {
  const { status, text } = await api.get('/api/rules/backtest', { method: 'POST',
    headers: { authorization: `Bearer bnc_${as}`, 'content-type': 'application/json' },
    body: JSON.stringify(body) });
  return { status, json: JSON.parse(text) as any };
}

test('backtest: when the rule would have fired, and what would have been told of it', async () => {
  const { status, json } = await post({ rule: RULE, ...DAY });
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual(json.alerts[0], {
    labels: { service: 'a', alertname: 'Errors' }, active: '2026-01-05T01:00:00.000Z',
    from: '2026-01-05T01:02:00.000Z', to: '2026-01-05T01:30:00.000Z', seconds: 28 * 60,
    min: 62, max: 89,
  });
  assert.equal(json.evaluations, 1440);
  assert.equal(json.fired, 2);
  assert.equal(json.share_firing, 56 / 1440);
  assert.deepEqual(json.notifications.reasons,
    { 'first notification': 2, 'all alerts resolved': 2 });
  assert.equal(json.notifications.count, 4);
});

test('backtest: a rule of a file, and one that counts', async () => {
  const rules = ['A', 'B'].map((alert) => ({ alert, logs: 'x', condition: '> 5' }));
  const file = JSON.stringify({ groups: [{ name: 'g', interval: '5m', rules }] });
  assert.match((await post({ rule: file })).json.error.message, /2 rules are meant/);
  const { json } = await post({ rule: file, name: 'B', ...DAY });
  assert.deepEqual([json.rule.name, json.evaluations, json.fired], ['B', 288, 2]);
  assert.equal((await post({ id: 'known', last: '1d' })).json.rule.name, 'Errors');
  assert.equal((await post({ id: 'unknown' })).status, 404);
});

test('backtest: what cannot be is refused, with the place of a mistake', async () => {
  const check = async (body: object, code: string, message: RegExp) => {
    const { json } = await post(body);
    assert.equal(json.error?.code, code, JSON.stringify(json));
    assert.match(json.error.message, message);
  };
  await check({}, 'INVALID_REQUEST', /rule or id/);
  await check({ rule: RULE, id: 'known' }, 'INVALID_REQUEST', /rule or id/);
  await check({ rule: RULE, last: '1d', from: '-2d' }, 'INVALID_REQUEST', /last or from/);
  await check({ rule: RULE, last: '1000d' }, 'INVALID_REQUEST', /92 days/);
  await check({ rule: RULE, last: 'soon' }, 'INVALID_REQUEST', /last/);
  await check({ rule: RULE.replace('> 5', 'many') }, 'INVALID_RULE', /condition/);
  await check({ rule: RULE.replace('Errors', 'Wrong') }, 'INVALID_RULE', /no table x/);
  const { json } = await post({ rule: `${RULE}\nsevertiy: page` });
  assert.deepEqual([json.error.line, json.error.column], [5, 1]);
  assert.equal((await post({ rule: RULE }, 'vic')).status, 403);
});

test('backtest: the command draws what the backend says', async () => {
  const written: string[] = [];
  const write = process.stdout.write;
  const run = async (rule: string, json = false) => {
    written.length = 0;
    process.stdout.write = ((text: string) => written.push(text) > 0) as typeof write;
    try {
      await backtest({ url: api.url, token: 'bnc_ann', rule, json, ...DAY });
    } finally {
      process.stdout.write = write;
    }
    return written.join('');
  };
  await assert.rejects(run(join(folder, 'none.yaml')), (error) => error instanceof OperatorError);
  const text = await run(join(folder, 'rule.yaml'));
  assert.match(text, /^Errors of api, .* 1,440 evaluations\nfired 2 times, 3\.89 % of the time/);
  assert.match(text, /4 notifications of 1 group by alertname/);
  assert.match(text, /2026-01-05T01:02:00\.000Z .* 28:00 .* 62 .* 89 .* service=a/);
  const json = JSON.parse(await run(join(folder, 'rule.yaml'), true)) as object;
  assert.equal((json as { fired: number }).fired, 2);
});
