// The suite that every processor and exporter runs.
//
// A test file calls `checkConsumer` once per component (and per configuration worth it) and gets
// one test for each scenario. The component stands between the suite, which sends batches as a
// receiver would (and sends again what is `retryable`), and a sink that answers by scenario.
//
// The law: of a batch answered `accepted` each item was accepted by the sink exactly once, except
// as many as the answer says were refused; a batch answered `rejected` was not accepted by the
// sink, in no part, nor was one that is still `retryable`; items that the sink refused inside
// accepted batches (partial success) are all reported, none twice; the batch that was handed in is
// never changed; no call throws; nothing stays behind after `stop`.
//
//     checkConsumer({
//       name: 'batch',
//       create: (next, context) => ({
//         consumer: batchProcessor.create(batchProcessor.schema.parse({}), context, next),
//       }),
//     });
//
// For an exporter `create` starts a peer whose handler gives what arrives to `next` and answers
// what `next` answers, builds the exporter towards it, and closes the peer in `close`. An exporter
// that retries by itself must be configured to do so quickly.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../proto/contract/batch.ts';
import type { Component, ComponentContext, Consumer } from '../../proto/contract/component.ts';
import { ACCEPTED, type Outcome } from '../../proto/contract/outcome.ts';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import {
  createGate, createSink, itemKeys, makeBatch, NEVER, NOW, testContext, type Answer, type Sink,
} from './fakes.ts';
import { withoutLeaks } from './leaks.ts';
import { scenarios, within } from './scenarios.ts';

export interface CheckedConsumer {
  readonly consumer: Component & Consumer;
  /** Closes what `create` opened besides the consumer; called after its last `stop`. */
  close?(): Promise<void>;
}

export interface ConsumerCheck {
  /** Begins the name of every test. */
  readonly name: string;
  /** Builds the consumer but does not start it. `context.folder` is empty and its own. */
  create(next: Consumer, context: ComponentContext): CheckedConsumer | Promise<CheckedConsumer>;
  /** The signals to send; all three unless given. */
  readonly signals?: readonly Signal[];
  /** True for a consumer with nothing behind it (debug): it accepts everything by itself. */
  readonly terminal?: boolean;
}

/** How often a batch is sent before the suite says that it never gets through. */
const TRIES_MAX = 200;
/** Senders that work at the same time, and batches that each of them sends. */
const SENDERS = 6;
const BATCHES_EACH = 8;
/** An answer that takes longer than this after an abort has ignored it. */
const ABORT_MS = 5000;

export function checkConsumer(check: ConsumerCheck): void {
  for (const [scenario, answer] of scenarios()) {
    test(`${check.name}: contract: ${scenario}`, { timeout: 60_000 }, () =>
      checkConsumerScenario(check, answer));
  }
  lifecycleTests(check);
  if (check.terminal !== true) abortTests(check);
}

/** One scenario by itself: holds a started consumer to the law in front of such a sink. */
export function checkConsumerScenario(check: ConsumerCheck, answer: Answer): Promise<void> {
  return withConsumer(check, async (consumer, sink) => {
    sink.answer(answer);
    await consumer.start();
    await checkLaw(check, consumer, sink);
    await consumer.stop(NEVER);
  });
}

interface Sent {
  readonly batch: Batch;
  readonly outcome: Outcome;
}

async function checkLaw(check: ConsumerCheck, consumer: Consumer, sink: Sink): Promise<void> {
  const sent = (await Promise.all(Array.from({ length: SENDERS }, (_, sender) =>
    sendAll(check, consumer, sender)))).flat();
  if (check.terminal === true) {
    for (const { outcome } of sent) assert.deepEqual(outcome, ACCEPTED);
    return;
  }
  const accepted = countKeys(sink);
  let missing = 0;
  for (const { batch, outcome } of sent) {
    for (const key of itemKeys(batch)) {
      const times = accepted.get(`${batch.signal} ${key}`) ?? 0;
      const most = outcome.status === 'accepted' ? 1 : 0;
      assert.ok(times <= most, `${batch.signal} ${key}, ${outcome.status}, came ${times} times`);
      missing += most - times;
    }
  }
  const items = sent.filter(({ outcome }) => outcome.status === 'accepted')
    .reduce((sum, { batch }) => sum + batch.itemCount, 0);
  const arrived = [...accepted.values()].reduce((sum, one) => sum + one, 0);
  assert.equal(arrived, items - missing, 'the sink accepted what nobody sent');
  // Items of an accepted batch that the sink did not accept were refused, and must be reported.
  assert.equal(refusedItems(sent), refusedItems(sink.deliveries) + missing, 'partial success');
}

async function sendAll(check: ConsumerCheck, consumer: Consumer, sender: number): Promise<Sent[]> {
  const signals = check.signals ?? SIGNALS;
  const sent: Sent[] = [];
  for (let index = 0; index < BATCHES_EACH; index++) {
    const signal = signals[(sender + index) % signals.length]!;
    // At least two items, so that one refused item never empties a batch.
    const count = 2 + ((sender * 7 + index * 3) % 9);
    const batch = makeBatch(signal, count, { first: (sender * BATCHES_EACH + index) * 100 });
    sent.push({ batch, outcome: await sendUntilFinal(consumer, batch) });
  }
  return sent;
}

async function sendUntilFinal(consumer: Consumer, batch: Batch): Promise<Outcome> {
  const before = Buffer.from(batch.bytes);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const outcome = await consumer.consume(batch, NEVER);
    assert.ok(before.equals(batch.bytes), 'the batch was changed');
    if (outcome.status !== 'retryable') return outcome;
  }
  throw new Error(`${batch.signal} was still retryable after ${TRIES_MAX} tries`);
}

/** How often the sink accepted each item, by `<signal> <key>`. */
function countKeys(sink: Sink): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { batch, outcome } of sink.deliveries) {
    if (outcome.status !== 'accepted') continue;
    for (const key of itemKeys(batch)) {
      const name = `${batch.signal} ${key}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

function refusedItems(sent: readonly Sent[]): number {
  return sent.reduce((sum, { outcome }) =>
    sum + (outcome.status === 'accepted' ? outcome.rejected : 0), 0);
}

function lifecycleTests(check: ConsumerCheck): void {
  const { name } = check;
  test(`${name}: contract: stop before start, stop twice`, { timeout: 60_000 }, async () => {
    await withConsumer(check, (consumer) => consumer.stop(NEVER));
    await withConsumer(check, async (consumer) => {
      await consumer.start();
      await consumer.stop(NEVER);
      await consumer.stop(NEVER);
      await consumer.stop(NOW);
    });
  });
  test(`${name}: contract: a call after stop is answered`, { timeout: 60_000 }, () =>
    withConsumer(check, async (consumer, sink) => {
      await consumer.start();
      await consumer.stop(NEVER);
      const signal = (check.signals ?? SIGNALS)[0]!;
      const outcome = await consumer.consume(makeBatch(signal, 2), NEVER);
      if (check.terminal === true) return;
      assert.equal(sink.keys('accepted').length, outcome.status === 'accepted' ? 2 : 0);
    }));
  test(`${name}: contract: broken bytes are never retried`, { timeout: 60_000 }, () =>
    withConsumer(check, async (consumer) => {
      await consumer.start();
      for (const signal of check.signals ?? SIGNALS) {
        if (signal === 'metrics') continue;
        const outcome = await consumer.consume(brokenBatch(signal), NEVER);
        assert.notEqual(outcome.status, 'retryable', JSON.stringify(outcome));
      }
      await consumer.stop(NEVER);
    }));
}

function abortTests(check: ConsumerCheck): void {
  const { name } = check;
  const signal = (check.signals ?? SIGNALS)[0]!;
  test(`${name}: contract: an aborted call is retryable at once`, { timeout: 60_000 }, () =>
    withConsumer(check, async (consumer, sink) => {
      const gate = createGate();
      sink.answer(gate.answer);
      await consumer.start();
      const abort = new AbortController();
      const call = consumer.consume(makeBatch(signal, 3), abort.signal);
      setTimeout(() => abort.abort(), 20);
      assert.equal((await within(ABORT_MS, call, 'the aborted call')).status, 'retryable');
      const aborted = consumer.consume(makeBatch(signal, 3, { first: 10 }), NOW);
      assert.equal((await within(ABORT_MS, aborted, 'the dead call')).status, 'retryable');
      gate.open(ACCEPTED);
      await consumer.stop(NEVER);
    }));
  test(`${name}: contract: stop during calls`, { timeout: 60_000 }, () =>
    withConsumer(check, async (consumer, sink) => {
      const gate = createGate();
      sink.answer(gate.answer);
      await consumer.start();
      const batches = [0, 1, 2].map((index) => makeBatch(signal, 2, { first: index * 10 }));
      const calls = batches.map((batch) => consumer.consume(batch, NEVER));
      const deadline = new AbortController();
      const stopped = consumer.stop(deadline.signal);
      setTimeout(() => deadline.abort(), 20);
      await within(ABORT_MS, stopped, 'stop past its deadline');
      gate.open(ACCEPTED);
      const outcomes = await within(ABORT_MS, Promise.all(calls), 'calls after stop');
      outcomes.forEach((outcome, index) => {
        // What was given up may still have arrived: then it was not called accepted in vain.
        if (outcome.status !== 'accepted') return;
        const accepted = sink.keys('accepted');
        for (const key of itemKeys(batches[index]!)) assert.ok(accepted.includes(key), key);
      });
    }));
}

async function withConsumer(
  check: ConsumerCheck,
  body: (consumer: Component & Consumer, sink: Sink) => Promise<void>,
): Promise<void> {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const { consumer, close } = await check.create(sink, testContext({ world }));
    try {
      await body(consumer, sink);
    } finally {
      await consumer.stop(NOW);
      await close?.();
    }
  });
}

/**
 * A request with one resource, one scope and one record whose bytes end inside a number. Counting
 * the records does not look at them; decoding fails.
 */
function brokenBatch(signal: Signal): Batch {
  return Batch.fromBytes(signal, Uint8Array.of(0x0a, 0x06, 0x12, 0x04, 0x12, 0x02, 0xff, 0xff));
}
