// The contract's own code: a batch keeps bytes and request in step and makes each only when asked,
// the worst verdict wins, admission never holds more than its bound, and a header names a batch
// only when it can be a name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdmission } from '../../../proto/contract/admission.ts';
import { attemptOf, batchIdOf } from '../../../proto/contract/arrival.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, rejected, retryable, worstOutcome, type Outcome }
  from '../../../proto/contract/outcome.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { makeBatch } from '../../contract/fakes.ts';

test('batch: bytes and request hold the same, and each is made once', () => {
  const first = makeBatch('traces', 3);
  assert.equal(first.itemCount, 3);
  assert.equal(first.request, first.request);
  const second = Batch.fromRequest('traces', first.request);
  assert.equal(second.itemCount, 3);
  assert.equal(second.bytes, second.bytes);
  assert.deepEqual(second.bytes, first.bytes);
});

test('batch: garbage is refused when the batch is made', () => {
  assert.throws(() => Batch.fromBytes('logs', Buffer.from([0xff, 0xff, 0xff])), DecodeError);
});

test('batch: it knows its signal and its id', () => {
  const batch: Batch = Batch.fromBytes('metrics', new Uint8Array(0), 'a/1/2');
  assert.equal(batch.is('metrics'), true);
  assert.equal(batch.is('logs'), false);
  assert.equal(batch.id, 'a/1/2');
  assert.equal(batch.itemCount, 0);
});

test('outcome: retryable wins over rejected, rejected over accepted, the longest wait', () => {
  const check = (outcomes: Outcome[], wanted: Outcome) =>
    assert.deepEqual(worstOutcome(outcomes), wanted);
  const partial: Outcome = { status: 'accepted', rejected: 2, reason: 'two' };
  check([], ACCEPTED);
  check([ACCEPTED, ACCEPTED], ACCEPTED);
  check([ACCEPTED, partial], partial);
  check([partial, rejected('no')], rejected('no'));
  check([rejected('no'), retryable('later')], retryable('later'));
  check([retryable('a', 10), retryable('b', 30)], retryable('a', 30));
});

test('admission: the bound holds, and what leaves makes room', () => {
  const admission = createAdmission({ bytesMax: 100, requestsMax: 2 });
  const first = admission.enter()!;
  const second = admission.enter()!;
  assert.equal(admission.enter(), null, 'two requests are the limit');
  assert.equal(first.grow(60), true);
  assert.equal(second.grow(50), false, 'no room, nothing taken');
  assert.equal(admission.bytes(), 60);
  first.leave();
  first.leave();
  assert.equal(admission.bytes(), 0);
  assert.equal(second.grow(500), true, 'a request that is alone is let through');
  second.leave();
  assert.equal(admission.requests(), 0);
});

test('arrival: a batch is named by printable text of a sane length', () => {
  const header = (name: string, value: string | undefined) => (asked: string) =>
    asked === name ? value : undefined;
  const id = (value: string | undefined) => batchIdOf(header('x-binnacle-batch', value));
  assert.equal(id('agent/1/2'), 'agent/1/2');
  assert.equal(id(undefined), undefined);
  assert.equal(id('has space'), undefined);
  assert.equal(id('x'.repeat(201)), undefined);
  const attempt = (value: string | undefined) => attemptOf(header('x-binnacle-attempt', value));
  assert.equal(attempt('3'), 3);
  assert.equal(attempt('-1'), 0);
  assert.equal(attempt(undefined), 0);
});
