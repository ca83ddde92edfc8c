// The container files cannot be run where there is no Docker engine, so linters read them: the
// Dockerfile by dockerfile-utils, docker-compose.yml by dclint (which checks its schema too).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';

const ROOT = new URL('..', import.meta.url).pathname;

test('deploy: Dockerfile has no findings', () => {
  const findings = validate(readFileSync(`${ROOT}Dockerfile`, 'utf8'));
  assert.deepEqual(findings.map(({ message, range }) => `${range.start.line + 1}: ${message}`), []);
});

test('deploy: a broken Dockerfile has findings', () => {
  assert.notEqual(validate('FROM node:20\nRUNN true\n').length, 0);
});

test('deploy: docker-compose.yml has no errors', () => {
  const linted = execFileSync(process.execPath, [
    `${ROOT}node_modules/dclint/bin/dclint.cjs`, '--quiet', '--formatter', 'json',
    `${ROOT}docker-compose.yml`,
  ], { encoding: 'utf8' });
  const errors = (JSON.parse(linted) as Array<{ errorCount: number }>)
    .reduce((sum, { errorCount }) => sum + errorCount, 0);
  assert.equal(errors, 0, linted);
});

test('deploy: the configuration of the agent in its container is valid', () => {
  const compose = parse(readFileSync(`${ROOT}docker-compose.yml`, 'utf8')) as
    { services: { agent: { command: string[] } } };
  const files = compose.services.agent.command.slice(1);
  execFileSync(process.execPath, ['binnacle.mjs', 'validate', ...files], { cwd: ROOT });
});

test('deploy: the lock file knows the engine of every platform, and no registry', () => {
  const text = readFileSync(`${ROOT}package-lock.json`, 'utf8');
  const { packages } = JSON.parse(text) as
    { packages: Record<string, { version: string; optionalDependencies?: object }> };
  const wanted = Object.entries(packages['node_modules/chdb']!.optionalDependencies!);
  assert.equal(wanted.length, 4);
  for (const [name, version] of wanted) {
    assert.equal(packages[`node_modules/${name}`]?.version, version, name);
  }
  assert.doesNotMatch(text, /"resolved"/);
});
