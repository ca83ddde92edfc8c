// Proves thresholds, randomness and tracestates against values that OpenTelemetry's specification
// and the Collector document, and the hashes against published vectors of FNV-1a.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hash32, hash64, hashedRandomness, placeOf,
} from '../../../../agent/processors/sampling/hash.ts';
import {
  ALWAYS, formatThreshold, NEVER, parseRandomness, parseThreshold, passes, probabilityOf,
  randomnessAbove, thresholdOf, traceRandomness,
} from '../../../../agent/processors/sampling/threshold.ts';
import {
  formatTraceState, parseTraceState,
} from '../../../../agent/processors/sampling/trace_state.ts';

test('sampling: thresholds of probabilities', () => {
  const check = (probability: number, digits: number, want: string) =>
    assert.equal(formatThreshold(thresholdOf(probability, digits)), want, String(probability));
  check(1, 4, '0');
  check(0.5, 4, '8');
  check(0.25, 4, 'c');
  check(1 / 3, 4, 'aaab');
  check(0.1, 4, 'e666');
  check(0.01, 4, 'fd70a');
  check(0.001, 4, 'ffbe77');
  check(0.99, 4, '028f6');
  check(2 ** -56, 14, 'ffffffffffffff');
  check(0, 4, NEVER);
  for (const probability of [0.9, 0.37, 0.0123, 1e-6]) {
    const back = probabilityOf(thresholdOf(probability, 4));
    assert.ok(Math.abs(back / probability - 1) < 2e-4, String(probability));
  }
});

test('sampling: a threshold says its probability, a trace id its randomness', () => {
  assert.equal(probabilityOf(ALWAYS), 1);
  assert.equal(probabilityOf(NEVER), 0);
  assert.equal(probabilityOf(parseThreshold('c')!), 0.25);
  assert.equal(parseThreshold('xyz'), null);
  assert.equal(parseThreshold('0123456789abcde'), null);
  assert.equal(parseRandomness('9B8233F7E3A151'), '9b8233f7e3a151');
  assert.equal(parseRandomness('9b8233f7e3a15'), null);
  assert.equal(traceRandomness('fefefefefefefefefe80000000000000'), '80000000000000');
  assert.equal(traceRandomness('0'.repeat(32)), null);
  assert.equal(traceRandomness(''), null);
  assert.ok(passes('80000000000000', thresholdOf(0.5)));
  assert.ok(!passes('80000000000000', thresholdOf(0.49)));
  assert.ok(!passes('f'.repeat(14), NEVER));
});

test('sampling: randomness above a threshold is spread over what passes', () => {
  const threshold = thresholdOf(0.25);
  assert.equal(randomnessAbove(threshold, 0), 'c0000000000000');
  assert.equal(randomnessAbove(threshold, 0.5), 'e0000000000000');
  assert.ok(passes(randomnessAbove(threshold, 0.999999), threshold));
});

test('sampling: tracestates keep what is not theirs', () => {
  const check = (text: string, want: ReturnType<typeof parseTraceState>) =>
    assert.deepEqual(parseTraceState(text), want, text);
  check('', { threshold: null, randomness: null });
  check('a=b,ot=th:c;rv:9b8233f7e3a151,c=d',
    { threshold: 'c0000000000000', randomness: '9b8233f7e3a151' });
  check('a=ot=th:8', { threshold: null, randomness: null });
  check('a=1, ot=x:1;th:0', { threshold: ALWAYS, randomness: null });
  check('ot=th:nope', null);
  check('ot=rv:12', null);
  const put = (text: string, threshold: string | null, randomness: string | null) =>
    formatTraceState(text, { threshold, randomness });
  assert.equal(put('', thresholdOf(0.5), null), 'ot=th:8');
  assert.equal(put('a=b,ot=th:8;x:1,c=d', thresholdOf(0.25), null), 'ot=th:c;x:1,a=b,c=d');
  assert.equal(put('ot=th:8', null, null), '');
  assert.equal(put('a=b', ALWAYS, '9b8233f7e3a151'), 'ot=th:0;rv:9b8233f7e3a151,a=b');
});

test('sampling: hashes are those of the Collector', () => {
  // Of its own tests: no bytes and 16 zeros, with the seed 0.
  assert.equal(hash32(new Uint8Array(0), 0) & 0x3fff, 0x3515);
  assert.equal(hash32(new Uint8Array(16), 0) & 0x3fff, 0x2455);
  // Of the authors of FNV.
  const hex = (text: string) => {
    const { high, low } = hash64(Buffer.from(text));
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  };
  assert.equal(hex(''), 'cbf29ce484222325');
  assert.equal(hex('a'), 'af63dc4c8601ec8c');
  assert.equal(hex('foobar'), '85944171f73967e8');
  assert.ok(Math.abs(placeOf(hash64(Buffer.from('foobar'))) - 0x85944171 / 2 ** 32) < 1e-9);
  // The low 14 bits decide, the other way round: a bucket of 0 passes every threshold.
  assert.equal(hashedRandomness(0).slice(0, 3), 'fff');
  assert.equal(hashedRandomness(0x3fff).slice(0, 3), '000');
});
