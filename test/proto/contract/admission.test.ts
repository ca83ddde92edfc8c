// Proves that what is held never passes the bound, except by a request that is alone, and that
// everything is given back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdmission } from '../../../proto/contract/admission.ts';
import { attemptOf, batchIdOf } from '../../../proto/contract/arrival.ts';
import { createSeededRandom } from '../../../runtime/random.ts';

test('admission: bytes and requests are bounded, and given back once', () => {
  const admission = createAdmission({ bytesMax: 100, requestsMax: 3 });
  const first = admission.enter()!;
  assert.equal(first.grow(60), true);
  const second = admission.enter()!;
  assert.equal(second.grow(41), false);
  assert.equal(second.grow(40), true);
  assert.equal(admission.bytes(), 100);
  assert.equal(admission.enter(), null, 'full');
  first.leave();
  first.leave();
  assert.deepEqual([admission.bytes(), admission.requests()], [40, 1]);
  assert.equal(first.grow(1), false, 'a ticket that was given back is worth nothing');
  assert.ok(admission.enter());
  assert.ok(admission.enter());
  assert.equal(admission.enter(), null, 'three requests');
});

test('admission: alone, a request may pass the bound', () => {
  const admission = createAdmission({ bytesMax: 100, requestsMax: 3 });
  const large = admission.enter()!;
  assert.equal(large.grow(90), true);
  assert.equal(large.grow(1000), true);
  assert.equal(admission.enter(), null);
  large.leave();
  assert.equal(admission.enter()!.grow(1000), true);
});

test('admission: whatever comes and goes, the sum is right', () => {
  const random = createSeededRandom(7);
  const admission = createAdmission({ bytesMax: 1000, requestsMax: 20 });
  const held = new Map<NonNullable<ReturnType<typeof admission.enter>>, number>();
  for (let step = 0; step < 5000; step++) {
    const [oldest] = held.keys();
    const chance = random.float();
    if (chance < 0.4) {
      const ticket = admission.enter();
      if (ticket !== null) held.set(ticket, 0);
    } else if (chance < 0.8 && oldest !== undefined) {
      const ticket = [...held.keys()][Math.floor(random.float() * held.size)]!;
      const bytes = Math.floor(random.float() * 200);
      if (ticket.grow(bytes)) held.set(ticket, held.get(ticket)! + bytes);
    } else if (oldest !== undefined) {
      oldest.leave();
      held.delete(oldest);
    }
    const amounts = [...held.values()];
    const sum = amounts.reduce((total, bytes) => total + bytes, 0);
    assert.deepEqual([admission.bytes(), admission.requests()], [sum, held.size]);
    // Over the bound only while one request holds everything.
    assert.ok(sum <= 1000 || amounts.filter((bytes) => bytes > 0).length === 1);
  }
});

test('arrival: names and attempts that are none are as if they were not there', () => {
  const id = (value: string | undefined) => batchIdOf(() => value);
  assert.equal(id('a/1/2'), 'a/1/2');
  for (const bad of [undefined, '', 'a b', 'ü', 'x'.repeat(201), 'a\n']) {
    assert.equal(id(bad), undefined);
  }
  const attempt = (value: string | undefined) => attemptOf(() => value);
  assert.deepEqual([attempt('0'), attempt('17')], [0, 17]);
  for (const bad of [undefined, '', '-1', '1.5', 'x', '99999999999']) assert.equal(attempt(bad), 0);
});
