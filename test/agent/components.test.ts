// Proves the list of components: each stands there under its own kind and spellings, and is loaded
// exactly when a configuration names it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadComponents } from '../../agent/components.ts';

const all = await loadComponents();
const known = await loadComponents([]);

test('components: the list has each under the spellings of its factory', () => {
  const names = (factories: typeof all) => factories.map(({ kind, type, aliases = [] }) =>
    [kind, type, ...aliases].join(' '));
  assert.deepEqual(names(known), names(all));
  assert.equal(new Set(names(all)).size, all.length);
});

test('components: what no text names is known by its name only', async () => {
  assert.throws(() => known[0]!.schema, /is not loaded/);
  const isLoaded = async (...texts: string[]) => (await loadComponents(texts)).flatMap((one) => {
    try {
      return one.schema === undefined ? [] : [one.type];
    } catch {
      return [];
    }
  });
  assert.deepEqual(await isLoaded('receivers: { filelog/app: }', 'exporters: {"otlphttp": }'),
    ['file_log', 'otlp_http']);
  assert.deepEqual(await isLoaded('otlp_http'), ['otlp_http'], 'not otlp');
  assert.equal((await isLoaded('"\\x62atch"')).length, all.length, 'an escape may say anything');
});
