// Proves who may hand in and ask, on real processes: an agent with a writer's token delivers over
// gRPC to a backend that other machines can reach; without one, or with another one, a call is
// refused; questions need a token of their own.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { request } from 'undici';
import { hashOf } from '../../backend/access/token.ts';
import { startStack, type Stack } from './stack.ts';

const TOKENS = { writer: `bnc_${'w'.repeat(43)}`, analyst: `bnc_${'a'.repeat(43)}` };
const SHOWN = { authorization: `Bearer ${TOKENS.writer}` };

let stack: Stack;

before(async () => {
  stack = await startStack({
    otlp: '0.0.0.0:0',
    token: TOKENS.analyst,
    backend: { access: { tokens: Object.entries(TOKENS).map(([role, token]) =>
      ({ name: role, role, hash: hashOf(token).toString('hex') })) } },
    exporter: { headers: SHOWN },
    agent: (folder) => ({
      receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:0' } } } },
      service: { telemetry: { metrics: { level: 'none' } }, pipelines: {
        logs: { receivers: ['otlp'], exporters: ['otlp'] },
      } },
      data_dir: join(folder, 'agent'),
    }),
  });
});

after(async () => stack?.stop());

const send = async (url: string, body: string, headers: Record<string, string> = {}) => {
  const answer = await request(`${url}/v1/logs`, { method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [
      { body: { stringValue: body }, timeUnixNano: `${Date.now()}000000` }] }] }] }) });
  return { status: answer.statusCode, text: await answer.body.text() };
};

test('access: an agent with a token delivers over gRPC', async () => {
  const { status } = await send(`http://${stack.addresses['OTLP HTTP']}`, 'with a token');
  assert.equal(status, 200);
  await stack.until<{ Body: string }>('SELECT Body FROM otel_logs', (rows) =>
    rows.some(({ Body }) => Body === 'with a token'));
});

test('access: OTLP over gRPC is refused without a token that may hand in', async () => {
  const port = stack.addresses['OTLP from agents']!.split(':').at(-1);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
  const same = (bytes: Buffer) => bytes;
  const call = (authorization?: string) => new Promise<number>((resolve) => {
    const metadata = new Metadata();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error) =>
      resolve(error?.code ?? 0));
  });
  const [ok, forbidden, unauthenticated] = [0, 7, 16];
  assert.deepEqual([await call(), await call('Bearer bnc_wrong'),
    await call(`Bearer ${TOKENS.analyst}`), await call(SHOWN.authorization)],
  [unauthenticated, unauthenticated, forbidden, ok]);
  client.close();
});

test('access: OTLP over HTTP and questions need a token, of the right role', async () => {
  assert.equal((await send(stack.url, 'nobody')).status, 200, 'loopback needs none for OTLP');
  const ask = async (token?: string) => {
    const { statusCode, body } = await request(`${stack.url}/api/query`, { method: 'POST',
      headers: { 'content-type': 'text/plain',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      body: 'SELECT 1' });
    await body.dump();
    return statusCode;
  };
  assert.deepEqual([await ask(), await ask('bnc_wrong'), await ask(TOKENS.writer),
    await ask(TOKENS.analyst)], [401, 401, 403, 200]);
});
