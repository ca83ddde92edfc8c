// Proves relabelling: what each action does to labels, that expressions fit whole texts, that
// replacements are expanded as Go does it, and what is refused when the configuration is read.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  compileRelabelling, limits, relabelRules,
} from '../../../../agent/receivers/prometheus/relabel.ts';

type Labels = Record<string, string>;

const rulesOf = (...rules: unknown[]) => relabelRules('').parse(rules);

function relabelled(labels: Labels, ...rules: unknown[]): Labels | null {
  const map = new Map(Object.entries(labels));
  return compileRelabelling(rulesOf(...rules))(map) ? Object.fromEntries(map) : null;
}

const check = (labels: Labels, rule: unknown, want: Labels | null) =>
  assert.deepEqual(relabelled(labels, rule), want, JSON.stringify(rule));

test('relabel: replace joins, fits whole texts and expands groups', () => {
  check({ a: '1', b: '2' }, { source_labels: ['a', 'b'], target_label: 'c' },
    { a: '1', b: '2', c: '1;2' });
  check({ a: 'xy' }, { source_labels: ['a'], regex: 'x', target_label: 'c' }, { a: 'xy' });
  check({ a: 'x:1' }, { source_labels: ['a'], regex: '(.+):(\\d+)', target_label: 'c',
    replacement: '${2}_$1!$$1' }, { a: 'x:1', c: '1_x!$1' });
  check({ a: 'x' }, { source_labels: ['a'], regex: '(?P<n>.)', target_label: 'c_$n',
    replacement: '$n-$n_x-${n}_x' }, { a: 'x', c_x: 'x--x_x' });
  check({ a: 'x', c: 'y' }, { source_labels: ['none'], target_label: 'c' }, { a: 'x' });
  check({ c: 'y' }, { target_label: 'c', replacement: 'z' }, { c: 'z' });
  check({ a: 'A\nB' }, { source_labels: ['a'], regex: 'A.B', target_label: 'c', replacement: 'z' },
    { a: 'A\nB', c: 'z' });
  check({ a: 'X' }, { source_labels: ['a'], regex: '(?i)x', target_label: 'c', replacement: 'z' },
    { a: 'X', c: 'z' });
  check({ a: 'x' }, { source_labels: ['a'], regex: 'y|x', target_label: 'c', replacement: 'z' },
    { a: 'x', c: 'z' });
});

test('relabel: keep, drop, keepequal, dropequal', () => {
  check({ a: 'x' }, { source_labels: ['a'], regex: 'x|y', action: 'keep' }, { a: 'x' });
  check({ a: 'xx' }, { source_labels: ['a'], regex: 'x|y', action: 'keep' }, null);
  check({ a: 'x' }, { source_labels: ['a'], regex: 'x', action: 'DROP' }, null);
  check({}, { source_labels: ['a'], regex: '', action: 'drop' }, null);
  check({ a: '1', b: '1' }, { source_labels: ['a'], target_label: 'b', action: 'keepequal' },
    { a: '1', b: '1' });
  check({ a: '1', b: '2' }, { source_labels: ['a'], target_label: 'b', action: 'keepequal' }, null);
  check({ a: '1', b: '1' }, { source_labels: ['a'], target_label: 'b', action: 'dropequal' }, null);
});

test('relabel: labelmap, labeldrop, labelkeep, lowercase, uppercase', () => {
  check({ __meta_x: '1', y: '2' }, { regex: '__meta_(.+)', action: 'labelmap' },
    { __meta_x: '1', y: '2', x: '1' });
  check({ ax: '1', b: '2' }, { regex: 'a.*', action: 'labeldrop' }, { b: '2' });
  check({ ax: '1', b: '2' }, { regex: 'a.*', action: 'labelkeep' }, { ax: '1' });
  check({ a: 'Ab' }, { source_labels: ['a'], target_label: 'b', action: 'lowercase' },
    { a: 'Ab', b: 'ab' });
  check({ a: 'Ab' }, { source_labels: ['a'], target_label: 'a', action: 'uppercase' }, { a: 'AB' });
});

test('relabel: hashmod divides as Prometheus does', () => {
  const bytes = createHash('md5').update('host:1').digest();
  let want = 0n;
  for (const byte of bytes.subarray(8)) want = (want << 8n) + BigInt(byte);
  check({ a: 'host:1' }, { source_labels: ['a'], modulus: 7, target_label: 's', action: 'hashmod' },
    { a: 'host:1', s: String(want % 7n) });
});

test('relabel: rules run in order and stop at a drop', () => {
  assert.deepEqual(relabelled({ a: '1' }, { source_labels: ['a'], target_label: 'b' },
    { source_labels: ['b'], regex: '1', action: 'keep' }, { regex: 'a', action: 'labeldrop' }),
  { b: '1' });
  assert.equal(relabelled({ a: '1' }, { source_labels: ['a'], regex: '2', action: 'keep' },
    { target_label: 'b', replacement: 'never' }), null);
});

test('relabel: a text that is too long fits nothing', () => {
  const long = 'x'.repeat(limits.textCharsMax + 1);
  check({ a: long }, { source_labels: ['a'], regex: '.*', action: 'keep' }, null);
  check({ a: long }, { source_labels: ['a'], target_label: 'b' }, { a: long });
});

test('relabel: what cannot be is refused when it is read', () => {
  for (const [rule, why] of [
    [{ action: 'replace' }, /replace needs target_label/],
    [{ action: 'hashmod', target_label: 'a' }, /hashmod needs modulus/],
    [{ action: 'keepequal' }, /keepequal needs target_label/],
    [{ action: 'replase', target_label: 'a' }, /Invalid option/],
    [{ regex: '(', target_label: 'a' }, /not a regular expression/],
    [{ regx: 'a', target_label: 'a' }, /Unrecognized key/],
  ] as const) assert.throws(() => rulesOf(rule), why, JSON.stringify(rule));
});
