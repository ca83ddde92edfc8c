// Proves: fingerprints are Alertmanager's (FNV-1a of 64 bits), whatever the order of the labels,
// and labels without a value do not count.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprintOf, printLabels } from '../../../backend/labels/labels.ts';

test('labels: fingerprints are those of Alertmanager', () => {
  assert.equal(fingerprintOf({}), 'cbf29ce484222325');
  assert.equal(fingerprintOf({ alertname: 'Test' }), 'e46aaa9fcf75dd34');
});

test('labels: the order does not matter, and a label without a value is none', () => {
  const one = fingerprintOf({ a: '1', b: '2' });
  assert.equal(fingerprintOf({ b: '2', a: '1', c: '' }), one);
  assert.notEqual(fingerprintOf({ a: '12', b: '' }), one);
  assert.equal(printLabels({ b: '"x"', a: '1', c: '' }), '{a="1", b="\\"x\\""}');
});
