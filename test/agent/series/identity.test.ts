// Keys of series: equal for the same series whatever the order of attributes, different as soon as
// anything differs, also where texts could run together. The table: its bound, and that nothing
// stays of what was removed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attributesKey, metricKey, resourceKey, scopeKey, valueKey,
} from '../../../agent/series/identity.ts';
import { createSeriesTable, type SeriesPlace } from '../../../agent/series/table.ts';
import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { at, CUMULATIVE, DELTA, gauge, labels, metricOf, sum } from './made.ts';

test('identity: the order of attributes does not matter', () => {
  const random = createSeededRandom(5);
  const all = labels({ b: '1', a: '2', 'a.b': '3', c: '', ä: 'x' });
  const key = attributesKey(all);
  for (let round = 0; round < 50; round++) {
    const shuffled = [...all].sort(() => random.float() - 0.5);
    assert.equal(attributesKey(shuffled), key);
  }
  const nested = (keys: string[]): AnyValue => ({ type: 'kvlist',
    value: keys.map((one) => ({ key: one, value: { type: 'bool', value: true } })) });
  assert.equal(valueKey(nested(['x', 'y'])), valueKey(nested(['y', 'x'])));
});

test('identity: whatever differs has another key', () => {
  const values: AnyValue[] = [
    { type: 'empty', value: null }, { type: 'string', value: '' }, { type: 'string', value: '1' },
    { type: 'int', value: 1n }, { type: 'double', value: 1 }, { type: 'bool', value: true },
    { type: 'double', value: 0 }, { type: 'double', value: -0 }, { type: 'double', value: NaN },
    { type: 'bytes', value: Uint8Array.of(1) }, { type: 'array', value: [] },
    { type: 'array', value: [{ type: 'int', value: 1n }] },
    { type: 'array', value: [{ type: 'int', value: 1n }, { type: 'int', value: 1n }] },
    { type: 'array', value: [{ type: 'int', value: 11n }] }, { type: 'kvlist', value: [] },
  ];
  const lists: Attributes[] = [
    [], ...values.map((value) => [{ key: 'k', value }]),
    labels({ a: 'b', c: 'd' }), labels({ a: 'bc', '': 'd' }), labels({ ab: '', c: 'd' }),
    labels({ a: 'b1:cs1:d' }), labels({ a: '1:b' }), labels({ 'a1:b': '' }),
  ];
  assert.equal(new Set(lists.map(attributesKey)).size, lists.length);
  const time = at(1);
  const metrics = [
    metricOf('m', gauge(1, { time })), metricOf('m', sum(1n, { time, temporality: DELTA })),
    metricOf('m', sum(1n, { time, temporality: CUMULATIVE })),
    metricOf('m', sum(1n, { time, temporality: CUMULATIVE, isMonotonic: false })),
    { ...metricOf('m', gauge(1, { time })), unit: 's' }, metricOf('sm', gauge(1, { time })),
  ];
  assert.equal(new Set(metrics.map(metricKey)).size, metrics.length);
  const scope = { name: 'a', version: 'b', attributes: [], droppedAttributesCount: 0 };
  const scopes = [scopeKey(undefined, ''), scopeKey(scope, ''), scopeKey(scope, 'u'),
    scopeKey({ ...scope, name: 'ab', version: '' }, '')];
  assert.equal(new Set(scopes).size, scopes.length);
  assert.equal(resourceKey(undefined, ''),
    resourceKey({ attributes: [], droppedAttributesCount: 0, entityRefs: [] }, ''));
});

const place = (service: string): SeriesPlace => ({
  resource: { attributes: labels({ service }), droppedAttributesCount: 0, entityRefs: [] },
  resourceSchemaUrl: '', scope: undefined, scopeSchemaUrl: '',
});

test('table: holds so many states and no more, and forgets what is empty', () => {
  const table = createSeriesTable<number>(5);
  const metric = metricOf('m', gauge(1, { time: at(1) }));
  for (let index = 0; index < 8; index++) {
    const series = table.metric(place(`s${index % 4}`), metric);
    assert.equal(table.set(series, `k${index}`, index), index < 5);
  }
  assert.equal(table.size(), 5);
  const first = table.metric(place('s0'), metric);
  assert.deepEqual([...first.states], [['k0', 0], ['k4', 4]]);
  assert.equal(table.set(first, 'k0', 9), true, 'a known one can always be replaced');
  assert.equal([...table.metrics()].length, 4);
  assert.equal(table.sweep((state) => state !== 9), 4);
  assert.deepEqual([...table.metrics()].map(({ states }) => [...states]), [[['k0', 9]]]);
  table.delete(first, 'k0');
  table.delete(first, 'k0');
  assert.equal(table.size(), 0);
  assert.deepEqual([...table.metrics()], []);
  assert.equal(table.set(table.metric(place('s0'), metric), 'k', 1), true);
  assert.equal([...table.metrics()].length, 1);
});

test('table: random changes agree with a plain map', () => {
  const random = createSeededRandom(11);
  const table = createSeriesTable<number>(40);
  const plain = new Map<string, number>();
  const metrics = ['m', 'n'].map((name) => metricOf(name, gauge(1, { time: at(1) })));
  const places = [0, 1, 2, 3].map((index) => place(`s${index >> 1}`));
  for (let step = 0; step < 5000; step++) {
    const [where, which, key] = [4, 2, 20].map((most) => Math.floor(random.float() * most));
    const series = table.metric(places[where!]!, metrics[which!]!);
    const name = `${where! >> 1} ${which} ${key}`;
    if (random.float() < 0.5) {
      const added = table.set(series, String(key), step);
      assert.equal(added, plain.has(name) || plain.size < 40);
      if (added) plain.set(name, step);
    } else if (random.float() < 0.9) {
      table.delete(series, String(key));
      plain.delete(name);
    } else {
      table.sweep((state) => state % 3 === 0);
      for (const [one, state] of plain) if (state % 3 === 0) plain.delete(one);
    }
    assert.equal(table.size(), plain.size);
    assert.equal(table.metric(places[where!]!, metrics[which!]!).states.get(String(key)),
      plain.get(name));
  }
  const held = [...table.metrics()].flatMap(({ states }) => [...states.values()]).sort();
  assert.deepEqual(held, [...plain.values()].sort());
});
