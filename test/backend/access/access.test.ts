// Who is let in: tokens in each place where a request may carry them, wrong, expired and missing
// ones, roles, limits by role and token, and that nothing of a token is logged.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAccess, denialOf, type TokenOptions } from '../../../backend/access/access.ts';
import { PERMISSIONS, mayDo, permissionOf } from '../../../backend/access/permissions.ts';
import { ROLES } from '../../../backend/access/roles.ts';
import { callerLimits, tokensOf } from '../../../backend/access/settings.ts';
import { hashOf, newToken } from '../../../backend/access/token.ts';
import { access as accessSchema, type AccessConfig } from '../../../config/access.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createManualClock, createRecordingLog } from '../../contract/fakes.ts';

const token = (name: string, changes: Partial<TokenOptions> = {}): TokenOptions => ({
  name, role: 'analyst', hash: hashOf(`token of ${name}`).toString('hex'), expiresMs: null,
  ...changes,
});

function create(tokens: readonly TokenOptions[]) {
  const clock = createManualClock();
  const counters = createCounters();
  const log = createRecordingLog();
  const access = createAccess({ tokens, clock, counters, log });
  const by = (headers: Record<string, string>) =>
    access.callerByHeaders((name) => headers[name], '10.0.0.7');
  return { access, clock, counters, log, by };
}

const basic = (text: string) =>
  ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

test('access: without tokens everybody is an anonymous admin', () => {
  const { access, by } = create([]);
  assert.equal(access.enforced, false);
  const anonymous = { caller: { name: 'anonymous', role: 'admin', address: '10.0.0.7' } };
  assert.deepEqual(by({}), anonymous);
  assert.deepEqual(by({ authorization: 'Bearer whatever' }), anonymous);
});

test('access: a token comes as bearer, as password, or in ClickHouse\'s header', () => {
  const { by } = create([token('a'), token('b', { role: 'viewer' })]);
  const a = { caller: { name: 'a', role: 'analyst', address: '10.0.0.7' } };
  assert.deepEqual(by({ authorization: 'Bearer tokenofa' }), { denial: 'unknown' });
  for (const headers of [basic('a:token of a'), basic(':token of a'), basic('b:token of a'),
    { 'x-clickhouse-key': 'token of a' }]) {
    assert.deepEqual(by(headers), a);
  }
  const { by: byPlain } = create([token('p', { hash: hashOf('bnc_x').toString('hex') })]);
  assert.equal('caller' in byPlain({ authorization: 'bearer  bnc_x' }), true);
  // Authorization wins, so that a wrong one is not made good by another header.
  assert.deepEqual(by({ ...basic('a:wrong'), 'x-clickhouse-key': 'token of a' }),
    { denial: 'unknown' });
});

test('access: what is no token is refused', () => {
  const { by, access } = create([token('a')]);
  const check = (headers: Record<string, string>, denial: string) =>
    assert.deepEqual(by(headers), { denial }, JSON.stringify(headers));
  check({}, 'absent');
  check({ authorization: '' }, 'absent');
  check({ authorization: 'Digest x' }, 'absent');
  check({ authorization: 'Bearer ' }, 'absent');
  check(basic('a:'), 'absent');
  check(basic('nothing'), 'unknown');
  check(basic('a:token of A'), 'unknown');
  check(basic(`a:${token('a').hash}`), 'unknown');
  check(basic(`a:${'x'.repeat(2000)}`), 'unknown');
  assert.deepEqual(access.callerByToken(undefined, ''), { denial: 'absent' });
});

test('access: a token expires by itself', async () => {
  const expiresMs = createManualClock().nowMs() + 1000;
  const { by, clock } = create([token('a', { expiresMs })]);
  assert.equal('caller' in by(basic(':token of a')), true);
  await clock.advance(999);
  assert.equal('caller' in by(basic(':token of a')), true);
  await clock.advance(1);
  assert.deepEqual(by(basic(':token of a')), { denial: 'expired' });
});

test('access: OTLP takes writers and admins', () => {
  const roles = ROLES.map((role) => token(role, { role }));
  const { access, counters, log } = create(roles);
  const authorize = (headers: Record<string, string>) =>
    access.authorizeIngest((name) => headers[name]);
  const answers = ROLES.map((role) => authorize(basic(`:token of ${role}`)));
  assert.deepEqual(answers.map((one) => (one as { status: string } | null)?.status ?? 'ok'),
    ['ok', 'forbidden', 'forbidden', 'forbidden', 'ok']);
  assert.equal((authorize({}) as { status: string }).status, 'unauthenticated');
  assert.equal(counters.total('binnacle_access_refused_total', { reason: 'forbidden' }), 3);
  assert.equal(counters.total('binnacle_access_refused_total', { reason: 'absent' }), 1);
  // The same sentence is logged once in a while only.
  assert.equal(log.lines.length, 2);
  assert.doesNotMatch(JSON.stringify(log.lines), /token of|[0-9a-f]{64}/);
});

test('access: each role may what it should', () => {
  const held = (permission: Parameters<typeof mayDo>[1]) =>
    ROLES.filter((role) => mayDo(role, permission)).join(' ');
  assert.equal(held('public'), ROLES.join(' '));
  assert.equal(held('ingest'), 'writer admin');
  assert.equal(held('read'), 'viewer analyst operator admin');
  assert.equal(held('sql'), 'analyst operator admin');
  assert.equal(held('operate'), 'operator admin');
  assert.equal(held('administer'), 'admin');
});

test('access: routes have a permission by method and path, unlisted ones none', () => {
  assert.equal(permissionOf('HEAD', '/api/ledger'), 'read');
  assert.equal(permissionOf('PUT', '/v1/logs'), 'otlp');
  assert.equal(permissionOf('GET', '/docs/static/*'), 'public');
  assert.equal(permissionOf('POST', '/docs/x'), null);
  assert.equal(permissionOf('POST', '/api/ledger'), null);
  assert.equal(permissionOf('GET', '/api'), null);
  const admin = { caller: { name: 'a', role: 'admin', address: '' } } as const;
  assert.equal(denialOf(admin, null), 'forbidden');
  assert.equal(denialOf(admin, 'administer'), null);
  assert.deepEqual(Object.entries(PERMISSIONS).filter(([, one]) => one === 'public')
    .map(([route]) => route), ['GET /', 'GET /docs', 'GET /docs/*', 'GET /health/live',
    'GET /health/ready', 'GET /-/healthy', 'GET /-/ready']);
});

test('access: limits of a token go over those of its role, and these over those of all', () => {
  const hash = 'a'.repeat(64);
  const config = accessSchema().parse({
    roles: { analyst: { max_execution_time: '5s', max_result_rows: 7 } },
    tokens: [
      { name: 'own', role: 'analyst', hash, limits: { max_result_rows: 3, max_concurrent: 1 } },
      { name: 'plain', role: 'analyst', hash: 'b'.repeat(64), expires: '2027-01-31' },
      { name: 'boss', role: 'admin', hash: 'c'.repeat(64) },
    ],
  }) as AccessConfig;
  const all = { executionMsMax: 60_000, resultRowsMax: 100, memoryBytesMax: 1, concurrentMax: 4 };
  const limitsOf = callerLimits(config, all);
  const of = (name: string, role: 'analyst' | 'admin') => limitsOf({ name, role, address: '' });
  assert.deepEqual(of('own', 'analyst'), { ...all, executionMsMax: 5000, resultRowsMax: 3,
    callerConcurrentMax: 1 });
  assert.deepEqual(of('plain', 'analyst'), { ...all, executionMsMax: 5000, resultRowsMax: 7 });
  assert.deepEqual(of('boss', 'admin'), all);
  assert.deepEqual(of('anonymous', 'admin'), all);
  assert.equal(tokensOf(config)[1]!.expiresMs, Date.parse('2027-01-31'));
  assert.equal(tokensOf(config)[0]!.expiresMs, null);
});

test('access: a new token is shown once, and its entry lets it in', () => {
  const text = newToken({ name: 'x', role: 'viewer', expires: '2100-01-01' },
    createSeededRandom(1));
  const [, shown] = /: {2}(bnc_[\w-]{43})\n/.exec(text)!;
  const [, hash] = /hash: ([0-9a-f]{64})\n/.exec(text)!;
  assert.equal(hashOf(shown!).toString('hex'), hash);
  assert.equal(text.split(shown!).length, 2);
  assert.match(text, /access:\n {2}tokens:\n {4}- name: x\n {6}role: viewer\n/);
  assert.match(text, /\n {6}expires: 2100-01-01\n$/);
  const { by } = create([token('x', { hash: hash! })]);
  assert.equal('caller' in by({ authorization: `Bearer ${shown}` }), true);
  for (const wrong of [{ name: 'a b', role: 'viewer' }, { name: 'a', role: 'king' },
    { name: 'a', role: 'viewer', expires: 'soon' }, { name: 'anonymous', role: 'viewer' }]) {
    assert.throws(() => newToken(wrong), OperatorError);
  }
});
