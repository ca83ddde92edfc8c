// Resource detection: each detector against the real thing or a stand-in of it (a Docker engine on
// a socket of our own), how findings are joined and put on batches, and what failures lead to.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import * as os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createDetectors, createResourceDetection, resourceDetectionProcessor,
} from '../../../agent/processors/resource_detection/processor.ts';
import type { Detector } from '../../../agent/processors/resource_detection/detector.ts';
import { SYSTEM_ATTRIBUTES } from '../../../agent/processors/resource_detection/system.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { Attributes } from '../../../proto/otlp/model.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createRecordingLog, createSink, itemKeys, makeBatch, NEVER, NOW,
  temporaryFolder, testContext, text,
} from '../../contract/fakes.ts';

const configOf = (settings: object) => resourceDetectionProcessor.schema.parse(settings);

/** What the detectors of a configuration find, as text. */
async function detected(
  settings: object,
  { env = {}, socket = '/nowhere', serviceAccount = '/nowhere' }:
  { env?: Record<string, string>; socket?: string; serviceAccount?: string } = {},
): Promise<Record<string, unknown>> {
  const log = createRecordingLog();
  const detectors = createDetectors(configOf(settings), { world: createWorld(), log, env },
    { dockerSocket: socket, serviceAccount });
  const found = await Promise.all(detectors.map((detector) => detector.detect(NEVER)));
  return Object.fromEntries(found.flat().map(({ key, value }) => [key, value.value]));
}

checkConsumer({
  name: 'resource_detection',
  create: (next, context) => ({
    consumer: resourceDetectionProcessor.create(
      configOf({ detectors: ['env', 'system', 'docker'], refresh_interval: '5ms' }), context, next),
  }),
});

test('resource_detection: system finds host.name and os.type unless told otherwise', async () => {
  assert.deepEqual(await detected({ detectors: ['system'] }),
    { 'host.name': os.hostname(), 'os.type': os.platform() });
  const off = { 'host.name': { enabled: false } };
  assert.deepEqual(await detected({ detectors: ['system'], system: { resource_attributes: off } }),
    { 'os.type': os.platform() });
});

test('resource_detection: system finds everything else that is asked for', {
  skip: process.platform === 'linux' ? false : 'it reads files of Linux',
}, async () => {
  const names = Object.keys(SYSTEM_ATTRIBUTES);
  const all = Object.fromEntries(names.map((name) => [name, { enabled: true }]));
  const found = await detected({ detectors: ['system'], system: { resource_attributes: all } });
  for (const name of ['host.arch', 'os.description', 'os.name', 'os.version']) {
    assert.equal(typeof found[name], 'string', name);
  }
  const machineId = (await createWorld().files.readText('/etc/machine-id'))?.trim();
  if (machineId !== undefined && machineId !== '') assert.equal(found['host.id'], machineId);
  assert.deepEqual(Object.keys(found).filter((name) => !names.includes(name)), []);
});

test('resource_detection: system reads what the kernel says of the processor', async () => {
  const world = createWorld();
  const cpuinfo = ['vendor_id\t: GenuineIntel', 'cpu family\t: 6', 'model\t\t: 85',
    'model name\t: A Processor @ 2GHz', 'stepping\t: 7', 'cache size\t: 36608 KB', '',
    'cache size\t: 1 KB'].join('\n');
  const files = { ...world.files, readText: async (path: string) =>
    (path === '/proc/cpuinfo' ? cpuinfo : null) };
  const want = {
    'host.cpu.vendor.id': 'GenuineIntel', 'host.cpu.family': '6', 'host.cpu.model.id': '85',
    'host.cpu.model.name': 'A Processor @ 2GHz', 'host.cpu.stepping': '7',
    'host.cpu.cache.l2.size': 36608n,
  };
  const enabled = Object.keys(SYSTEM_ATTRIBUTES).map((name) =>
    [name, { enabled: Object.hasOwn(want, name) }]);
  const config = configOf({
    detectors: ['system'], system: { resource_attributes: Object.fromEntries(enabled) },
  });
  const [system] = createDetectors(config, {
    world: { ...world, files }, log: createRecordingLog(), env: {},
  }, { dockerSocket: '/nowhere', serviceAccount: '/nowhere' });
  assert.deepEqual(Object.fromEntries((await system!.detect(NEVER)).map(({ key, value }) =>
    [key, value.value])), want);
});

test('resource_detection: host.name from a source that has no answer falls back', async () => {
  const system = { hostname_sources: ['cname', 'os'] };
  const found = await detected({ detectors: ['system'], system });
  assert.equal(typeof found['host.name'], 'string');
  assert.notEqual(found['host.name'], '');
});

test('resource_detection: env reads the variables of the specification', async () => {
  const check = async (env: Record<string, string>, want: object) =>
    assert.deepEqual(await detected({ detectors: ['env'] }, { env }), want);
  await check({}, {});
  await check({ OTEL_RESOURCE_ATTRIBUTES: 'a=1, b=x%20y%2C ,' }, { a: '1', b: 'x y,' });
  await check({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=a', OTEL_SERVICE_NAME: 'b' },
    { 'service.name': 'b' });
  await assert.rejects(detected({}, { env: { OTEL_RESOURCE_ATTRIBUTES: 'a=1,b' } }));
  await assert.rejects(detected({}, { env: { OTEL_RESOURCE_ATTRIBUTES: 'a=%zz' } }));
});

test('resource_detection: docker asks the engine', async () => {
  const socket = join(temporaryFolder(), 'docker.sock');
  const answers = ['{"Name":"engine-host","OSType":"linux","Containers":3}', 'no JSON'];
  const engine = createServer((request, response) => {
    assert.equal(request.url, '/info');
    response.end(answers.shift());
  });
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
  try {
    const settings = { detectors: ['docker'] };
    assert.deepEqual(await detected(settings, { socket }),
      { 'host.name': 'engine-host', 'os.type': 'linux' });
    await assert.rejects(detected(settings, { socket }));
  } finally {
    engine.closeAllConnections();
    await new Promise((resolve) => engine.close(resolve));
  }
});

test('resource_detection: without a Docker engine nothing is found, with one line', async () => {
  const log = createRecordingLog();
  const context = { world: createWorld(), log, env: {} };
  const config = configOf({ detectors: ['docker'] });
  const [docker] = createDetectors(config, context,
    { dockerSocket: join(temporaryFolder(), 'docker.sock'), serviceAccount: '/nowhere' });
  assert.deepEqual(await docker!.detect(NEVER), []);
  assert.deepEqual(log.lines.map(({ message }) => message),
    ['the docker detector finds nothing: there is no Docker engine']);
});

/** A detector that finds these, or what `detect` does. */
const fake = (found: Record<string, string> | (() => Promise<Attributes>)): Detector => ({
  name: 'fake',
  detect: typeof found === 'function'
    ? found
    : async () => Object.entries(found).map(([key, value]) => text(key, value)),
});

function build(settings: object, ...detectors: Detector[]) {
  const clock = createManualClock();
  const log = createRecordingLog();
  const sink = createSink();
  const world = { ...createWorld(), clock };
  const context = testContext({ id: 'resource_detection', log, world });
  const processor = createResourceDetection(configOf(settings), context, sink, detectors);
  const resource = async (attributes: Record<string, string>) => {
    await processor.consume(makeBatch('logs', 2, { resource: attributes }), NEVER);
    const batch = sink.received.at(-1) as Batch<'logs'>;
    assert.deepEqual(itemKeys(batch), ['item-0', 'item-1']);
    return Object.fromEntries(batch.request.resourceLogs[0]!.resource!.attributes
      .map(({ key, value }) => [key, value.value]));
  };
  return { clock, log, sink, processor, resource };
}

test('resource_detection: an earlier detector wins; unknown keys stay', async () => {
  const { processor, resource } = build({}, fake({ a: '1' }), fake({ a: '2', b: '2' }));
  await processor.start();
  assert.deepEqual(await resource({ 'service.name': 's', b: 'own' }),
    { 'service.name': 's', b: '2', a: '1' });
  assert.deepEqual(await resource({}), { a: '1', b: '2' }, 'no service.name is made up');
  await processor.stop(NEVER);
});

test('resource_detection: without override what a resource says stays', async () => {
  const { processor, resource } = build({ override: false }, fake({ a: '1', b: '1' }));
  await processor.start();
  assert.deepEqual(await resource({ b: 'own' }), { b: 'own', a: '1' });
  await processor.stop(NEVER);
});

test('resource_detection: a batch that says it all already is the same batch', async () => {
  for (const override of [true, false]) {
    const { sink, processor } = build({ override }, fake({ a: '1' }));
    await processor.start();
    const batch = makeBatch('traces', 1, { resource: { a: '1' } });
    await processor.consume(batch, NEVER);
    assert.equal(sink.received[0], batch);
    await processor.stop(NEVER);
  }
});

test('resource_detection: a detector that fails or hangs is told, the others count', async () => {
  const failing = fake(async () => {
    throw new Error('broken');
  });
  const hanging = fake(() => new Promise(() => {}));
  const { clock, log, processor, resource } = build({}, failing, hanging, fake({ a: '1' }));
  const started = processor.start();
  await clock.advance(5000);
  await started;
  assert.deepEqual(await resource({}), { a: '1' });
  const causes = log.lines.filter(({ level }) => level === 'warn')
    .map(({ fields }) => fields['cause']);
  assert.deepEqual(causes, ['broken', 'it took too long']);
  await processor.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('resource_detection: timeout is the time for all detectors', async () => {
  const { clock, processor, log } = build({ timeout: '2s' }, fake(() => new Promise(() => {})));
  let started = false;
  const start = processor.start().then(() => (started = true));
  await clock.advance(1999);
  assert.equal(started, false);
  await clock.advance(1);
  await start;
  assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 1);
  await processor.stop(NEVER);
});

test('resource_detection: fail_on_missing_metadata stops the start', async () => {
  const failing = fake(async () => {
    throw new Error('broken');
  });
  const { processor } = build({ fail_on_missing_metadata: true }, failing);
  await assert.rejects(processor.start(), OperatorError);
  await processor.stop(NOW);
});

test('resource_detection: it looks again, and keeps what it knew when that fails', async () => {
  const findings = ['1', '2', null];
  const detector = fake(async () => {
    const found = findings.shift();
    if (typeof found !== 'string') throw new Error('gone');
    return [text('a', found)];
  });
  const { clock, processor, resource } = build({ refresh_interval: '60s' }, detector);
  await processor.start();
  assert.deepEqual(await resource({}), { a: '1' });
  await clock.advance(60_000);
  assert.deepEqual(await resource({}), { a: '2' });
  await clock.advance(60_000);
  assert.deepEqual(await resource({}), { a: '2' });
  await processor.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('resource_detection: unknown detectors and attributes are told', () => {
  const check = (settings: object, want: string) => {
    const { error } = resourceDetectionProcessor.schema.safeParse(settings);
    assert.deepEqual(error?.issues.map((issue) => issue.path.join('.')), [want]);
  };
  check({ detectors: ['ec2'] }, 'detectors.0');
  check({ system: { resource_attributes: { 'host.nam': { enabled: true } } } },
    'system.resource_attributes');
});
