// What is shipped is valid, and mistakes in the files that a configuration names are told together,
// each at its place.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { validateBackend } from '../../backend/validate.ts';
import { ConfigError } from '../../config/errors.ts';

const SHIPPED = new URL('../../config/backend.yaml', import.meta.url).pathname;

test('validate: what is shipped is valid', () => validateBackend({ files: [SHIPPED], env: {} }));

test('validate: files that a configuration names are checked, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-validate-'));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write('backend.yaml',
    'alerting: {rules: [r.yaml], thresholds_file: t.json, config_file: a.yaml}');
  write('r.yaml', 'groups:\n  - name: g\n    rules:\n      - {alert: A, logs: x, condition: no}\n');
  write('t.json', '{"cpu_usage": "much"}');
  write('a.yaml', 'route: {receiver: nobody}\nreceivers: [{name: ops}]\n');
  try {
    await assert.rejects(validateBackend({ files: [join(folder, 'backend.yaml')], env: {} }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        const places = error.problems.map(({ file, line }) => `${file.split('/').at(-1)}:${line}`);
        assert.deepEqual([...new Set(places)].sort(), ['a.yaml:1', 'r.yaml:4', 't.json:1']);
        return true;
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
