// Proves the files that are shipped: the full ones say exactly the defaults and name every key, the
// default ones load without a word, and the JSON Schema that editors use accepts them all. The
// parts that need the agent's components run as soon as agent/components.ts is there.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { test } from 'node:test';
import fastify from 'fastify';
import { parse } from 'yaml';
import { backendSchema, loadBackendConfig } from '../../config/backend.ts';
import { findSchema, SECTIONS, type ComponentSchema } from '../../config/components.ts';
import { describeProblems } from '../../config/errors.ts';
import { agentJsonSchema, backendJsonSchema, type JsonSchema } from '../../config/json_schema.ts';
import { agentSchema, loadAgentConfig } from '../../config/pipelines.ts';
import { printAgent, printBackend } from '../../config/print.ts';
import { knownKeys, withDefaults } from '../../config/shape.ts';
import { createFiles } from '../../runtime/files.ts';
import { COMPONENTS } from './components.ts';
import { fullAgentFile, REQUIRED } from './full.ts';
import { referencePage } from './reference.ts';

const root = `${import.meta.dirname}/../..`;
const shipped = (name: string) => `${root}/config/${name}`;
const testdata = (name: string) => `${import.meta.dirname}/testdata/${name}`;
const textOf = (name: string) => readFileSync(shipped(name), 'utf8');
const disk = createFiles();

const componentsFile = `${root}/agent/components.ts`;
const components = await readComponents();
const skip = components.length > 0 ? false : 'agent/components.ts is not there yet';
const needed = ['receiver otlp', 'receiver host_metrics', 'receiver file_log',
  'processor memory_limiter', 'processor resource_detection', 'processor batch', 'exporter otlp',
  'extension health_check'].filter((words) => {
  const [kind, type] = words.split(' ');
  return !components.some((one) => one.kind === kind
    && (one.type === type || one.aliases?.includes(type!) === true));
});
const skipDefault = needed.length === 0 ? skip : `not built yet: ${needed.join(', ')}`;

async function readComponents(): Promise<readonly ComponentSchema[]> {
  if (!existsSync(componentsFile)) return [];
  const { loadComponents } = await import('../../agent/components.ts');
  return loadComponents();
}

test('shipped: backend.full.yaml says exactly the defaults', async () => {
  const full = await loadBackendConfig({ files: [shipped('backend.full.yaml')], env: {}, disk });
  const bare = await loadBackendConfig({ files: [], env: {}, disk });
  assert.deepEqual(full.config, bare.config);
  assert.deepEqual(parse(textOf('backend.full.yaml')), withDefaults(backendSchema(), {}));
});

test('shipped: backend.full.yaml names every key', () => {
  checkKeys(textOf('backend.full.yaml'), keysOf((path) => knownKeys(backendSchema(), path)));
});

test('shipped: backend.yaml is the defaults, said aloud', async () => {
  const env = {};
  const { config, warnings } = await loadBackendConfig({
    files: [shipped('backend.yaml')], env, disk,
  });
  const bare = (await loadBackendConfig({ files: [], env, disk })).config;
  // What it names lies beside it; nothing is named by default.
  const { rules, thresholds_file: thresholdsFile, config_file: file } = config.alerting;
  assert.deepEqual([...rules, thresholdsFile, file], ['rules/*.yaml',
    'alert_thresholds.json', 'alerting.yaml'].map((name) => normalize(shipped(name))));
  assert.deepEqual({ ...config, alerting: bare.alerting }, bare);
  assert.equal(describeProblems(warnings), '');
});

test('shipped: agent.yaml loads with the real components, without a warning',
  { skip: skipDefault }, async () => {
    const files = [shipped('agent.yaml')];
    const { config, warnings } = await loadAgentConfig({ files, env: {}, disk, components });
    assert.equal(describeProblems(warnings), '');
    assert.deepEqual(config.pipelines.map(({ id }) => id).sort(), ['logs', 'metrics', 'traces']);
  });

test('shipped: agent.full.yaml is what the schemas of the components say', { skip }, async () => {
  const text = fullAgentFile(components);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(shipped('agent.full.yaml'), text);
  assert.equal(textOf('agent.full.yaml'), text, 'run this test with UPDATE_GOLDEN=1');
});

test('docs: docs/components.md is what the schemas of the components say', { skip }, () => {
  const file = `${root}/docs/components.md`;
  const text = referencePage(components);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(readFileSync(file, 'utf8'), text, 'run this test with UPDATE_GOLDEN=1');
});

test('shipped: agent.full.yaml says exactly the defaults of every component', { skip },
  async () => {
    const written = parse(textOf('agent.full.yaml')) as Record<string, Record<string, unknown>>;
    for (const [section, kind] of Object.entries(SECTIONS)) {
      const types = components.filter((one) => one.kind === kind).map(({ type }) => type);
      assert.deepEqual(Object.keys(written[section] ?? {}).sort(), types.sort(), section);
      for (const [id, settings] of Object.entries(written[section] ?? {})) {
        const { schema } = findSchema(section as keyof typeof SECTIONS, id, components)!;
        const required = REQUIRED[`${kind}.${id}`] ?? {};
        assert.deepEqual(schema.parse(settings ?? {}), schema.parse(required), id);
      }
    }
  });

test('shipped: agent.full.yaml names every key', { skip }, async () => {
  const text = textOf('agent.full.yaml');
  for (const { schema } of components.filter((one) => knownKeys(one.schema).length > 0)) {
    checkKeys(text, keysOf((path) => knownKeys(schema, path)));
  }
  checkKeys(text, keysOf((path) => knownKeys(agentSchema(), path)));
});

test('shipped: agent.full.yaml loads', { skip }, async () => {
  const files = [shipped('agent.full.yaml')];
  await loadAgentConfig({ files, env: {}, disk, components });
});

test('JSON Schema: accepts what the program accepts', async () => {
  await checkSchema(backendJsonSchema(), [
    shipped('backend.yaml'), shipped('backend.full.yaml'), testdata('backend.variables.good.yaml'),
    testdata('backend.mtls.good.yaml'),
  ], true);
  await checkSchema(agentJsonSchema(COMPONENTS), [
    testdata('agent.spellings.good.yaml'), testdata('agent.nothing_behind_keys.good.yaml'),
  ], true);
});

test('JSON Schema: accepts the agent files that are shipped', { skip: skipDefault }, async () => {
  const files = [shipped('agent.yaml'), shipped('agent.full.yaml')];
  await checkSchema(agentJsonSchema(components), files, true);
});

test('JSON Schema: refuses what an editor should mark', async () => {
  await checkSchema(backendJsonSchema(), [
    testdata('backend.unknown_key.bad.yaml'), testdata('backend.ranges.bad.yaml'),
    testdata('backend.camel_case.bad.yaml'), testdata('backend.tls_without_key.bad.yaml'),
  ], false);
  await checkSchema(agentJsonSchema(COMPONENTS), [
    testdata('agent.unknown_key.bad.yaml'), testdata('agent.unknown_type.bad.yaml'),
    testdata('agent.wrong_types.bad.yaml'), testdata('agent.connector.bad.yaml'),
    testdata('agent.empty_pipeline.bad.yaml'),
  ], false);
});

test('JSON Schema: carries descriptions and defaults', () => {
  const { properties } = backendJsonSchema() as { properties: Record<string, JsonSchema> };
  assert.equal(properties['data_dir']!['default'], './data');
  assert.match(String(properties['data_dir']!['description']), /Folder/);
});

test('print: the configuration in force can be read back, without secrets', async () => {
  const env = { BINNACLE_CLICKHOUSE_PASSWORD: 'hunter2', BINNACLE_DATA_DIR: '/a$b${c}' };
  const { config, tree } = await loadBackendConfig({ files: [], env, disk });
  const printed = printBackend(tree);
  assert.doesNotMatch(printed, /hunter2/);
  assert.match(printed, /password: "\[REDACTED\]"/);
  const again = await readBack(printed, (file) =>
    loadBackendConfig({ files: [file], env: {}, disk }));
  assert.deepEqual({ ...again.config, clickhouse: null }, { ...config, clickhouse: null });
});

test('print: an agent with the defaults and secrets of its components', async () => {
  const env = { BINNACLE_EXPORTERS_OTLP_HEADERS: '{authorization: hunter2}' };
  const files = [testdata('agent.spellings.good.yaml')];
  const loaded = await loadAgentConfig({ files, env, disk, components: COMPONENTS });
  const printed = printAgent(loaded.tree, COMPONENTS);
  assert.doesNotMatch(printed, /hunter2/);
  assert.match(printed, /poll_interval: 200ms/);
  const again = await readBack(printed, (file) =>
    loadAgentConfig({ files: [file], env: {}, disk, components: COMPONENTS }));
  const parsed = ({ receivers }: typeof again.config) =>
    [...receivers.values()].map(({ id, type, config }) => ({ id, type, config }));
  assert.deepEqual(parsed(again.config), parsed(loaded.config));
  assert.deepEqual(again.config.pipelines, loaded.config.pipelines);
});

/** Every key stands in the file, if only in a comment. */
function checkKeys(text: string, keys: readonly string[]): void {
  assert.ok(keys.length > 0);
  const lines = text.split('\n');
  const missing = keys.filter((key) => !lines.some((line) =>
    new RegExp(`(^|[ #{-])"?${key.replace(/[.*]/g, '\\$&')}"?:`).test(line)));
  assert.deepEqual(missing, [], 'keys that the file does not name');
}

function keysOf(known: (path: string[]) => string[], path: string[] = []): string[] {
  if (path.length > 8) return [];
  return known(path).flatMap((key) => [key, ...keysOf(known, [...path, key])]);
}

/** fastify's own validator stands in for an editor's. */
async function checkSchema(schema: JsonSchema, files: string[], accepted: boolean): Promise<void> {
  const { $schema: _, ...body } = schema;
  const customOptions = {
    removeAdditional: false, coerceTypes: false, useDefaults: false, strict: false,
  } as const;
  const app = fastify({ ajv: { customOptions } });
  app.post('/', { schema: { body } }, () => 'fine');
  try {
    for (const file of files) {
      const payload = parse(readFileSync(file, 'utf8'), { merge: true }) as object;
      const answer = await app.inject({ method: 'POST', url: '/', payload });
      assert.equal(answer.statusCode, accepted ? 200 : 400, `${file}: ${answer.body}`);
    }
  } finally {
    await app.close();
  }
}

async function readBack<T>(text: string, load: (file: string) => Promise<T>): Promise<T> {
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const folder = await mkdtemp(`${tmpdir()}/binnacle-print-`);
  try {
    await writeFile(`${folder}/printed.yaml`, text);
    return await load(`${folder}/printed.yaml`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
