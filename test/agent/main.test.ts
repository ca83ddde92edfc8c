// The agent as a whole, in this process: configuration to pipelines over real sockets, its own
// metrics, its id and data folder, and what the operator is told when it cannot start.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadComponents } from '../../agent/components.ts';
import { openDataFolder } from '../../agent/data_folder.ts';
import { readAgentConfig, startAgent } from '../../agent/main.ts';
import { ConfigError } from '../../config/errors.ts';
import { OperatorError } from '../../runtime/errors.ts';
import type { Running } from '../../runtime/lifecycle.ts';
import { createWorld } from '../../runtime/world.ts';
import { NEVER, NOW, temporaryFolder } from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';

const factories = await loadComponents();

const CONFIG = `
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } }
processors:
  resource_detection: { detectors: [system] }
  batch: { timeout: 5ms }
exporters:
  debug: { output_paths: [stdout], use_internal_logger: false, sampling_initial: 0,
    sampling_thereafter: 0 }
extensions:
  health_check: { endpoint: "127.0.0.1:0" }
service:
  extensions: [health_check]
  telemetry: { logs: { level: error }, metrics: { address: "127.0.0.1:0" } }
  pipelines:
    logs: { receivers: [otlp], processors: [resource_detection, batch], exporters: [debug] }
`;

function start(dataDir: string, config = CONFIG): Promise<Running> {
  const file = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(file, config);
  return startAgent({ files: [file], env: { BINNACLE_DATA_DIR: dataDir }, version: '1.2.3' });
}

const call = (url: string, init: RequestInit = {}) =>
  fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } });

test('agent: takes data in, counts it, and says that it is ready', () => withoutLeaks(async () => {
  const agent = await start(temporaryFolder());
  try {
    const { addresses } = agent;
    assert.deepEqual(Object.keys(addresses).sort(), ['Agent metrics', 'Health check', 'OTLP HTTP']);
    const record = { body: { stringValue: 'hello' } };
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
    const headers = { 'content-type': 'application/json' };
    const url = addresses['OTLP HTTP']!.replace(/^(http:\/\/)?/, 'http://');
    const answer = await call(`${url}/v1/logs`, { method: 'POST', body, headers });
    assert.equal(answer.status, 200, await answer.text());
    const metrics = await (await call(addresses['Agent metrics']!)).text();
    for (const line of [
      'otelcol_receiver_accepted_log_records_total{receiver="otlp"} 1',
      'otelcol_receiver_refused_log_records_total{receiver="otlp"} 0',
      'otelcol_processor_incoming_items_total{otel_signal="logs",processor="batch"} 1',
      'otelcol_exporter_sent_log_records_total{exporter="debug"} 1',
      'binnacle_agent_info{version="1.2.3"} 1',
    ]) assert.ok(metrics.split('\n').includes(line), `${line} in\n${metrics}`);
    assert.match(metrics, /^otelcol_process_memory_rss \d{7,}$/m);
    const health = await call(`http://${addresses['Health check']}/`);
    assert.equal(health.status, 200);
    await health.text();
  } finally {
    await agent.stop(NEVER);
    await agent.stop(NOW);
  }
}));

test('agent: keeps its id over restarts', () => withoutLeaks(async () => {
  const folder = temporaryFolder();
  const id = () => (JSON.parse(readFileSync(join(folder, 'agent/agent.json'), 'utf8')) as
    { id: string }).id;
  await (await start(folder)).stop(NEVER);
  const first = id();
  await (await start(folder)).stop(NEVER);
  assert.equal(id(), first);
  assert.match(first, /^[0-9a-f-]{36}$/);
}));

const refused = (pattern: RegExp) => (error: OperatorError) => {
  assert.match(error.message, pattern);
  assert.notEqual(error.hint, '');
  return error instanceof OperatorError;
};

test('agent: a second one on the same folder is refused until the first has stopped', {
  skip: process.platform === 'linux' ? false : 'a folder can only be claimed on Linux',
}, () => withoutLeaks(async () => {
  const folder = temporaryFolder();
  const first = await start(folder);
  await assert.rejects(start(folder), refused(/another agent is using it/));
  await first.stop(NEVER);
  await (await start(folder)).stop(NEVER);
}));

test('agent: a data folder that cannot be used is told', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(start(join(folder, 'file')), refused(/cannot use the data folder/));
  mkdirSync(join(folder, 'agent'));
  writeFileSync(join(folder, 'agent/agent.json'), 'no JSON');
  await assert.rejects(start(folder), refused(/does not hold the id of an agent/));
});

test('agent: a data folder without permission is told', {
  skip: process.getuid?.() === 0 ? 'root may write everywhere' : false,
}, async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o500);
  await assert.rejects(openDataFolder(folder, createWorld()), refused(/permission denied/));
});

test('agent: on a full disk an agent starts that has started before', async () => {
  const folder = temporaryFolder();
  const world = createWorld();
  const full = { ...world, files: { ...world.files, replace: async () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  } } };
  await assert.rejects(openDataFolder(folder, full), refused(/the disk is full/));
  const { agentId, release } = await openDataFolder(folder, world);
  release();
  const again = await openDataFolder(folder, full);
  again.release();
  assert.equal(again.agentId, agentId);
});

test('agent: when a component cannot start nothing is left', () => withoutLeaks(async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const folder = temporaryFolder();
  const taken = (setting: string) => CONFIG.replace(setting, setting.replace(':0"', `:${port}"`));
  for (const setting of [
    'http: { endpoint: "127.0.0.1:0"', 'health_check: { endpoint: "127.0.0.1:0"',
    'address: "127.0.0.1:0"',
  ]) {
    await assert.rejects(start(folder, taken(setting)), refused(/the port is in use/));
  }
  await (await start(folder)).stop(NEVER);
  await new Promise((resolve) => other.close(resolve));
}));

test('agent: the metrics of its own can be turned off', () => withoutLeaks(async () => {
  const served = async (metrics: string) => {
    const agent = await start(temporaryFolder(),
      CONFIG.replace('address: "127.0.0.1:0"', metrics));
    await agent.stop(NEVER);
    return agent.addresses['Agent metrics'] !== undefined;
  };
  assert.equal(await served('address: ""'), false);
  assert.equal(await served('level: none, address: "127.0.0.1:0"'), false);
  for (const level of ['basic', 'Normal', 'detailed']) {
    assert.equal(await served(`level: ${level}, address: "127.0.0.1:0"`), true, level);
  }
}));

test('agent: a wrong configuration is told before anything starts', async () => {
  await assert.rejects(start(temporaryFolder(), CONFIG.replace('timeout: 5ms', 'timeot: 5ms')),
    (error: ConfigError) => {
      assert.match(error.problems[0]!.hint, /timeout/);
      return error instanceof ConfigError;
    });
});

test('agent: the shipped configuration is valid', async () => {
  const file = new URL('../../config/agent.yaml', import.meta.url).pathname;
  const { config, warnings } = await readAgentConfig({ files: [file], env: {} });
  assert.deepEqual(config.pipelines.map(({ id }) => id).sort(), ['logs', 'metrics', 'traces']);
  assert.deepEqual(warnings, []);
});

test('agent: every component type and spelling is there once', () => {
  const spellings = factories.flatMap(({ kind, type, aliases = [] }) =>
    [type, ...aliases].map((name) => `${kind} ${name}`));
  assert.deepEqual(spellings.filter((name, index) => spellings.indexOf(name) !== index), []);
});
