// Proves how the Docker engine is asked and what becomes of its answers: addresses, failures with
// their reason, an engine that never answers, names of images, rules that choose containers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMatcher } from '../../../agent/docker_engine/choice.ts';
import {
  parseDetails, parseImage, parseSummaries,
} from '../../../agent/docker_engine/container.ts';
import { createEngine, EngineError, parseAddress } from '../../../agent/docker_engine/engine.ts';
import { createWorld } from '../../../runtime/world.ts';
import { NEVER, temporaryFolder } from '../../contract/fakes.ts';
import { createStandIn } from './stand_in.ts';

const { clock } = createWorld();
const engineAt = (socket: string, timeoutMs = 5000) =>
  createEngine({ address: { socket, host: 'docker', port: 0 }, timeoutMs, clock });

test('docker engine: answers, and failures with their reason', async () => {
  const standIn = createStandIn();
  await assert.rejects(engineAt(standIn.socket).json('/containers/json', NEVER),
    { message: 'there is no Docker engine', code: 'ENOENT' });
  standIn.add({ id: 'a', name: 'one' });
  await standIn.listen();
  const engine = engineAt(standIn.socket);
  const [found] = parseSummaries(await engine.json('/containers/json', NEVER));
  assert.deepEqual([found!.id, found!.name, found!.state], ['a', 'one', 'running']);
  await assert.rejects(engine.json('/containers/none/json', NEVER), (error) => {
    assert.ok(error instanceof EngineError);
    assert.equal(error.status, 404);
    assert.equal(error.message, 'the Docker engine answers 404: No such container: none');
    return true;
  });
  await standIn.close();
});

test('docker engine: one that does not answer is given up, an abort at once', async () => {
  const socket = join(temporaryFolder(), 'deaf.sock');
  const server = createServer(() => {}).listen(socket);
  await once(server, 'listening');
  await assert.rejects(engineAt(socket, 20).json('/info', NEVER), /has not answered for 20 ms/);
  await assert.rejects(engineAt(socket).stream('/events', AbortSignal.abort()));
  server.closeAllConnections();
  server.close();
});

test('docker engine: addresses, images, rules', () => {
  assert.deepEqual(parseAddress('unix:///run/d.sock'),
    { socket: '/run/d.sock', host: 'docker', port: 0 });
  assert.deepEqual(parseAddress('tcp://[::1]:99'), { socket: null, host: '::1', port: 99 });
  assert.equal(parseAddress('ftp://x'), null);
  assert.deepEqual(parseImage('r:5000/a/b'), { name: 'r:5000/a/b', tag: '' });
  assert.deepEqual(parseImage('a/b:1@sha256:00'), { name: 'a/b', tag: '1' });
  assert.deepEqual(parseImage('sha256:0123'), { name: 'sha256:0123', tag: '' });
  const matches = (rules: string[], text: string) => createMatcher(rules)(text);
  assert.equal(matches(['a'], 'a'), true);
  assert.equal(matches(['a'], 'ab'), false);
  assert.equal(matches(['a*'], 'team/a'), false);
  assert.equal(matches(['*a*'], 'x/a/y'), true);
  assert.equal(matches(['/^a.c$/'], 'abc'), true);
  assert.equal(matches(['!a*'], 'b'), true);
  assert.equal(matches(['!/b/'], 'abc'), false);
  assert.throws(() => parseDetails({}), /no container/);
});
