// Plugins: the example of docs/plugins.md runs in an agent, what modules may export, every mistake
// with its place, schemas of all sorts, errors at work, and that a changed module is read again.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAgentConfig, readComponents, startAgent } from '../../agent/main.ts';
import { ConfigError, describeProblems } from '../../config/errors.ts';
import { agentJsonSchema } from '../../config/json_schema.ts';
import { batchOfKeys, createSink, makeBatch, NEVER, temporaryFolder, testContext, until }
  from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';

const page = readFileSync(`${import.meta.dirname}/../../docs/plugins.md`, 'utf8');
const block = (language: string) =>
  new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page)![1]!;

const CONFIG = `
plugins: [./plugin.mjs]
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters: { debug: }
service: { pipelines: { logs: { receivers: [otlp], exporters: [debug] } } }
`;

/** What a person is told about a configuration beside this module. */
async function told(module: string | null, config = CONFIG): Promise<string> {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, config);
  if (module !== null) writeFileSync(join(folder, 'plugin.mjs'), module);
  try {
    await readAgentConfig({ files: [file], env: {} });
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return describeProblems(error.problems).replaceAll(`${folder}/`, '');
  }
}

test('plugins: the example of the documentation runs', () => withoutLeaks(async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  writeFileSync(join(folder, 'team.mjs'), block('js'));
  const free = block('yaml').replace('{ http: }', '{ http: { endpoint: "127.0.0.1:0" } }');
  writeFileSync(file, `${free}
  telemetry: { logs: { level: error }, metrics: { level: none } }\n`);
  const env = { BINNACLE_DATA_DIR: join(folder, 'data') };
  const lines: string[] = [];
  const { write } = process.stdout;
  const agent = await startAgent({ files: [file], env, version: '1' });
  process.stdout.write = ((text: string | Uint8Array) => {
    if (!String(text).startsWith('> ')) return write.call(process.stdout, text);
    return Boolean(lines.push(String(text)));
  }) as typeof write;
  try {
    for (const service of ['shop', 'other']) {
      const { bytes } = batchOfKeys('logs', ['hello'], { resource: { 'service.name': service } });
      const answer = await fetch(`http://${agent.addresses['OTLP HTTP']}/v1/logs`, {
        method: 'POST', body: bytes as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': 'application/x-protobuf', connection: 'close' },
      });
      assert.equal(answer.status, 200, await answer.text());
    }
    assert.deepEqual(lines, ['> payments hello\n', '> nobody hello\n']);
    // Its settings are checked as those of any other component.
    writeFileSync(file, readFileSync(file, 'utf8').replace('teams:', 'taems:'));
    await assert.rejects(readAgentConfig({ files: [file], env: {} }),
      /agent\.yaml:5:11: processors\.team\.taems: unknown key; did you mean "teams"/);
    writeFileSync(file, readFileSync(file, 'utf8').replace('prefix:', 'perfix:'));
    await assert.rejects(readAgentConfig({ files: [file], env: {} }), /there is only prefix/);
    const schema = agentJsonSchema(await readComponents({ files: [file], env: {} }));
    assert.ok('processor.team' in (schema['$defs'] as object));
  } finally {
    process.stdout.write = write;
    await agent.stop(NEVER);
  }
}));

const exporter = (more = '') => `{ kind: 'exporter', type: 'own', create: () => ({
  start: async () => {}, stop: async () => {}, consume: async () => 0 }), ${more} }`;

test('plugins: mistakes are told at the line that names the plugin', async () => {
  const check = async (module: string | null, want: RegExp) =>
    assert.match(await told(module),
      new RegExp(`^agent\\.yaml:2:11: plugins\\[0\\]: ${want.source}`));
  await check(null, /there is no file plugin\.mjs; a path is relative/);
  await check('export const a = ;', /cannot be loaded: Unexpected token .*; it must be an ES/);
  await check('throw new Error("not today");', /cannot be loaded: not today/);
  await check('export const a = 1;', /exports no component; export a Factory; see docs/);
  await check('export const register = () => undefined;', /register\(\) returns no component/);
  await check('export const register = () => { throw new Error("oh"); };', /register\(\) fails/);
  await check('export const register = () => 5;', /its export "register" is no component: it/);
  await check('export const a = { kind: "exproter" };', /its export "a" .*: kind must be one of/);
  await check('export const a = { kind: "exporter" };', /.*type must be lower_snake_case/);
  await check('export const a = { kind: "exporter", type: "own" };', /.*create must be a function/);
  await check(`export const a = ${exporter('signals: ["events"]')};`, /.*signals must be a list/);
  await check(`export const a = ${exporter('aliases: [1]')};`, /.*aliases must be a list of types/);
  await check(`export const a = ${exporter('gives: []')};`, /.*gives must be a function/);
  await check(`export const a = ${exporter('schema: 5')};`, /.*schema must be of zod/);
  await check(`export const a = ${exporter('aliases: ["debug"]')};`,
    /has the exporter type "debug", which there is already; give it another type/);
  await check(`export const a = ${exporter()}, b = ${exporter()};`, /has the exporter type "own"/);
});

test('plugins: what a module may export', async () => {
  for (const module of [
    `export const a = ${exporter()};`, `export default ${exporter()};`,
    `export const list = [${exporter()}];`, `export const register = () => (${exporter()});`,
    `export default () => [${exporter()}];`,
    `export const LIMIT = 5, help = () => {}, nothing = null, a = ${exporter()};`,
  ]) assert.equal(await told(module, CONFIG.replaceAll('debug', 'own')), '', module);
  // Where a plugin stands does not matter when nobody names one.
  assert.equal(await told(null, CONFIG.replace('[./plugin.mjs]', '')), '');
  assert.match(await told(null, CONFIG.replace('[./plugin.mjs]', '{ a: 1 }')),
    /^agent\.yaml:2:1: plugins: must be a list/);
});

test('plugins: settings are checked by whatever the plugin has', async () => {
  const config = CONFIG.replaceAll('debug:', 'own: { size: 3 }').replace('[debug]', '[own]');
  const check = async (schema: string, want: RegExp | '') => {
    const text = await told(`export const a = ${exporter(`schema: ${schema}`)};`, config);
    if (want === '') assert.equal(text, '', schema);
    else assert.match(text, want);
  };
  const where = 'agent\\.yaml:4:14: exporters\\.own';
  await check('{ parse: (value) => value }', '');
  await check('{ parse: () => { throw new Error("no size"); } }', new RegExp(`${where}: no size`));
  await check('{ "~standard": { validate: (value) => ({ value }) } }', '');
  await check(`{ "~standard": { validate: () => ({ issues: [{ message: "too small",
    path: ["size"] }] }) } }`, /agent\.yaml:4:27: exporters\.own\.size: too small/);
  await check(`{ "~standard": { validate: () => ({ issues: [{ message: "too small",
    path: [{ key: "size" }] }] }) } }`, /exporters\.own\.size: too small/);
  await check('{ "~standard": { validate: async (value) => ({ value }) } }', /asynchronous/);
});

async function ownFactory(module: string) {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, CONFIG);
  writeFileSync(join(folder, 'plugin.mjs'), module);
  const read = async () => (await readAgentConfig({ files: [file], env: {} })).factories
    .find(({ type }) => type === 'own')!;
  return { factory: await read(), read, write: (text: string) =>
    writeFileSync(join(folder, 'plugin.mjs'), text) };
}

test('plugins: what a component throws at work is an answer', async () => {
  const { factory } = await ownFactory(`export const a = { ...${exporter()}, create: () => ({
    start: async () => {}, stop: async () => {}, consume: () => { throw new Error('oh'); } }) };`);
  const component = factory.create({}, testContext({ id: 'own' }), createSink());
  assert.deepEqual(await (component as ReturnType<typeof createSink> & typeof component)
    .consume(makeBatch('logs', 1), NEVER),
  { status: 'rejected', reason: 'the plugin of exporter own failed: oh' });
});

test('plugins: a component without what the contract wants cannot be created', async () => {
  const { factory } = await ownFactory(`export const a = { ...${exporter()}, create: () => ({
    start: async () => {}, stop: async () => {} }) };`);
  assert.throws(() => factory.create({}, testContext({ id: 'own' }), createSink()),
    /cannot create exporter own: it has no consume\(\)/);
});

test('plugins: a module is read again when its file has changed, and only then', async () => {
  const { factory, read, write } = await ownFactory(`export const a = ${exporter()};`);
  assert.equal(await read(), factory);
  write(`export const a = ${exporter('aliases: ["ours"]')};`);
  await until(async () => (await read()).aliases?.includes('ours') === true, 'the change');
  assert.notEqual(await read(), factory);
});
