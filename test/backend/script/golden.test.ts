// Every script of test/golden/alerts, and those that are shipped with the rules, holds. Where one
// loads records, they go through the intake into a real engine, which all scripts share.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { reportText } from '../../../backend/script/report.ts';
import { runScript } from '../../../backend/script/run.ts';
import { createScriptStore } from '../../../backend/script/store.ts';
import { createWorld } from '../../../runtime/world.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
const FOLDERS = ['test/golden/alerts', 'config/rules/tests'];

const world = createWorld();
const store = createScriptStore(world, process.env['CLICKHOUSE_URL']);
after(() => store.stop());

test('scripts: those that the table of sentences names are there', () => {
  const folder = join(ROOT, 'test/golden/alerts');
  const named = readFileSync(join(folder, 'README.md'), 'utf8').match(/(?<=`)\w+\.txt(?=`)/g) ?? [];
  const missing = [...new Set(named)].filter((name) => !existsSync(join(folder, name)));
  assert.deepEqual(missing, []);
});

for (const folder of FOLDERS) {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.txt')).sort();
  test(`scripts of ${folder}: there are some`, () => assert.notEqual(names.length, 0));
  for (const name of names) {
    test(`script ${folder}/${name}`, async () => {
      const result = await runScript(join(ROOT, folder, name),
        { files: world.files, store, env: {} });
      assert.ok(result.ok, `\n${reportText(result, { verbose: true })}`);
    });
  }
}
