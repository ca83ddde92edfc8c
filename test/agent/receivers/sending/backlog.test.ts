// Proves the order of a backlog: batches go one after the other, `done` is told of what has its
// verdict and of nothing else, what operators hold back is given again, and what is full says so
// until there is room. And how far queues have come in what was sent so (resume.ts).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EntryBatches } from '../../../../agent/operators/batches.ts';
import { createBacklog, limits } from '../../../../agent/receivers/sending/backlog.ts';
import type { Delivery } from '../../../../agent/receivers/sending/delivery.ts';
import { furthest } from '../../../../agent/receivers/sending/resume.ts';
import type { Batch, Origin } from '../../../../proto/contract/batch.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import { createManualClock } from '../../../contract/fakes.ts';

interface Holding {
  /** Items that end with it are held back with all behind them. */
  readonly hold?: string;
  readonly holdMs?: number;
}

/** Each batch stands for the items of one call; its verdict is given by the test. */
function create({ hold, holdMs }: Holding = {}, bytesMax = 100) {
  const clock = createManualClock();
  const stopping = new AbortController();
  const sent: string[][] = [];
  const done: string[][] = [];
  const verdicts: ((final: boolean) => void)[] = [];
  let items: string[] = [];
  const batches: EntryBatches = {
    holdMs: holdMs ?? null,
    build: ({ count, entry, isDue }) => {
      items = [];
      let taken = 0;
      for (; taken < count; taken++) {
        entry(taken);
        if (hold !== undefined && items.at(-1)!.endsWith(hold) && !isDue(taken)) break;
      }
      items = items.slice(0, taken);
      return { batch: items.length === 0 ? null : {} as Batch<'logs'>, taken, held: [] };
    },
  };
  const delivery: Delivery = {
    admit: async () => !stopping.signal.aborted,
    deliver: async (batch) => {
      if (batch === null) return true;
      sent.push(items);
      return new Promise((resolve) => verdicts.push(resolve));
    },
    idle: async () => {},
  };
  const backlog = createBacklog<string>({
    batches, delivery, clock, bytesMax,
    stopping: stopping.signal,
    entryOf: (item) => {
      items.push(item);
      return null;
    },
    mark: (batch) => batch,
    done: (all) => done.push([...all]),
  });
  const verdict = async (final = true) => {
    verdicts.shift()!(final);
    await settle();
  };
  return { backlog, clock, stopping, sent, done, verdict };
}

test('backlog: one batch after the other, and what comes meanwhile together', async () => {
  const { backlog, sent, done, verdict } = create();
  backlog.add('a', 1);
  backlog.add('b', 1);
  await settle();
  backlog.add('c', 1);
  backlog.add('d', 1);
  await settle();
  assert.deepEqual(sent, [['a', 'b']]);
  assert.deepEqual(done, []);
  await verdict();
  assert.deepEqual(done, [['a', 'b']]);
  assert.deepEqual(sent.at(-1), ['c', 'd']);
  assert.equal(backlog.last(), 'd');
  await verdict();
  await backlog.idle();
  assert.deepEqual(done, [['a', 'b'], ['c', 'd']]);
  assert.equal(backlog.last(), undefined);
});

test('backlog: what has no verdict at the stop is not done, and nothing more is sent', async () => {
  const { backlog, sent, done, stopping, verdict } = create();
  backlog.add('a', 1);
  await settle();
  backlog.add('b', 1);
  stopping.abort();
  await verdict(false);
  await backlog.idle();
  assert.deepEqual(sent, [['a']]);
  assert.deepEqual(done, []);
});

test('backlog: full until what was sent has its verdict', async () => {
  const { backlog, verdict, stopping } = create({}, 10);
  backlog.add('a', 9);
  assert.equal(backlog.full(), false);
  backlog.add('b', 1);
  assert.equal(backlog.full(), true);
  let room: boolean | undefined;
  void backlog.room().then((has) => {
    room = has;
  });
  await settle();
  assert.equal(room, undefined);
  await verdict();
  assert.equal(room, true);
  backlog.add('c', 20);
  const over = backlog.room();
  stopping.abort();
  assert.equal(await over, false);
});

test('backlog: what is held back is given again, and sent when it waited long enough', async () => {
  const { backlog, clock, sent, done, verdict } = create({ hold: '…', holdMs: 500 });
  backlog.add('a', 1);
  backlog.add('b…', 1);
  await settle();
  await verdict();
  assert.deepEqual(done, [['a']]);
  await clock.advance(499);
  assert.deepEqual(sent, [['a']]);
  await clock.advance(1);
  assert.deepEqual(sent, [['a'], ['b…']]);
  await verdict();
  assert.deepEqual(done, [['a'], ['b…']]);
  assert.equal(clock.pending(), 0);
});

test('backlog: nothing is held back when it is full', async () => {
  const { backlog, sent } = create({ hold: '…', holdMs: 500 }, 2);
  backlog.add('a…', 1);
  backlog.add('b…', 1);
  await settle();
  assert.deepEqual(sent, [['a…', 'b…']]);
});

test('backlog: batches are bounded by items and by bytes', async () => {
  const { backlog, sent, verdict } = create({}, Infinity);
  for (let index = 0; index <= limits.batchItemsMax; index++) backlog.add(String(index), 1);
  backlog.add('large', limits.batchBytesMax * 2);
  backlog.add('after', 1);
  await settle();
  for (let turn = 0; turn < 4; turn++) await verdict().catch(() => {});
  assert.deepEqual(sent.map((items) => items.length), [limits.batchItemsMax, 1, 1, 1]);
});

test('resume: as far as all queues have come, and no further', () => {
  const at = (to: number, more: Partial<Origin> = {}): Origin =>
    ({ receiver: 'r', run: 'a', content: 0, from: 0, to, state: `s${to}`, ...more });
  const check = (queues: Origin[][], want: number | null, from = 0) => assert.deepEqual(
    furthest(queues, { run: 'a', content: 0, from }),
    want === null ? null : { to: want, state: `s${want}` });
  check([], null);
  check([[]], null);
  check([[at(3)]], 3);
  check([[at(3), at(7), at(5)]], 7);
  check([[at(3), at(7)], [at(3)]], 3);
  check([[at(3)], []], null);
  check([[at(3)]], null, 3);
  check([[at(9, { run: 'b' }), at(8, { content: 1 })]], null);
});
