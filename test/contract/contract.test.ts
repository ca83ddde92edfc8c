// The contract suites themselves: components that break the law in one way each must fail the
// scenario that is about it, and honest ones must pass.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, Consumer, Processor } from '../../proto/contract/component.ts';
import {
  ACCEPTED, rejected, retryable, type Outcome,
} from '../../proto/contract/outcome.ts';
import { checkConsumer, checkConsumerScenario } from './check_consumer.ts';
import { checkReceiver, checkReceiverScenario, type CheckedReceiver } from './check_receiver.ts';
import { batchOfKeys, NEVER, type Answer } from './fakes.ts';

type Consume = (next: Consumer, batch: Batch, abort: AbortSignal) => Promise<Outcome>;

/** A processor that does only this. */
const processor = (consume: Consume) => ({
  name: 'a processor',
  create: (next: Consumer) => ({
    consumer: {
      start: async () => {},
      stop: async () => {},
      consume: (batch: Batch, abort: AbortSignal) => consume(next, batch, abort),
    } satisfies Processor,
  }),
});

checkConsumer({
  ...processor(async (next, batch, abort) =>
    (abort.aborted ? retryable('aborted') : next.consume(batch, abort))),
  name: 'a processor that hands on',
});

const everyThird = (outcome: Outcome): Answer => (_batch, call) =>
  (call % 3 === 2 ? outcome : ACCEPTED);

test('contract: a consumer that breaks the law fails', async () => {
  const check = async (answer: Answer, consume: Consume, pattern: RegExp) =>
    assert.rejects(checkConsumerScenario(processor(consume), answer), pattern);
  // It acknowledges early.
  await check(everyThird(rejected('never')), async (next, batch, abort) => {
    await next.consume(batch, abort);
    return ACCEPTED;
  }, /partial success/);
  // It sends twice.
  await check(ACCEPTED, async (next, batch, abort) => {
    await next.consume(batch, abort);
    return next.consume(batch, abort);
  }, /came 2 times/);
  // It says that it failed although it did not.
  await check(ACCEPTED, async (next, batch, abort) => {
    await next.consume(batch, abort);
    return rejected('never');
  }, /came 1 times/);
  // It swallows how many were refused.
  await check({ status: 'accepted', rejected: 1 }, async (next, batch, abort) => {
    const outcome = await next.consume(batch, abort);
    return outcome.status === 'accepted' ? ACCEPTED : outcome;
  }, /partial success/);
  // It changes the batch in place.
  await check(ACCEPTED, async (next, batch, abort) => {
    batch.bytes[batch.bytes.length - 1]! ^= 1;
    return next.consume(batch, abort).catch(() => ACCEPTED);
  }, /the batch was changed/);
  // It never gets through.
  await check(ACCEPTED, async () => retryable('no'), /still retryable after/);
});

test('contract: a consumer that leaves a timer behind fails', async () => {
  const leaking = {
    name: 'leaking',
    create: (next: Consumer, { world }: ComponentContext) => {
      const { create } = processor((_next, batch, abort) => {
        world.clock.every(1000, () => {});
        return next.consume(batch, abort);
      });
      return create(next);
    },
  };
  await assert.rejects(checkConsumerScenario(leaking, ACCEPTED), /timers/);
});

type Deliver = (next: Consumer, batch: Batch, stopped: () => boolean) => Promise<void>;

/** A receiver whose offered records are delivered like this. */
function receiver(deliver: Deliver) {
  return {
    name: 'a receiver',
    create: (next: Consumer): CheckedReceiver => {
      let stopped = false;
      const underWay = new Set<Promise<void>>();
      return {
        receiver: {
          start: async () => {},
          stop: async (deadline) => {
            stopped = true;
            const late = new Promise<void>((resolve) => {
              if (deadline.aborted) resolve();
              deadline.addEventListener('abort', () => resolve(), { once: true });
            });
            await Promise.race([Promise.all(underWay), late]);
          },
        },
        offer: async (keys) => {
          const done = deliver(next, batchOfKeys('logs', keys), () => stopped);
          underWay.add(done);
          void done.finally(() => underWay.delete(done));
          return [];
        },
      };
    },
  };
}

const untilFinal: Deliver = async (next, batch, stopped) => {
  for (;;) {
    if (stopped()) return;
    const { status } = await next.consume(batch, NEVER);
    if (status !== 'retryable') return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

checkReceiver({ ...receiver(untilFinal), name: 'a receiver that hands on' });

test('contract: a receiver that breaks the law fails', async () => {
  const check = async (answer: Answer, deliver: Deliver, pattern: RegExp) =>
    assert.rejects(checkReceiverScenario(receiver(deliver), answer), pattern);
  const twice: Deliver = async (next, batch) => {
    await next.consume(batch, NEVER);
    await next.consume(batch, NEVER);
  };
  await check(ACCEPTED, twice, /handed on again after accepted/);
  await check(rejected('never'), twice, /handed on again after rejected/);
  await check(ACCEPTED, async (next) => {
    await next.consume(batchOfKeys('logs', ['made up']), NEVER);
    await untilFinal(next, batchOfKeys('logs', KEYS), () => false);
  }, /handed on is what was offered/);
});

/** All keys that the suite offers. */
const KEYS = [0, 100, 200, 300].flatMap((first) =>
  Array.from({ length: 15 }, (_, index) => `item-${first + index}`));
