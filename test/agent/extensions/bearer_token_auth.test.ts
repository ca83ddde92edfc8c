// Tokens: who is let in, what is sent, schemes and headers of other names, a file that changes, and
// the way of both authenticators through real servers and clients of both protocols.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bearerTokenAuthExtension } from '../../../agent/extensions/bearer_token_auth.ts';
import { limits } from '../../../agent/followed_file.ts';
import { startAgent } from '../../../agent/main.ts';
import { isSecret } from '../../../config/shape.ts';
import type { Running } from '../../../runtime/lifecycle.ts';
import { createWorld } from '../../../runtime/world.ts';
import {
  batchOfKeys, createManualClock, createSink, NEVER, temporaryFolder, testContext, until,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';

function create(settings: object) {
  const clock = createManualClock();
  const context = testContext({ id: 'tokens', world: { ...createWorld(), clock } });
  const config = bearerTokenAuthExtension.schema.parse(settings);
  const extension = bearerTokenAuthExtension.create(config, context, createSink());
  const { authorize, headers } = extension.authenticator!;
  const ask = (value: string | undefined, header = 'authorization') =>
    authorize!((name) => (name === header ? value : undefined)) === null;
  return { extension, ask, headers: headers!, clock };
}

test('bearer_token_auth: lets in who has a token', () => {
  const { ask, headers } = create({ tokens: ['one', 'two'] });
  assert.ok(ask('Bearer one'));
  assert.ok(ask('bearer two'));
  for (const value of [undefined, '', 'one', 'Bearer', 'Bearer ', 'Bearer three', 'Bearer one ',
    'Basic one', 'Bearerone']) assert.ok(!ask(value), value);
  assert.deepEqual(headers(), { authorization: 'Bearer one' });
});

test('bearer_token_auth: another scheme, another header', () => {
  const { ask, headers } = create({ token: 'one', scheme: '', header: 'X-Api-Key' });
  assert.ok(ask('one', 'x-api-key'));
  assert.ok(!ask('Bearer one', 'x-api-key'));
  assert.ok(!ask('', 'x-api-key'));
  assert.deepEqual(headers(), { 'x-api-key': 'one' });
});

test('bearer_token_auth: a file that changes counts within seconds', async () => {
  const file = join(temporaryFolder(), 'tokens');
  writeFileSync(file, 'one\ntwo\n');
  const { extension, ask, headers, clock } = create({ filename: file, token: 'ignored' });
  await extension.start();
  assert.ok(ask('Bearer one') && ask('Bearer two') && !ask('Bearer ignored'));
  writeFileSync(file, 'three\n');
  await clock.advance(limits.lookMs);
  await until(() => ask('Bearer three'), 'the new token');
  assert.ok(!ask('Bearer one'));
  assert.deepEqual(headers(), { authorization: 'Bearer three' });
  writeFileSync(file, '');
  await clock.advance(limits.lookMs);
  assert.ok(ask('Bearer three'));
  await extension.stop(NEVER);
});

test('bearer_token_auth: settings', () => {
  const { schema } = bearerTokenAuthExtension;
  const check = (settings: object) => assert.equal(schema.safeParse(settings).success, false);
  check({});
  check({ tokens: [] });
  check({ token: 'a b' });
  check({ token: 'a', tokens: ['b'] });
  assert.ok(isSecret(schema, ['token']) && isSecret(schema, ['tokens', 0]));
});

const SERVER = `
extensions:
  bearertokenauth: { token: hunter2 }
  basicauth: { htpasswd: { inline: "me:hunter3" } }
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "127.0.0.1:0", auth: { authenticator: bearer_token_auth } }
      http: { endpoint: "127.0.0.1:0", auth: { authenticator: basicauth } }
exporters:
  debug: { output_paths: [stdout], use_internal_logger: false, sampling_initial: 0,
    sampling_thereafter: 0 }
service:
  extensions: [bearertokenauth, basicauth]
  telemetry: { logs: { level: error }, metrics: { address: "127.0.0.1:0" } }
  pipelines: { logs: { receivers: [otlp], exporters: [debug] } }
`;

const client = ({ addresses }: Running, token: string, password: string) => `
extensions:
  bearertokenauth: { token: "${token}" }
  basicauth: { client_auth: { username: me, password: "${password}" } }
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters:
  otlp: { endpoint: "${addresses['OTLP gRPC']}", tls: { insecure: true },
    sending_queue: { enabled: false }, auth: { authenticator: bearertokenauth } }
  otlp_http: { endpoint: "http://${addresses['OTLP HTTP']}", sending_queue: { enabled: false },
    auth: { authenticator: basicauth } }
service:
  extensions: [bearertokenauth, basicauth]
  telemetry: { logs: { level: error }, metrics: { address: "127.0.0.1:0" } }
  pipelines: { logs: { receivers: [otlp], exporters: [otlp, otlp_http] } }
`;

function start(config: string): Promise<Running> {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, config);
  return startAgent({ files: [file], env: { BINNACLE_DATA_DIR: folder }, version: '1' });
}

const post = (agent: Running, headers: Record<string, string> = {}) =>
  fetch(`http://${agent.addresses['OTLP HTTP']}/v1/logs`, {
    method: 'POST', body: batchOfKeys('logs', ['a']).bytes as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-protobuf', connection: 'close', ...headers },
  });

const counted = async (agent: Running) => {
  const headers = { connection: 'close' };
  const text = await (await fetch(agent.addresses['Agent metrics']!, { headers })).text();
  return Number(/accepted_log_records_total\{receiver="otlp"\} (\d+)/.exec(text)![1]);
};

test('authenticators: agents that know each other, over gRPC and HTTP', () =>
  withoutLeaks(async () => {
    const server = await start(SERVER);
    const known = await start(client(server, 'hunter2', 'hunter3'));
    const answer = await post(known);
    assert.equal(answer.status, 200, await answer.text());
    assert.equal(await counted(server), 2);
    await known.stop(NEVER);
    for (const [token, password] of [['hunter2', 'no'], ['no', 'hunter3']] as const) {
      const stranger = await start(client(server, token, password));
      const refused = await post(stranger);
      assert.notEqual(refused.status, 200);
      assert.match(await refused.text(), /needed/);
      await stranger.stop(NEVER);
    }
    assert.equal((await post(server)).status, 401);
    await server.stop(NEVER);
  }));

test('authenticators: one that cannot do what it is named for is told', async () => {
  const swapped = SERVER.replace('htpasswd: { inline: "me:hunter3" }',
    'client_auth: { username: me }');
  await assert.rejects(start(swapped),
    /receivers\.otlp\.protocols\.http\.auth\.authenticator names basicauth, which cannot tell who/);
  await assert.rejects(start(SERVER.replace('[bearertokenauth, basicauth]', '[basicauth]')),
    /protocols\.grpc\.auth\.authenticator: the extension "bearer_token_auth" does not run/);
});
