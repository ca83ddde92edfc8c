// Publishing to NATS: to a real nats-server, read by a connection of the library's own. Skipped,
// saying so, where there is no nats-server; what needs none is tested everywhere.

import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { loadBackendConfig } from '../../../config/backend.ts';
import { publish } from '../../../config/publish.ts';
import { createTailHub } from '../../../backend/tail/hub.ts';
import { createNatsPublisher } from '../../../backend/tail/nats.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { createClock } from '../../../runtime/clock.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createFiles } from '../../../runtime/files.ts';
import { createRecordingLog, makeBatch, NEVER, until } from '../../contract/fakes.ts';

const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
const skip = spawnSync('nats-server', ['--version'], { env }).status === 0
  ? false : 'nats-server is not installed';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function startServer(port: number): Promise<ChildProcess> {
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '--auth', 'secret'],
    { env, stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const line of createInterface(server.stderr!)) {
    if (line.includes('Server is ready')) break;
  }
  server.stderr!.resume();
  return server;
}

async function stopServer(server: ChildProcess): Promise<void> {
  server.kill();
  await once(server, 'exit');
}

function publisher(port: number, nats: object = {}) {
  const clock = createClock();
  const counters = createCounters();
  const log = createRecordingLog();
  const hub = createTailHub(clock, counters);
  const config = publish().parse({ nats: {
    servers: [`nats://127.0.0.1:${port}`], token: 'secret', ...nats,
  } }).nats;
  const made = createNatsPublisher({ config, hub, clock, log, counters });
  const total = (verdict: string) => counters.total('binnacle_nats_records_total', { verdict });
  return { ...made, hub, log, total,
    connected: () => until(() => counters.series().some(({ name, value }) =>
      name === 'binnacle_nats_connected' && value === 1), 'a connection') };
}

function logsOf(service: string, bodies: readonly string[]): Batch {
  const { resourceLogs } = makeBatch('logs', 1, { resource: { 'service.name': service } }).request;
  const [group] = resourceLogs;
  const [scope] = group!.scopeLogs;
  const [record] = scope!.logRecords;
  return Batch.fromRequest('logs', { resourceLogs: [{ ...group!, scopeLogs: [{ ...scope!,
    logRecords: bodies.map((value) => ({ ...record!, severityNumber: 17,
      body: { type: 'string', value } })) }] }] });
}

test('nats: what is stored is published under its subject, once', { skip }, async () => {
  const port = await freePort();
  const server = await startServer(port);
  const reader = await connect({ servers: `nats://127.0.0.1:${port}`, token: 'secret' });
  const got: { subject: string; message: string }[] = [];
  const subscription = reader.subscribe('>', { callback: (_error, message) => {
    const { message: text } = message.json<{ message: string }>();
    got.push({ subject: message.subject, message: text });
  } });
  await reader.flush();
  const { start, stop, hub, total, connected } = publisher(port, { subjects: [
    { subject: 'logs.{service}.{level}', q: '"refused"' }] });
  await start();
  await connected();
  hub.offer(logsOf('shop one', ['refused 1', 'fine']));
  hub.offer(logsOf('', ['refused 2']));
  await until(() => got.length === 2, 'messages');
  assert.deepEqual(got, [
    { subject: 'logs.shop_one.error', message: 'refused 1' },
    { subject: 'logs.unknown.error', message: 'refused 2' },
  ]);
  await stop(NEVER);
  assert.deepEqual([total('published'), total('dropped')], [2, 0]);
  subscription.unsubscribe();
  await reader.close();
  await stopServer(server);
});

test('nats: a server that is not there, goes and comes again costs what came meanwhile',
  { skip }, async () => {
    const port = await freePort();
    const { start, stop, hub, log, total, connected } = publisher(port);
    await start();
    hub.offer(logsOf('a', ['one']));
    await until(() => total('dropped') === 1, 'counted records');
    const first = await startServer(port);
    await connected();
    hub.offer(logsOf('a', ['two', 'three']));
    await until(() => total('published') === 2, 'counted records');
    await stopServer(first);
    await until(() => log.lines.some(({ message }) => /server has gone/.test(message)), 'a line');
    hub.offer(logsOf('a', ['four']));
    await until(() => total('dropped') === 2, 'counted records');
    const second = await startServer(port);
    await connected();
    hub.offer(logsOf('a', ['five']));
    await until(() => total('published') === 3, 'counted records');
    await stop(NEVER);
    await stopServer(second);
  });

test('nats: settings that cannot be right are refused with what to write', async () => {
  const load = (publishing: string) => loadBackendConfig({ files: [], disk: createFiles(),
    env: { BINNACLE_PUBLISH: publishing } });
  await assert.rejects(load('{nats: {servers: ["http://x:1"]}}'), /address of a NATS server/);
  await assert.rejects(load('{nats: {servers: ["nats://u:p@x:1"]}}'), /user or password/);
  await assert.rejects(load('{nats: {subjects: [{subject: "logs.{what}"}]}}'), /nothing that/);
  await assert.rejects(load('{nats: {subjects: [{subject: "logs.>"}]}}'), /not a subject/);
});

test('nats: a search that cannot be read keeps the backend from starting', async () => {
  const { start, stop } = publisher(1, { subjects: [{ subject: 'x', q: 'level>=' }] });
  await assert.rejects(start(), /cannot publish to x/);
  await stop(NEVER);
});
