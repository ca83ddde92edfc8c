// Proves the change of records: the same batch where nothing changes, groups without records left
// out, origins kept, nothing changed in place.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editPoints, editRecords } from '../../../../agent/processors/edit/records.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import { SIGNALS } from '../../../../proto/otlp/model.ts';
import { itemKeys, makeBatch } from '../../../contract/fakes.ts';

const origin = { receiver: 'file_log', run: 'r', content: 1, from: 0, to: 9, state: '' };
const THREE = ['item-0', 'item-1', 'item-2'];

for (const signal of SIGNALS) {
  test(`edit: records of ${signal} are changed or left out`, () => {
    const batch: Batch = makeBatch(signal, 3).from([origin]);
    assert.equal(editRecords(batch, (record) => record), batch);
    assert.equal(editRecords(batch, () => null), null);

    let seen = 0;
    const fewer = editRecords(batch, (record) => (++seen === 2 ? null : record));
    assert.deepEqual(itemKeys(fewer!), ['item-0', 'item-2']);
    assert.deepEqual(fewer!.origins, [origin]);
    assert.deepEqual(itemKeys(batch), THREE);
  });
}

test('edit: a metric without points is left out, one without data stays', () => {
  const batch = makeBatch('metrics', 3);
  const fewer = editRecords(batch, (metric) =>
    (metric.name === 'item-1' ? editPoints(metric, () => null) : metric));
  assert.deepEqual(itemKeys(fewer!), ['item-0', 'item-2']);
  const [metric] = batch.request.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  const bare = { ...metric!, data: undefined };
  assert.equal(editPoints(bare, () => null), bare);
});
