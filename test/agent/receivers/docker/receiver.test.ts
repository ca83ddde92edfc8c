// Proves that containers are found and followed without loss: the contract, restarts, what the
// queues behind know, connections that break, an engine that comes late, choices by name, image and
// label. The engine is a stand-in on a unix socket (docker_engine/stand_in.ts says how far it
// goes): no test here has seen a real Docker engine.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { dockerReceiver } from '../../../../agent/receivers/docker/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../../proto/contract/outcome.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import {
  createRecordingLog, createSink, itemKeys, NEVER, temporaryFolder, testContext, until,
  type Sink,
} from '../../../contract/fakes.ts';
import { createStandIn, type StandIn } from '../../docker_engine/stand_in.ts';

const create = (engine: StandIn, next: Consumer, context: ComponentContext, more: object = {}) =>
  dockerReceiver.create(dockerReceiver.schema.parse({
    endpoint: engine.endpoint, start_at: 'beginning', poll_interval: '20ms',
    retry_on_failure: { initial_interval: '1ms', max_interval: '5ms' }, ...more,
  }), context, next);

const engines = new Map<string, StandIn>();

checkReceiver({
  name: 'docker',
  durable: true,
  create: async (next, context) => {
    // The same world for both starts of a folder.
    const engine = engines.get(context.folder) ?? createStandIn();
    if (!engines.has(context.folder)) engine.add({ id: 'one' });
    engines.set(context.folder, engine);
    await engine.listen();
    return {
      receiver: create(engine, next, context),
      offer: async (keys) => {
        engine.write('one', 'stdout', keys);
        return [];
      },
      close: engine.close,
    };
  },
});

const accepted = (sink: Sink): string[] => sink.keys('accepted');

interface Running {
  readonly engine: StandIn;
  readonly sink: Sink;
  readonly context: ComponentContext;
  readonly log: ReturnType<typeof createRecordingLog>;
}

async function running(
  body: (one: Running) => Promise<void>, more: object = {}, prepare?: (engine: StandIn) => void,
): Promise<void> {
  const engine = createStandIn();
  prepare?.(engine);
  await engine.listen();
  const sink = createSink();
  const log = createRecordingLog();
  const context = testContext({ log, counters: createCounters(), folder: temporaryFolder() });
  const receiver = create(engine, sink, context, more);
  await receiver.start();
  try {
    await body({ engine, sink, context, log });
  } finally {
    await receiver.stop(NEVER);
    await engine.close();
  }
}

const resourceOf = (batch: Batch): Record<string, unknown> => {
  assert.ok(batch.is('logs'));
  return Object.fromEntries(batch.request.resourceLogs[0]!.resource!.attributes
    .map(({ key, value }) => [key, value.value]));
};

test('docker: what a record says of its container, its stream and its time', () =>
  running(async ({ engine, sink }) => {
    engine.add({ id: 'abc', name: 'shop', image: 'registry:5000/team/shop:1.2@sha256:00',
      labels: { 'com.docker.compose.service': 'web', other: 'x' } });
    engine.write('abc', 'stderr', ['hello'], 1_767_312_000_000_000_007n);
    await until(() => accepted(sink).length === 1, 'the line');
    const [batch] = sink.received;
    assert.deepEqual(resourceOf(batch!), {
      'container.id': 'abc', 'container.name': 'shop', 'container.runtime': 'docker',
      'container.image.name': 'registry:5000/team/shop', 'container.image.tag': '1.2',
      'container.label.com.docker.compose.service': 'web', region: 'eu',
    });
    assert.ok(batch!.is('logs'));
    const [record] = batch!.request.resourceLogs[0]!.scopeLogs[0]!.logRecords;
    assert.equal(record!.timeUnixNano, 1_767_312_000_000_000_007n);
    assert.deepEqual(record!.attributes.map(({ key, value }) => [key, value.value]),
      [['team', 'a'], ['log.iostream', 'stderr']]);
  }, { container_labels: ['com.docker.compose.*'], resource: { region: 'eu' },
    attributes: { team: 'a' } }));

test('docker: long lines are split, operators run, the version of the API is asked for', () =>
  running(async ({ engine, sink }) => {
    engine.add({ id: 'a' });
    engine.write('a', 'stdout', [`${'x'.repeat(63)}éy`, 'z']);
    await until(() => accepted(sink).length === 3, 'three records');
    assert.deepEqual(accepted(sink), [`got ${'x'.repeat(63)}`, 'got éy', 'got z']);
    assert.ok(engine.asked.every((path) => path.startsWith('/v1.30/')), engine.asked[0]);
  }, { max_log_size: 64, api_version: '1.30',
    operators: [{ type: 'add', field: 'body', value: 'EXPR("got " + body)' }] }));

test('docker: what is refused for too long is given up, and others follow', () =>
  running(async ({ engine, sink }) => {
    sink.answer((batch) => (itemKeys(batch).includes('bad') ? retryable('never') : ACCEPTED));
    engine.add({ id: 'a' });
    engine.write('a', 'stdout', ['bad']);
    await until(() => sink.deliveries.length > 1, 'tries');
    engine.write('a', 'stdout', ['good']);
    await until(() => accepted(sink).length === 1, 'what comes behind it');
    assert.deepEqual(accepted(sink), ['good']);
  }, { retry_on_failure: {
    initial_interval: '1ms', max_interval: '1ms', max_elapsed_time: '20ms',
  } }));

test('docker: an engine that does not answer in time is told', async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const log = createRecordingLog();
  const { port } = server.address() as AddressInfo;
  const receiver = dockerReceiver.create(dockerReceiver.schema.parse({
    endpoint: `http://127.0.0.1:${port}`, timeout: '30ms', poll_interval: '20ms',
  }), testContext({ log, folder: temporaryFolder() }), createSink());
  await receiver.start();
  await until(() => log.lines.some(({ message }) => /not answered for 30 ms/.test(message)),
    'the reason');
  await receiver.stop(NEVER);
  server.closeAllConnections();
  server.close();
});

test('docker: containers that come, end, and come again', () =>
  running(async ({ engine, sink }) => {
    engine.add({ id: 'a' });
    engine.write('a', 'stdout', ['a1']);
    await until(() => accepted(sink).length === 1, 'a new container');
    engine.end('a');
    engine.add({ id: 'short', state: 'exited' });
    engine.write('short', 'stdout', ['s1']);
    await until(() => accepted(sink).includes('s1'), 'one that has ended already');
    engine.remove('a');
    engine.add({ id: 'b' });
    engine.write('b', 'stdout', ['b1']);
    await until(() => accepted(sink).includes('b1'), 'another one');
    assert.deepEqual(accepted(sink).sort(), ['a1', 'b1', 's1']);
  }));

test('docker: long lines are whole, terminals are read, streams can be left out', () =>
  running(async ({ engine, sink }) => {
    const long = 'x'.repeat(50_000);
    engine.add({ id: 'a' });
    engine.write('a', 'stdout', [long, 'out']);
    engine.write('a', 'stderr', ['not this']);
    engine.add({ id: 'tty', tty: true });
    engine.write('tty', 'stdout', ['plain', long]);
    engine.writePart('a', 'stdout', 'no line end');
    engine.end('a');
    await until(() => accepted(sink).length >= 5, 'all lines');
    assert.deepEqual(accepted(sink).sort(), ['no line end', 'out', 'plain', long, long]);
  }, { stderr: false }));

test('docker: a connection that breaks is read on, without loss and without repetition', () =>
  running(async ({ engine, sink }) => {
    engine.add({ id: 'a' });
    const want: string[] = [];
    for (let round = 0; round < 5; round++) {
      const lines = Array.from({ length: 50 }, (_, index) => `r${round}-${index}`);
      want.push(...lines);
      engine.write('a', 'stdout', lines.slice(0, 25), BigInt(round + 1) * 1_000_000_000n);
      engine.write('a', 'stdout', lines.slice(25), BigInt(round + 1) * 1_000_000_000n);
      engine.writePart('a', 'stdout', 'par');
      await until(() => accepted(sink).length >= want.length - 25, 'some lines');
      engine.cut();
      engine.write('a', 'stdout', ['t']);
      want.push('part');
      await until(() => accepted(sink).length >= want.length, `round ${round}`);
    }
    assert.deepEqual(accepted(sink), want);
  }));

test('docker: include and exclude by name, image and label', () =>
  running(async ({ engine, sink }) => {
    for (const [id, image, labels] of [
      ['web', 'team/web:1', {}], ['web-debug', 'team/web:1', {}], ['db', 'postgres:16', {}],
      ['pause', 'k8s/pause:3', { log: 'on' }], ['quiet', 'team/web:2', { log: 'off' }],
      ['other', 'other:1', {}],
    ] as const) {
      engine.add({ id, name: id, image, labels });
      engine.write(id, 'stdout', [id]);
    }
    await until(() => accepted(sink).length >= 3, 'what is chosen');
    assert.deepEqual(accepted(sink).sort(), ['db', 'pause', 'web']);
  }, {
    include: { names: ['web*'], images: ['/^postgres/'], labels: { log: 'o*' } },
    exclude: { names: ['*-debug'], labels: { log: 'off' } },
  }));

test('docker: after a kill what the queues have taken is not read again', async () => {
  const engine = createStandIn();
  await engine.listen();
  engine.add({ id: 'a' });
  const folder = temporaryFolder();
  const sink = createSink();
  const path = join(folder, 'places.json');
  const receiver = create(engine, sink, testContext({ folder }));
  await receiver.start();
  const atStart = readFileSync(path);
  engine.write('a', 'stdout', ['one', 'two']);
  await until(() => accepted(sink).length === 2, 'two lines');
  engine.add({ id: 'b' });
  engine.write('b', 'stdout', ['three']);
  await until(() => accepted(sink).length === 3, 'three lines');
  await receiver.stop(NEVER);
  const origins = sink.received.flatMap((batch) => batch.origins);
  engine.write('a', 'stdout', ['four']);
  const readAgain = async (queues: (typeof origins)[], want: string[]) => {
    writeFileSync(path, atStart); // As a kill right after the start would leave it.
    const other = createSink();
    const again = create(engine, other, testContext({ folder, durable: () => queues }));
    await again.start();
    await until(() => accepted(other).length >= want.length, 'the rest');
    await again.stop(NEVER);
    assert.deepEqual(accepted(other).sort(), want);
  };
  await readAgain([origins], ['four']);
  await readAgain([origins, []], ['four', 'one', 'three', 'two']);
  await engine.close();
});

test('docker: start_at end reads what is written from the first start on', async () => {
  const engine = createStandIn();
  await engine.listen();
  const long = (ms: number) => BigInt(Date.now() + ms) * 1_000_000n;
  engine.add({ id: 'old' });
  engine.write('old', 'stdout', ['before'], long(-60_000));
  engine.add({ id: 'ended', state: 'exited' });
  engine.write('ended', 'stdout', ['long ago'], long(-90_000));
  const folder = temporaryFolder();
  const [first, second] = [createSink(), createSink()];
  const receiver = create(engine, first, testContext({ folder }), { start_at: 'end' });
  await receiver.start();
  engine.write('old', 'stdout', ['after'], long(1000));
  await until(() => accepted(first).length === 1, 'the new line');
  await receiver.stop(NEVER);
  engine.add({ id: 'meanwhile', state: 'exited' });
  engine.write('meanwhile', 'stdout', ['between'], long(2000));
  const again = create(engine, second, testContext({ folder }), { start_at: 'end' });
  await again.start();
  await until(() => accepted(second).length === 1, 'what ran while the agent did not');
  await again.stop(NEVER);
  await engine.close();
  assert.deepEqual([accepted(first), accepted(second)], [['after'], ['between']]);
});

test('docker: an engine that comes later is found, and its absence is said', async () => {
  const engine = createStandIn();
  const sink = createSink();
  const log = createRecordingLog();
  const receiver = create(engine, sink, testContext({ log, id: 'docker' }));
  await receiver.start();
  assert.equal(log.lines.find(({ level }) => level === 'warn')!.message,
    'docker: cannot follow containers: there is no Docker engine');
  engine.add({ id: 'a' });
  engine.write('a', 'stdout', ['one']);
  await engine.listen();
  await until(() => accepted(sink).length === 1, 'the line');
  await receiver.stop(NEVER);
  await engine.close();
});

test('docker: a log that the engine cannot read is said, and keeps no other back', () =>
  running(async ({ engine, sink, log }) => {
    engine.add({ id: 'silent', unreadable: 501 });
    engine.add({ id: 'a' });
    engine.write('a', 'stdout', ['one']);
    await until(() => accepted(sink).length === 1, 'the other');
    await until(() => log.lines.some(({ message }) =>
      /container silent: .* 501: configured logging driver/.test(message)), 'a warning');
  }));

test('docker: the version of the API and mistakes in the configuration', async () => {
  await running(async ({ engine }) => {
    assert.ok(engine.asked.length > 0);
    assert.ok(engine.asked.every((path) => path.startsWith('/v1.43/')), engine.asked[0]);
  }, { api_version: '1.43' }, (engine) => engine.add({ id: 'a' }));
  const check = (config: object, path: string) => {
    const result = dockerReceiver.schema.safeParse(config);
    assert.equal(result.success, false, JSON.stringify(config));
    assert.equal(result.error!.issues[0]!.path.join('.'), path);
  };
  check({ endpoint: 'https://host:2376' }, 'endpoint');
  check({ endpoint: '/var/run/docker.sock' }, 'endpoint');
  check({ api_version: '1.21' }, 'api_version');
  check({ exclude: { names: ['/(/'] } }, 'exclude.names.0');
  check({ stdout: false, stderr: false }, '');
});
