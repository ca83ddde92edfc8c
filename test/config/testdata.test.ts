// Proves what a person is told about each mistake. Every `*.bad.yaml` of testdata begins with the
// sentences, one comment line each, that loading it must give, with line and column; every
// `*.good.yaml` must load without a word. UPDATE_GOLDEN=1 writes the sentences anew.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadBackendConfig } from '../../config/backend.ts';
import { ConfigError, describeProblems } from '../../config/errors.ts';
import { loadAgentConfig } from '../../config/pipelines.ts';
import { createFiles } from '../../runtime/files.ts';
import { COMPONENTS } from './components.ts';

const folder = `${import.meta.dirname}/testdata/`;
const disk = createFiles();
const ENV = { PORT: '8081', ROWS: '5', DIGITS: '007', EMPTY: '', GRPC: '{endpoint: localhost:1}' };
const names = readdirSync(folder).sort();

const load = async (name: string) => {
  const options = { files: [folder + name], env: ENV, disk };
  return name.startsWith('agent.')
    ? await loadAgentConfig({ ...options, components: COMPONENTS })
    : await loadBackendConfig(options);
};

for (const name of names.filter((one) => one.endsWith('.bad.yaml'))) {
  test(`config: ${name} is refused with its sentences`, async () => {
    const told = await mistakesOf(name);
    assert.notEqual(told, '', 'it was accepted');
    assert.doesNotMatch(told, /hunter2/, 'a secret was told');
    const text = readFileSync(folder + name, 'utf8');
    if (process.env['UPDATE_GOLDEN'] === '1') writeGolden(name, text, told);
    else assert.equal(told, expectedIn(text));
  });
}

for (const name of names.filter((one) => one.endsWith('.good.yaml'))) {
  test(`config: ${name} is accepted`, async () => {
    const { warnings } = await load(name);
    assert.equal(describeProblems(warnings), '');
  });
}

async function mistakesOf(name: string): Promise<string> {
  try {
    await load(name);
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return describeProblems(error.problems).replaceAll(folder, '');
  }
}

function expectedIn(text: string): string {
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('# '));
  return lines.slice(0, end).map((line) => line.slice(2)).join('\n');
}

/** The sentences name lines, and stand in lines: as many as there were must stay as many. */
function writeGolden(name: string, text: string, told: string): void {
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('# '));
  const shift = told.split('\n').length - end;
  const shifted = told.replace(/^(\S+?\.yaml):(\d+):/gm,
    (_, file: string, line: string) => `${file}:${Number(line) + shift}:`);
  const head = shifted.split('\n').map((line) => `# ${line}`);
  writeFileSync(folder + name, [...head, ...lines.slice(end)].join('\n'));
}
