// Whose query runs next: places, a queue with bounds, fairness between callers, and shares of
// memory that never add up to more than the pool. On a clock that stands still.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns, type NoTurn, type Turn } from '../../../backend/query/turns.ts';
import { createManualClock } from '../../contract/fakes.ts';

const NEVER = new AbortController().signal;
const GIB = 1024 ** 3;

function create(changes: Partial<ConstructorParameters<typeof Turns>[0]> = {}) {
  const clock = createManualClock();
  const turns = new Turns({ clock, runningMax: 2, waitingMax: 3, waitMs: 1000,
    memoryBytesMax: GIB, memoryPoolBytes: null, ...changes });
  return { clock, turns };
}

const got = (turn: Turn | NoTurn): Turn => {
  assert.ok(typeof turn === 'object', String(turn));
  return turn;
};

test('turns: so many run, so many wait, the next is turned away', async () => {
  const { turns } = create();
  const first = got(await turns.take('a', NEVER));
  await turns.take('a', NEVER);
  const waiting = [1, 2, 3].map(() => turns.take('a', NEVER));
  assert.equal(await turns.take('a', NEVER), 'full');
  assert.deepEqual([turns.running(), turns.waiting()], [2, 3]);
  first.end();
  first.end();
  got(await waiting[0]!);
  assert.deepEqual([turns.running(), turns.waiting()], [2, 2]);
});

test('turns: whoever waits too long, or has gone, leaves the queue', async () => {
  const { clock, turns } = create();
  const held = [got(await turns.take('a', NEVER)), got(await turns.take('a', NEVER))];
  const leaving = new AbortController();
  const gone = turns.take('b', leaving.signal);
  const late = turns.take('c', NEVER);
  leaving.abort();
  assert.equal(await gone, 'gone');
  await clock.advance(1000);
  assert.equal(await late, 'late');
  for (const turn of held) turn.end();
  assert.deepEqual([turns.running(), turns.waiting(), clock.pending()], [0, 0, 0]);
});

test('turns: a caller with many queries waits behind himself', async () => {
  const { turns } = create();
  const running = [got(await turns.take('many', NEVER)), got(await turns.take('many', NEVER))];
  const order: string[] = [];
  const wait = (caller: string) => turns.take(caller, NEVER).then((turn) => {
    order.push(caller);
    got(turn);
  });
  void wait('many');
  void wait('many');
  void wait('one');
  running[0]!.end();
  await new Promise((resolve) => setImmediate(resolve));
  running[1]!.end();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['one', 'many']);
});

test('turns: shares of memory stay within the pool, and nobody gets nothing', async () => {
  for (const runningMax of [1, 2, 4, 7]) {
    const { turns } = create({ runningMax, memoryPoolBytes: GIB });
    const taken: Turn[] = [];
    for (let step = 0; step < 400; step++) {
      const takes = taken.length < runningMax && step % 3 !== 0;
      if (takes) taken.push(got(await turns.take('a', NEVER)));
      else taken.splice((step * 7) % Math.max(1, taken.length), 1)[0]?.end();
      const sum = taken.reduce((bytes, { memoryBytes }) => bytes + memoryBytes, 0);
      assert.ok(sum <= GIB, `${sum} of ${runningMax}`);
      for (const { memoryBytes } of taken) {
        assert.ok(memoryBytes >= Math.floor(GIB / (2 * runningMax)), `${memoryBytes}`);
      }
    }
  }
  const { turns } = create({ runningMax: 4, memoryPoolBytes: GIB });
  const shares = [];
  for (let query = 0; query < 4; query++) {
    shares.push(got(await turns.take('a', NEVER)).memoryBytes);
  }
  assert.deepEqual(shares.map((bytes) => GIB / bytes), [2, 4, 8, 8]);
});

test('turns: a caller with a share of his own leaves the rest to others', async () => {
  const { turns } = create({ runningMax: 3, waitingMax: 5 });
  const share = { runningMax: 1, waitingMax: 1 };
  const first = got(await turns.take('a', NEVER, share));
  const second = turns.take('a', NEVER, share);
  assert.equal(await turns.take('a', NEVER, share), 'full');
  const other = got(await turns.take('b', NEVER));
  other.end();
  assert.equal(turns.waiting(), 1);
  first.end();
  got(await second).end();
  assert.equal(turns.running(), 0);
});
