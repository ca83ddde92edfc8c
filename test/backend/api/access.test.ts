// Access through the API on real sockets: every route that the server registers has a permission,
// each role reaches what it may and nothing else, and what is wrong with a token is said in the one
// shape of errors, counted, and without a word about the token.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { permissionOf, mayDo } from '../../../backend/access/permissions.ts';
import { ROLES, type Role } from '../../../backend/access/roles.ts';
import { hashOf } from '../../../backend/access/token.ts';
import { registerOtlpHttp } from '../../../proto/http/server.ts';
import { createSink } from '../../contract/fakes.ts';
import { fakeStorage, problemIn, startApi, type ApiFixture } from './api_fixture.ts';

const hash = (text: string) => hashOf(text).toString('hex');
const tokens = [
  ...ROLES.map((role) => ({ name: role, role, hash: hash(`bnc_${role}`), expiresMs: null })),
  { name: 'old', role: 'admin' as Role, hash: hash('bnc_old'), expiresMs: 1 },
];
const storage = fakeStorage(() => Readable.from([Buffer.from('{}\n')]));
const routes: { method: string; url: string }[] = [];
let api: ApiFixture;

before(async () => {
  const sink = createSink();
  api = await startApi(storage, { tokens, others: [
    (app) => app.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) routes.push({ method: one, url });
    }),
    (app) => {
      app.get('/api/nobody-listed-this', () => 'open');
    },
    (app) => registerOtlpHttp(app, { consumer: sink }),
  ] });
});

after(() => api?.stop());

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('access: every route has a permission', () => {
  assert.ok(routes.length > 15, JSON.stringify(routes));
  const open = routes.filter(({ method, url }) => permissionOf(method, url) === null)
    .map(({ method, url }) => `${method} ${url}`);
  assert.deepEqual(open, ['GET /api/nobody-listed-this', 'HEAD /api/nobody-listed-this'],
    'list these routes in backend/access/permissions.ts');
});

test('access: a route that is not listed is closed to everybody', async () => {
  for (const role of ROLES) {
    const answer = await api.get('/api/nobody-listed-this', { headers: bearer(`bnc_${role}`) });
    assert.deepEqual([answer.status, problemIn(answer).code], [403, 'FORBIDDEN'], role);
  }
});

test('access: each role reaches what it may', async () => {
  for (const { method, url } of routes.filter(({ url: one }) => !one.includes('*'))) {
    const permission = permissionOf(method, url);
    if (permission === null || permission === 'otlp') continue;
    // A stream would not end; a mistake in its search ends it.
    const path = url.replace(/:\w+/g, '00000000-0000-4000-8000-000000000000')
      + (url === '/api/tail' ? '?q=(' : '');
    const ask = (headers: Record<string, string>) =>
      api.get(path, { method: method as 'GET', headers });
    for (const role of ROLES) {
      const answer = await ask(bearer(`bnc_${role}`));
      const { status } = answer;
      // A thing of somebody else's is refused with another sentence.
      const isDenied = status === 403 && (method === 'HEAD' || /the role /.test(answer.text));
      assert.equal(!isDenied, mayDo(role, permission), `${role} ${method} ${url}: ${status}`);
      assert.notEqual(status, 401);
    }
    const { status } = await ask({});
    assert.equal(status !== 401, permission === 'public', `nobody ${method} ${url}: ${status}`);
  }
});

test('access: what is wrong with a token is said and counted', async () => {
  const refused = (reason: string) =>
    api.counters.total('binnacle_access_refused_total', { reason });
  const check = async (headers: Record<string, string>, reason: string, message: RegExp) => {
    const before = refused(reason);
    const answer = await api.get('/api/ledger', { headers });
    const problem = problemIn(answer);
    assert.deepEqual([answer.status, problem.status, problem.code], [401, 401, 'UNAUTHENTICATED']);
    assert.match(problem.message, message);
    assert.match(problem.hint!, /binnacle token create/);
    assert.equal(answer.headers['www-authenticate'],
      'Bearer realm="binnacle", Basic realm="binnacle"');
    assert.equal(refused(reason), before + 1);
  };
  await check({}, 'absent', /no token/);
  await check(bearer('bnc_wrong'), 'unknown', /not known/);
  await check(bearer('bnc_old'), 'expired', /expired/);
  await check({ 'x-clickhouse-user': 'admin', 'x-clickhouse-key': 'x' }, 'unknown', /not known/);
  const forbidden = await api.get('/api/query?sql=SELECT', { headers: bearer('bnc_viewer') });
  assert.match(problemIn(forbidden).message, /the role viewer may not do this/);
  assert.doesNotMatch(JSON.stringify(api.log.lines), /bnc_|[0-9a-f]{64}/);
});

test('access: basic authentication and ClickHouse\'s header work, too', async () => {
  const password = Buffer.from('grafana:bnc_analyst').toString('base64');
  const ways: Record<string, string>[] = [{ authorization: `Basic ${password}` },
    { 'x-clickhouse-user': 'any', 'x-clickhouse-key': 'bnc_analyst' }];
  for (const headers of ways) {
    const answer = await api.get('/api/query?sql=SELECT', { headers });
    assert.equal(answer.status, 200, answer.text);
  }
});

test('access: what does not exist is 404 to all', async () => {
  assert.equal((await api.get('/nowhere')).status, 404);
  assert.equal((await api.get('/api/ledger', { method: 'PUT' })).status, 405);
});
