// Every function, table function, combinator and output format of the engine was reviewed: it is in
// exactly one of the gate's lists. Fails when a new version of the engine brings a name.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FORMATS } from '../../../backend/gate/formats.ts';
import { COMBINATORS, COMBINATORS_REFUSED, REVIEWED, isAllowed, refusalOf }
  from '../../../backend/gate/functions.ts';
import { TABLE_FUNCTIONS } from '../../../backend/gate/select.ts';
import { startGate, type GateFixture } from './gate_fixture.ts';

let fixture: GateFixture;

before(async () => {
  fixture = await startGate('gate_names');
});

after(() => fixture?.stop());

async function namesOf(sql: string): Promise<string[]> {
  return (await fixture.read(sql)).split('\n').filter((name) => name !== '').sort();
}

test('names: each function of the engine is in exactly one list', async () => {
  const scalars = await namesOf('SELECT name FROM system.functions WHERE NOT is_aggregate');
  const aggregates = await namesOf('SELECT name FROM system.functions WHERE is_aggregate');
  const refused = new Set<string>(REVIEWED.refused);
  assert.deepEqual([...REVIEWED.scalars].sort(), scalars.filter((name) => !refused.has(name)));
  assert.deepEqual([...REVIEWED.aggregates].sort(),
    aggregates.filter((name) => !refused.has(name)));
  assert.deepEqual([...refused].sort(),
    [...scalars, ...aggregates].filter((name) => refused.has(name)).sort());
});

test('names: what is refused is not allowed in other letters', () => {
  for (const name of REVIEWED.refused) {
    assert.equal(isAllowed(name), false, name);
    assert.notEqual(refusalOf(name.toUpperCase()), null, name);
  }
  for (const name of [...REVIEWED.scalars, ...REVIEWED.aggregates]) {
    assert.equal(refusalOf(name), null, name);
  }
});

test('names: functions that take functions are known', async () => {
  const names = await namesOf('SELECT name FROM system.functions WHERE higher_order');
  assert.deepEqual([...REVIEWED.higherOrder].sort(), names);
});

test('names: each combinator of aggregates was reviewed', async () => {
  const names = await namesOf('SELECT name FROM system.aggregate_function_combinators');
  assert.deepEqual([...COMBINATORS, ...COMBINATORS_REFUSED].sort(), names);
});

test('names: each table function was reviewed', async () => {
  const names = await namesOf('SELECT name FROM system.table_functions');
  assert.deepEqual([...TABLE_FUNCTIONS.allowed, ...TABLE_FUNCTIONS.refused].sort(), names);
});

test('names: each output format was reviewed', async () => {
  const names = await namesOf('SELECT name FROM system.formats WHERE is_output');
  assert.deepEqual([...FORMATS.allowed, ...FORMATS.refused].sort(), names);
});
