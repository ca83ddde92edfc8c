// The health check over real HTTP: status and body as the Collector answers, the path, own bodies,
// a port that is taken, and that nothing is left after stop.

import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { goDuration, healthCheckExtension } from '../../../agent/extensions/health_check.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createSink, NEVER, testContext } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';

async function withHealthCheck(
  settings: object,
  body: (url: string, state: { ready: boolean }) => Promise<void>,
): Promise<void> {
  await withoutLeaks(async (world) => {
    const state = { ready: true };
    const context = testContext({ id: 'health_check', world, host: { ready: () => state.ready } });
    const config = healthCheckExtension.schema.parse({ endpoint: 'localhost:0', ...settings });
    const extension = healthCheckExtension.create(config, context, createSink());
    assert.deepEqual(extension.addresses!(), {});
    await extension.start();
    try {
      await body(`http://${extension.addresses!()['Health check']}`, state);
    } finally {
      await extension.stop(NEVER);
      await extension.stop(NEVER);
    }
  });
}

/** Closes its connection: one that is kept alive would belong to the client, not to us. */
const get = (url: string, method = 'GET') =>
  fetch(url, { method, headers: { connection: 'close' } });

const ready = (body: Parameters<typeof withHealthCheck>[1]) => () => withHealthCheck({}, body);

test('health_check: 200 while ready, 503 otherwise', ready(async (url, state) => {
  const up = await get(`${url}/`);
  assert.equal(up.status, 200);
  assert.match(up.headers.get('content-type')!, /^application\/json/);
  const body = await up.json() as Record<string, string>;
  assert.deepEqual(Object.keys(body), ['status', 'upSince', 'uptime']);
  assert.equal(body['status'], 'Server available');
  assert.ok(Math.abs(Date.parse(body['upSince']!) - Date.now()) < 60_000);
  state.ready = false;
  const down = await get(url);
  assert.equal(down.status, 503);
  assert.deepEqual(await down.json(),
    { status: 'Server not available', upSince: '0001-01-01T00:00:00Z', uptime: '' });
}));

test('health_check: other paths and methods', () =>
  withHealthCheck({ path: '/live' }, async (url) => {
    assert.equal((await get(`${url}/live?verbose`)).status, 200);
    assert.equal((await get(`${url}/`)).status, 404);
    assert.equal((await get(`${url}/live`, 'POST')).status, 405);
    assert.equal((await get(`${url}/live`, 'HEAD')).status, 200);
  }));

test('health_check: bodies of one\'s own', () => {
  const response_body = { healthy: 'fine', unhealthy: 'not fine' };
  return withHealthCheck({ response_body }, async (url, state) => {
    assert.equal(await (await get(url)).text(), 'fine');
    state.ready = false;
    assert.equal(await (await get(url)).text(), 'not fine');
  });
});

test('health_check: stop before start', async () => {
  const config = healthCheckExtension.schema.parse({});
  await healthCheckExtension.create(config, testContext(), createSink()).stop(NEVER);
});

test('health_check: a port in use is told with its setting', () => withoutLeaks(async (world) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const config = healthCheckExtension.schema.parse({ endpoint: `127.0.0.1:${port}` });
  const context = testContext({ id: 'health_check/x', world });
  const extension = healthCheckExtension.create(config, context, createSink());
  await assert.rejects(extension.start(), (error: OperatorError) => {
    assert.match(error.hint, /extensions\.health_check\/x\.endpoint/);
    return error instanceof OperatorError;
  });
  await extension.stop(NEVER);
  await new Promise((resolve) => other.close(resolve));
}));

test('health_check: durations as Go prints them', () => {
  const check = (ms: number, want: string) => assert.equal(goDuration(ms), want);
  check(0, '0s');
  check(350, '350ms');
  check(2500, '2.5s');
  check(61_000, '1m1s');
  check(3_603_000, '1h0m3s');
});
