// Proves when a batch is tried again, when it is given up, how it is cut when it is too large, and
// what is bounded and counted meanwhile. The sender is a script, time is moved by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createDelivery, type DeliveryOptions,
} from '../../../../agent/exporters/sending/delivery.ts';
import type { Sender, SendOutcome } from '../../../../proto/contract/arrival.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../../proto/contract/outcome.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import {
  createManualClock, createRecordingLog, itemKeys, makeBatch, NEVER, NOW,
} from '../../../contract/fakes.ts';

interface Attempt {
  readonly batch: Batch;
  readonly attempt: number;
  readonly atMs: number;
}

type Script = (attempt: Attempt, call: number, abort: AbortSignal) =>
  SendOutcome | Promise<SendOutcome>;

const RETRY = {
  initialIntervalMs: 1000, maxIntervalMs: 8000, multiplier: 2, randomizationFactor: 0,
  maxElapsedMs: 0,
};

/** A delivery whose n-th attempt is answered by `script`; time begins at 0. */
function setUp(script: Script, options: Partial<DeliveryOptions> = {}) {
  const clock = createManualClock();
  const startMs = clock.monotonicMs();
  const attempts: Attempt[] = [];
  const sender: Sender = {
    send: async (batch, attempt, abort) => {
      const made = { batch, attempt, atMs: clock.monotonicMs() - startMs };
      return script(made, attempts.push(made) - 1, abort);
    },
    close: async () => {},
  };
  const counters = createCounters();
  const log = createRecordingLog();
  const delivery = createDelivery(sender, {
    retry: RETRY, concurrency: 10, id: 'otlp', world: { ...createWorld(), clock }, log, counters,
    ...options,
  });
  const total = (name: string) => counters.total(`binnacle_exporter_${name}_total`);
  return { delivery, attempts, clock, log, total };
}

/** The script that answers with these one after the other. */
const inTurn = (...outcomes: SendOutcome[]): Script => (_attempt, call) =>
  outcomes[Math.min(call, outcomes.length - 1)]!;

/** A promise whose result can be looked at. */
function watched(promise: Promise<Outcome>): () => Outcome | undefined {
  let result: Outcome | undefined;
  void promise.then((outcome) => {
    result = outcome;
  });
  return () => result;
}

const batch = makeBatch('logs', 4);
const times = (attempts: readonly Attempt[]) => attempts.map(({ atMs }) => atMs);

test('G7, G8: retryable is tried again after waits that grow to a limit, for ever', async () => {
  const { delivery, attempts, clock, total } = setUp(() => retryable('down'));
  const outcome = watched(delivery.consume(batch, NEVER));
  await clock.advance(40_000);
  assert.deepEqual(times(attempts), [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000]);
  assert.deepEqual(attempts.map(({ attempt }) => attempt), [0, 1, 2, 3, 4, 5, 6, 7]);
  await clock.advance(24 * 3_600_000);
  assert.equal(outcome(), undefined);
  assert.ok(attempts.length > 10_000);
  assert.equal(total('retries'), attempts.length - 1);
  await delivery.stop(NOW);
});

test('G8: never before the time that the peer asked for', async () => {
  const { delivery, attempts, clock } = setUp(inTurn(
    retryable('full', 20_000), retryable('full', 10), retryable('full'), ACCEPTED));
  const outcome = watched(delivery.consume(batch, NEVER));
  await clock.advance(60_000);
  assert.deepEqual(times(attempts), [0, 20_000, 22_000, 26_000]);
  assert.deepEqual(outcome(), ACCEPTED);
});

test('H9: waits are spread', async () => {
  let chance = 0;
  const world = createWorld();
  const clock = createManualClock();
  const random = { ...world.random, float: () => chance };
  const waits: number[] = [];
  for (chance of [0, 0.5, 0.999999]) {
    const retry = { ...RETRY, randomizationFactor: 0.5 };
    const { delivery } = setUp(inTurn(retryable('down'), ACCEPTED),
      { retry, world: { ...world, clock, random } });
    const startMs = clock.monotonicMs();
    const outcome = watched(delivery.consume(batch, NEVER));
    while (outcome() === undefined) await clock.advance(1);
    waits.push(clock.monotonicMs() - startMs);
  }
  assert.deepEqual(waits, [500, 1000, 1500]);
});

test('G4, G15: partial success is final, counted and said', async () => {
  const { delivery, attempts, log, total } = setUp(inTurn(
    { status: 'accepted', rejected: 3, reason: 'too old' }));
  const outcome = await delivery.consume(batch, NEVER);
  assert.deepEqual(outcome, { status: 'accepted', rejected: 3, reason: 'too old' });
  assert.equal(attempts.length, 1);
  assert.equal(total('refused_items'), 3);
  assert.deepEqual(log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ['error', 'the peer refused logs: too old', { items: 3 }],
  ]);
});

test('G15: what is rejected is counted and said', async () => {
  const { delivery, attempts, log, total } = setUp(inTurn(rejected('INVALID_ARGUMENT: no')));
  assert.deepEqual(await delivery.consume(batch, NEVER), rejected('INVALID_ARGUMENT: no'));
  assert.equal(attempts.length, 1);
  assert.equal(total('refused_items'), 4);
  assert.equal(log.lines[0]?.message, 'the peer refused logs: INVALID_ARGUMENT: no');
});

test('delivery: a failure that lasts is said now and then', async () => {
  const reason = 'cannot reach localhost:14317: connection refused';
  const { delivery, attempts, log, clock } = setUp(() => retryable(reason));
  const calls = Array.from({ length: 5 }, () => delivery.consume(batch, NEVER));
  await clock.advance(60_000);
  assert.ok(attempts.length > 40);
  assert.ok(log.lines.length >= 2 && log.lines.length <= 7, String(log.lines.length));
  assert.ok(log.lines.every(({ message }) => message === `${reason}; retrying`));
  await delivery.stop(NOW);
  await Promise.all(calls);
});

test('delivery: without retries the caller decides', async () => {
  const { delivery, attempts } = setUp(() => retryable('down', 700), { retry: null });
  assert.deepEqual(await delivery.consume(batch, NEVER), retryable('down', 700));
  assert.equal(attempts.length, 1);
});

test('delivery: after max_elapsed_time data is refused, counted and said', async () => {
  const retry = { ...RETRY, maxElapsedMs: 10_000 };
  const { delivery, attempts, clock, log, total } = setUp(() => retryable('down'), { retry });
  const outcome = watched(delivery.consume(batch, NEVER));
  await clock.advance(20_000);
  assert.deepEqual(outcome(), rejected('given up after 7 s: down'));
  assert.deepEqual(times(attempts), [0, 1000, 3000, 7000]);
  assert.equal(total('refused_items'), 4);
  assert.equal(log.lines.at(-1)?.level, 'error');
});

test('delivery: abort ends a wait and reaches an attempt', async () => {
  const waiting = setUp(() => retryable('down'));
  const abort = new AbortController();
  const outcome = watched(waiting.delivery.consume(batch, abort.signal));
  await settle();
  abort.abort();
  await settle();
  assert.equal(outcome()?.status, 'retryable');
  assert.equal(waiting.clock.pending(), 0);
  assert.equal(waiting.attempts.length, 1);

  const sending = setUp((_attempt, _call, signal) => new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve(retryable('aborted')))));
  const again = new AbortController();
  const open = watched(sending.delivery.consume(batch, again.signal));
  await settle();
  again.abort();
  await settle();
  assert.deepEqual(open(), retryable('aborted'));
});

test('delivery: a batch that comes again is not a new one', async () => {
  // Without its attempt the peer would not look whether it has the batch already.
  const { delivery, attempts } = setUp(() => retryable('down'), { retry: null });
  await delivery.consume(batch, NEVER);
  await delivery.consume(makeBatch('logs', 1), NEVER);
  await delivery.consume(batch, NEVER);
  assert.deepEqual(attempts.map(({ attempt }) => attempt), [0, 0, 1]);
});

test('delivery: no more than num_consumers at a time, in the order of the calls', async () => {
  const release: (() => void)[] = [];
  const { delivery, attempts } = setUp(() => new Promise((resolve) =>
    release.push(() => resolve(ACCEPTED))), { concurrency: 2 });
  const batches = Array.from({ length: 5 }, (_, index) => makeBatch('logs', 1, { first: index }));
  const calls = batches.map((one) => delivery.consume(one, NEVER));
  const abort = new AbortController();
  const leaving = delivery.consume(batch, abort.signal);
  await settle();
  assert.equal(attempts.length, 2);
  abort.abort();
  assert.equal((await leaving).status, 'retryable');
  for (let done = 0; done < 5; done++) {
    release[done]!();
    await settle();
    assert.equal(attempts.length, Math.min(5, done + 3));
  }
  assert.deepEqual(await Promise.all(calls), calls.map(() => ACCEPTED));
  assert.deepEqual(attempts.map((made) => made.batch), batches);
});

test('delivery: who waits in a line that is too long is told so', async () => {
  const { delivery } = setUp(() => new Promise(() => {}), { concurrency: 1 });
  const abort = new AbortController();
  const calls = Array.from({ length: 1001 }, () => delivery.consume(batch, abort.signal));
  const outcome = await delivery.consume(batch, NEVER);
  assert.deepEqual(outcome, retryable('too much is waiting to be sent'));
  abort.abort();
  await Promise.all(calls.slice(1));
});

const tooLarge: SendOutcome = { status: 'rejected', reason: 'too large', tooLarge: true };
/** A peer that takes at most so many items, and none with this key. */
const picky = (itemsMax: number, hated = ''): Script => ({ batch: sent }) => {
  if (sent.itemCount > itemsMax || itemKeys(sent).includes(hated)) return tooLarge;
  return ACCEPTED;
};

test('G9, G10: what is too large goes in halves, each record once, in order', async () => {
  for (const signal of ['traces', 'metrics', 'logs'] as const) {
    const whole = makeBatch(signal, 21);
    const { delivery, attempts, total } = setUp(picky(5));
    const outcome = await delivery.consume(Batch.fromBytes(signal, whole.bytes, 'a/1/7'), NEVER);
    assert.deepEqual(outcome, ACCEPTED);
    const sent = attempts.filter((made) => made.batch.itemCount <= 5).map((made) => made.batch);
    assert.deepEqual(sent.flatMap(itemKeys), itemKeys(whole));
    assert.equal(new Set(attempts.map((made) => made.batch.id)).size, attempts.length);
    assert.ok(attempts.every((made) => made.batch.id!.startsWith('a/1/7')));
    assert.equal(total('refused_items'), 0);
  }
});

test('delivery: parts of a batch that comes again are no new ones', async () => {
  const { delivery, attempts } = setUp(({ batch: sent }, call) => {
    if (sent.itemCount > 2) return tooLarge;
    return call === 2 ? retryable('down') : ACCEPTED;
  }, { retry: null });
  const whole = Batch.fromBytes('logs', batch.bytes, 'a/1/7');
  assert.equal((await delivery.consume(whole, NEVER)).status, 'retryable');
  assert.deepEqual(await delivery.consume(whole, NEVER), ACCEPTED);
  assert.deepEqual(attempts.map((made) => [made.batch.id, made.attempt]), [
    ['a/1/7', 0], ['a/1/7.0', 0], ['a/1/7.1', 0],
    ['a/1/7', 1], ['a/1/7.0', 1], ['a/1/7.1', 1],
  ]);
});

test('G9, G15: a record that alone is too large is refused alone', async () => {
  const { delivery, log, total } = setUp(picky(100, 'item-6'));
  const outcome = await delivery.consume(makeBatch('logs', 10), NEVER);
  assert.deepEqual(outcome, { status: 'accepted', rejected: 1, reason: 'too large' });
  assert.equal(total('refused_items'), 1);
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
  const nothing = setUp(picky(0));
  assert.deepEqual(await nothing.delivery.consume(makeBatch('logs', 10), NEVER),
    rejected('too large'));
  assert.equal(nothing.total('refused_items'), 10);
});

test('delivery: bytes that are broken inside are not cut', async () => {
  const broken = Batch.fromBytes('logs', Uint8Array.of(0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xff));
  const { delivery, attempts } = setUp(picky(0));
  assert.equal((await delivery.consume(broken, NEVER)).status, 'rejected');
  assert.equal(attempts.length, 1);
});

test('delivery: stop lets what waits try once more, and gives the rest back', async () => {
  const { delivery, attempts, clock } = setUp((_attempt, call) =>
    (call < 3 ? retryable('down') : ACCEPTED));
  const calls = [0, 1, 2].map((index) =>
    delivery.consume(makeBatch('logs', 1, { first: index }), NEVER));
  await settle();
  assert.equal(attempts.length, 3);
  await delivery.stop(NEVER);
  assert.deepEqual(await Promise.all(calls), [ACCEPTED, ACCEPTED, ACCEPTED]);
  assert.equal(clock.pending(), 0);
  assert.equal((await delivery.consume(batch, NEVER)).status, 'retryable');
});

test('delivery: stop does not wait for a peer that stays away', async () => {
  const { delivery, attempts } = setUp((_attempt, call) => {
    assert.ok(call < 10, 'tried again and again');
    return retryable('down');
  });
  const call = delivery.consume(batch, NEVER);
  await settle();
  await delivery.stop(NEVER);
  assert.deepEqual(await call, retryable('down'));
  assert.equal(attempts.length, 2);
});

test('delivery: stop ends attempts at its deadline', async () => {
  const { delivery } = setUp((_attempt, _call, abort) => new Promise((resolve) => {
    if (abort.aborted) resolve(retryable('aborted'));
    abort.addEventListener('abort', () => resolve(retryable('aborted')));
  }), { concurrency: 1 });
  const calls = [delivery.consume(batch, NEVER), delivery.consume(batch, NEVER)];
  const deadline = new AbortController();
  const stopped = delivery.stop(deadline.signal);
  await settle();
  deadline.abort();
  await stopped;
  for (const outcome of await Promise.all(calls)) assert.equal(outcome.status, 'retryable');
});

test('G16: a destination that is down does not hold up another', async () => {
  const down = setUp(() => retryable('down'));
  const up = setUp(() => ACCEPTED);
  const lost = watched(down.delivery.consume(batch, NEVER));
  assert.deepEqual(await up.delivery.consume(batch, NEVER), ACCEPTED);
  await down.clock.advance(60_000);
  assert.equal(lost(), undefined);
  assert.deepEqual(await up.delivery.consume(batch, NEVER), ACCEPTED);
  await down.delivery.stop(NOW);
});
