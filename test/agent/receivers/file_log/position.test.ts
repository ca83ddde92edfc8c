// Proves that a position moves only over what got its verdict, in the order of the file, and that
// content is recognised by its first bytes, as many of them as were known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BEGINNING, fits, Position } from '../../../../agent/receivers/file_log/position.ts';

const at = (offset: number) => ({ ...BEGINNING, offset });

test('position: a verdict that comes early waits for those before it', () => {
  const position = new Position();
  const first = position.advance(at(10));
  const second = position.advance(at(20));
  const third = position.advance(at(30));
  assert.equal(position.open, 3);
  position.settle(second);
  assert.equal(position.accepted.offset, 0);
  position.settle(first);
  assert.equal(position.accepted.offset, 20);
  assert.equal(position.read.offset, 30);
  position.settle(third);
  assert.equal(position.accepted.offset, 30);
  assert.equal(position.open, 0);
});

test('position: who waits for a verdict is woken', async () => {
  const position = new Position();
  const ticket = position.advance(at(1));
  const woken = position.nextVerdict();
  position.settle(ticket);
  await woken;
  const released = position.nextVerdict();
  position.release();
  await released;
});

test('position: a fingerprint grows with the content and fits what begins alike', () => {
  const position = new Position();
  assert.ok(fits(position.fingerprint, Buffer.from('anything')));
  position.learn(Buffer.from('abc'));
  assert.ok(fits(position.fingerprint, Buffer.from('abcdef')));
  assert.ok(!fits(position.fingerprint, Buffer.from('ab')));
  assert.ok(!fits(position.fingerprint, Buffer.from('abx')));
  position.learn(Buffer.from('abcdef'));
  assert.ok(!fits(position.fingerprint, Buffer.from('abcxyz')));
});
