// Proves what becomes of a notification that cannot be brought at once: on a clock that is moved by
// hand, with notifiers that answer by script and a journal in memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { createCourier, limits, type CourierReceiver } from '../../../backend/alerting/courier.ts';
import type { Notification, NotifierFactory } from '../../../backend/alerting/model.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createManualClock, settle } from '../../../runtime/manual_clock.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createLog } from '../../../runtime/log.ts';
import { notificationOf, notifierContext } from '../../contract/check_notifier.ts';
import { NEVER } from '../../contract/fakes.ts';

type Script = (notification: Notification, attempt: number, abort: AbortSignal)
  => Outcome | Promise<Outcome>;

const channel = (name: string, fallback = ''): CourierReceiver =>
  ({ name, fallback, channels: [{ type: 'fake', index: 0, config: name }] });

function setUp(script: Record<string, Script>, receivers: readonly CourierReceiver[],
  change: (journal: Journal) => Journal = (journal) => journal) {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const sent: { to: string; atMs: number; notification: Notification }[] = [];
  let lines = '';
  const fake: NotifierFactory<string> = {
    type: 'fake',
    schema: () => z.string(),
    create: (name) => ({
      sendResolved: true, target: name,
      send: async (notification, abort) => {
        const attempt = sent.filter(({ to }) => to === name).length;
        sent.push({ to: name, atMs: clock.monotonicMs(), notification });
        return script[name]!(notification, attempt, abort);
      },
    }),
  };
  const counters = createCounters();
  const journal = change(createMemoryJournal(clock));
  const log = createLog({ level: 'debug', format: 'json', write: (line) => {
    lines += line;
  } });
  const courier = createCourier({ receivers, factories: [fake], journal, counters,
    random: createSeededRandom(1), context: notifierContext({ clock, log }) });
  const deliver = (abort = NEVER, notification = notificationOf()) =>
    courier.deliver({ receiver: 'ops', type: 'fake', index: 0 }, notification, abort);
  return { clock, sent, counters, courier, deliver, journal, lines: () => lines };
}

test('courier: a retryable answer is tried again, later and later, until it is taken', async () => {
  const { clock, sent, deliver, courier, counters } = setUp(
    { ops: (_, attempt) => (attempt < 4 ? retryable('HTTP 503') : ACCEPTED) }, [channel('ops')]);
  const delivery = deliver();
  await clock.advance(60_000);
  assert.equal(await delivery, 'delivered');
  assert.equal(sent.length, 5);
  const waits = sent.slice(1).map(({ atMs }, index) => atMs - sent[index]!.atMs);
  waits.forEach((wait, index) => {
    const middle = 500 * 1.5 ** index;
    assert.ok(wait >= middle / 2 && wait <= middle * 1.5, `${wait} is not about ${middle}`);
  });
  const [shown] = courier.channels();
  assert.deepEqual([shown!.id, shown!.delivered, shown!.failedAttempts, shown!.last?.status],
    ['ops.fake.0', 1, 4, 'accepted']);
  assert.equal(counters.total('binnacle_notifications_total', { result: 'delivered' }), 1);
  assert.equal(clock.pending(), 0);
});

test('courier: it waits as long as the receiver asks for', async () => {
  const { clock, sent, deliver } = setUp(
    { ops: (_, attempt) => (attempt < 1 ? retryable('HTTP 429', 45_000) : ACCEPTED) },
    [channel('ops')]);
  const delivery = deliver();
  await clock.advance(44_999);
  assert.equal(sent.length, 1);
  await clock.advance(1);
  assert.equal(await delivery, 'delivered');
});

test('courier: who asks for more time than there is, is passed over at once', async () => {
  const { deliver, sent } = setUp(
    { ops: () => retryable('HTTP 429', limits.deliveryMs), other: () => ACCEPTED },
    [channel('ops', 'other'), channel('other')]);
  assert.equal(await deliver(), 'fallback');
  assert.equal(sent.length, 2);
  assert.equal(sent[1]!.notification.receiver, 'other');
  assert.match(sent[1]!.notification.digest, /fake of ops could not be reached/);
});

test('courier: what nobody takes is a dead letter, which can be sent again', async () => {
  let isUp = false;
  const { deliver, courier, sent, journal } = setUp(
    { ops: () => (isUp ? ACCEPTED : rejected('HTTP 404')), other: () => rejected('HTTP 400') },
    [channel('ops', 'other'), channel('other', 'ops')]);
  assert.equal(await deliver(), 'dead');
  assert.equal(await deliver(), 'dead');
  const [letter, more] = await courier.deadLetters(NEVER);
  assert.equal(more, undefined);
  assert.deepEqual(letter!.notification, notificationOf());
  assert.equal(letter!.reason, 'HTTP 404');
  assert.equal((await courier.resend(letter!.id, 'ann', NEVER))?.status, 'rejected');
  assert.equal((await courier.deadLetters(NEVER)).length, 1);
  isUp = true;
  assert.equal((await courier.resend(letter!.id, 'ann', NEVER))?.status, 'accepted');
  assert.deepEqual(await courier.deadLetters(NEVER), []);
  const count = sent.length;
  assert.equal(await deliver(), 'delivered');
  assert.equal(sent.length, count, 'what was accepted is not sent again');
  const history = await journal.history({ kinds: ['dead_letter'], fromMs: 0, toMs: 1e15,
    limit: 10 }, NEVER);
  assert.equal(history[0]!.actor, 'ann');
  assert.equal(await courier.resend('nonsense', 'ann', NEVER), null);
  assert.equal(await courier.discard('nonsense', 'ann', NEVER), false);
});

test('courier: of one notification there is one attempt at a time, also by way of fallbacks',
  async () => {
    let open = 0;
    const slow = async () => {
      open += 1;
      assert.equal(open, 1);
      await settle();
      open -= 1;
      return ACCEPTED;
    };
    const { courier, sent } = setUp({ ops: () => rejected('no'), other: slow }, [
      { ...channel('ops', 'other'), channels: [0, 1, 2].map((index) =>
        ({ type: 'fake', index, config: 'ops' })) }, channel('other')]);
    const results = await Promise.all([0, 1, 2, 0, 1].map((index) =>
      courier.deliver({ receiver: 'ops', type: 'fake', index }, notificationOf(), NEVER)));
    assert.deepEqual(results, Array(5).fill('fallback'));
    assert.equal(sent.filter(({ to }) => to === 'other').length, 1);
    assert.equal(sent.filter(({ to }) => to === 'ops').length, 3);
  });

test('courier: the end of the process leaves nothing behind and no dead letter', async () => {
  const { deliver, courier, clock } = setUp({ ops: (_, __, abort) => new Promise((resolve) =>
    abort.addEventListener('abort', () => resolve(retryable('given up')))) }, [channel('ops')]);
  const abort = new AbortController();
  const delivery = deliver(abort.signal);
  await settle();
  abort.abort();
  assert.equal(await delivery, 'aborted');
  assert.equal(await deliver(abort.signal), 'aborted');
  assert.deepEqual(await courier.deadLetters(NEVER), []);
  assert.equal(clock.pending(), 0);
});

test('courier: an attempt that does not end is given up, and tried again', async () => {
  const { deliver, sent, clock } = setUp({ ops: (_, attempt, abort) => attempt > 0 ? ACCEPTED
    : new Promise((resolve) => abort.addEventListener('abort', () =>
      resolve(retryable('given up')))) }, [channel('ops')]);
  const delivery = deliver();
  await clock.advance(limits.attemptMs + 1000);
  assert.equal(await delivery, 'delivered');
  assert.equal(sent.length, 2);
});

test('courier: a notifier that throws says nothing of its secrets', async () => {
  const { deliver, lines, courier } = setUp({ ops: () => {
    throw new Error('cannot use token hunter2hunter2');
  } }, [channel('ops')]);
  assert.equal(await deliver(), 'dead');
  assert.ok(!lines().includes('hunter2'));
  assert.ok(!JSON.stringify(await courier.deadLetters(NEVER)).includes('hunter2'));
  assert.ok(!JSON.stringify(courier.channels()).includes('hunter2'));
});

test('courier: a journal that cannot write makes nobody wait for ever', async () => {
  const { deliver, clock } = setUp({ ops: () => rejected('no') }, [channel('ops')],
    (journal) => ({ ...journal, write: async () => {
      throw new Error('the store is away');
    } }));
  const delivery = deliver();
  await clock.advance(60_000);
  assert.equal(await delivery, 'dead');
});

test('courier: a channel that the configuration has no more', async () => {
  const { courier, deliver, sent } = setUp({ ops: () => ACCEPTED }, [channel('ops')]);
  courier.replace([channel('ops')]);
  assert.equal((await courier.test({ receiver: 'ops', type: 'fake', index: 0 }, NEVER)).status,
    'accepted');
  assert.equal(sent[0]!.notification.reason, 'test');
  assert.equal(courier.channels()[0]!.delivered, 1);
  courier.replace([]);
  assert.equal(await deliver(), 'dead');
  assert.deepEqual(courier.channels(), []);
});
