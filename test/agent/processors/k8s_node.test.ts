// Proves that the detector k8s_node names the node and asks the API server for its uid with the
// pod's service account over TLS, and what it says when it may not. The API server is a stand-in
// that answers one node, as the Kubernetes API reference describes it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createDetectors, resourceDetectionProcessor,
} from '../../../agent/processors/resource_detection/processor.ts';
import { createWorld } from '../../../runtime/world.ts';
import { createRecordingLog, NEVER, temporaryFolder } from '../../contract/fakes.ts';
import { createAuthority } from '../../proto/certificate.ts';

const authority = createAuthority('cluster');

function answerNode(request: IncomingMessage, answer: ServerResponse): void {
  const allowed = request.headers.authorization === 'Bearer secret';
  const found = request.url === '/api/v1/nodes/node-1';
  answer.writeHead(!allowed ? 403 : found ? 200 : 404);
  answer.end(JSON.stringify({ kind: 'Node', metadata: { name: 'node-1', uid: 'u-1' } }));
}

async function withServer(body: (port: string) => Promise<void>): Promise<void> {
  const server = createServer(authority.issue('api', ['localhost']), answerNode).listen(0);
  await once(server, 'listening');
  try {
    await body(String((server.address() as AddressInfo).port));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function serviceAccount(token = 'secret'): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), `${token}\n`);
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
  return folder;
}

async function detect(
  env: Record<string, string>, account: string, k8snode: object = {}, name = 'k8snode',
): Promise<Record<string, unknown>> {
  const config = resourceDetectionProcessor.schema.parse({ detectors: [name], k8snode });
  const context = { world: createWorld(), log: createRecordingLog(), env };
  const [detector] = createDetectors(config, context,
    { dockerSocket: '/nowhere', serviceAccount: account });
  const found = await detector!.detect(NEVER);
  return Object.fromEntries(found.map(({ key, value }) => [key, value.value]));
}

test('k8s_node: name and uid of the node, with the service account', () =>
  withServer(async (port) => {
    const env = { KUBERNETES_SERVICE_HOST: 'localhost', KUBERNETES_SERVICE_PORT: port };
    const want = { 'k8s.node.name': 'node-1', 'k8s.node.uid': 'u-1' };
    const account = serviceAccount();
    assert.deepEqual(await detect({ ...env, K8S_NODE_NAME: 'node-1' }, account), want);
    assert.deepEqual(await detect({ ...env, MY_NODE: 'node-1' }, account,
      { node_from_env_var: 'MY_NODE' }, 'k8s_node'), want);
    await assert.rejects(detect({ ...env, K8S_NODE_NAME: 'node-2' }, account), /answers 404/);
    await assert.rejects(detect({ ...env, K8S_NODE_NAME: 'node-1' }, serviceAccount('wrong')),
      /answers 403: its service account may not get nodes/);
  }));

test('k8s_node: with auth_type none the server is asked in plain text, by nobody', async () => {
  const asked: (string | undefined)[] = [];
  const server = createPlainServer((request, answer) => {
    asked.push(request.headers.authorization);
    answer.end(JSON.stringify({ metadata: { uid: 'u-2' } }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = String((server.address() as AddressInfo).port);
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port,
    K8S_NODE_NAME: 'node-1' };
  assert.deepEqual(await detect(env, '/nowhere', { auth_type: 'none' }),
    { 'k8s.node.name': 'node-1', 'k8s.node.uid': 'u-2' });
  assert.deepEqual(asked, [undefined]);
  server.closeAllConnections();
  server.close();
});

test('k8s_node: without the uid nobody is asked', async () => {
  const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1',
    K8S_NODE_NAME: 'node-1' };
  assert.deepEqual(await detect(env, '/nowhere',
    { resource_attributes: { 'k8s.node.uid': { enabled: false } } }),
  { 'k8s.node.name': 'node-1' });
});

test('k8s_node: what is missing is said', async () => {
  assert.deepEqual(await detect({}, '/nowhere'), {});
  const env = { KUBERNETES_SERVICE_HOST: 'localhost' };
  await assert.rejects(detect(env, '/nowhere'), /K8S_NODE_NAME is not set/);
  await assert.rejects(detect({ ...env, K8S_NODE_NAME: 'n' }, '/nowhere'),
    /token does not exist: give the pod a service account/);
});
