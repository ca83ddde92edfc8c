// The suite that every connector runs which makes metrics of what it takes.
//
// A test file calls `checkConnector` once per connector and temporality and gets one test for each
// scenario. The connector stands between the suite, which sends batches as a pipeline would (and
// sends again what is `retryable`), and a sink that answers by scenario.
//
// The law: once the connector has stopped, what the sink accepted counts each item of the batches
// that were answered `accepted` once, and nothing else; where the sink refuses for good, at most
// that; the batch that was handed in is never changed; no call throws; nothing stays behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, Connector, Consumer } from '../../proto/contract/component.ts';
import { ACCEPTED, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { createGate, createSink, NEVER, NOW, testContext, type Sink } from './fakes.ts';
import { withoutLeaks } from './leaks.ts';
import { scenarios, within } from './scenarios.ts';

export interface ConnectorCheck {
  /** Begins the name of every test. */
  readonly name: string;
  /** Builds the connector; one that reports at intervals does so about every 5 ms. */
  create(next: Consumer, context: ComponentContext): Connector;
  /** A batch of so many items that nobody has sent before; `first` tells it from others. */
  batch(first: number, items: number): Batch;
  /** How many items these metrics, in the order in which they were accepted, say there were. */
  counted(batches: readonly Batch<'metrics'>[]): number;
}

const TRIES_MAX = 200;
const SENDERS = 4;
const BATCHES_EACH = 12;
/** An answer that takes longer than this after an abort has ignored it. */
const ABORT_MS = 5000;

export function checkConnector(check: ConnectorCheck): void {
  const { name } = check;
  for (const [scenario, answer] of scenarios()) {
    test(`${name}: contract: ${scenario}`, { timeout: 60_000 }, () =>
      withConnector(check, async (connector, sink) => {
        sink.answer(answer);
        await connector.start();
        const items = (await Promise.all(Array.from({ length: SENDERS }, (_, sender) =>
          sendAll(check, connector, sender)))).reduce((sum, one) => sum + one, 0);
        await connector.stop(NEVER);
        const counted = countedBy(check, sink);
        const refuses = sink.deliveries.some(({ outcome }) => outcome.status === 'rejected');
        if (refuses) assert.ok(counted <= items, `${counted} of ${items}`);
        else assert.equal(counted, items);
      }));
  }
  test(`${name}: contract: stop before start, stop twice`, { timeout: 60_000 }, async () => {
    await withConnector(check, (connector) => connector.stop(NEVER));
    await withConnector(check, async (connector) => {
      await connector.start();
      await connector.stop(NEVER);
      await connector.stop(NEVER);
      await connector.stop(NOW);
    });
  });
  refusalTests(check);
  stopTests(check);
}

function refusalTests(check: ConnectorCheck): void {
  const { name } = check;
  test(`${name}: contract: what is not accepted is not counted`, { timeout: 60_000 }, () =>
    withConnector(check, async (connector, sink) => {
      await connector.start();
      assert.equal((await connector.consume(check.batch(0, 4), NOW)).status, 'retryable');
      const { signal } = check.batch(0, 4);
      const broken = await connector.consume(brokenBatch(signal), NEVER);
      assert.equal(broken.status, 'rejected');
      await connector.stop(NEVER);
      const late = await connector.consume(check.batch(10, 4), NEVER);
      assert.equal(countedBy(check, sink), late.status === 'accepted' ? 4 : 0);
    }));
}

function stopTests(check: ConnectorCheck): void {
  const { name } = check;
  test(`${name}: contract: stop ends at its deadline`, { timeout: 60_000 }, () =>
    withConnector(check, async (connector, sink) => {
      const gate = createGate();
      sink.answer(gate.answer);
      await connector.start();
      const call = connector.consume(check.batch(0, 4), NEVER);
      const deadline = new AbortController();
      const stopped = connector.stop(deadline.signal);
      setTimeout(() => deadline.abort(), 20);
      await within(ABORT_MS, stopped, 'stop past its deadline');
      gate.open(ACCEPTED);
      await within(ABORT_MS, call, 'the call');
    }));
  test(`${name}: contract: stop tries until the deadline`, { timeout: 60_000 }, () =>
    withConnector(check, async (connector, sink) => {
      sink.answer(retryable('not now'));
      await connector.start();
      const batch = check.batch(0, 4);
      const first = await connector.consume(batch, NEVER);
      const stopped = connector.stop(NEVER);
      setTimeout(() => sink.answer(ACCEPTED), 30);
      await within(ABORT_MS, stopped, 'stop');
      assert.equal(countedBy(check, sink), first.status === 'accepted' ? 4 : 0);
    }));
}

async function sendAll(
  check: ConnectorCheck,
  connector: Consumer,
  sender: number,
): Promise<number> {
  let items = 0;
  for (let index = 0; index < BATCHES_EACH; index++) {
    const count = 2 * (1 + ((sender * 7 + index * 3) % 9));
    const batch = check.batch((sender * BATCHES_EACH + index) * 100, count);
    const outcome = await sendUntilFinal(connector, batch);
    if (outcome.status === 'accepted') items += count;
    // So that some reports fall between the batches.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return items;
}

async function sendUntilFinal(connector: Consumer, batch: Batch): Promise<Outcome> {
  const before = Buffer.from(batch.bytes);
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const outcome = await connector.consume(batch, NEVER);
    assert.ok(before.equals(batch.bytes), 'the batch was changed');
    if (outcome.status !== 'retryable') return outcome;
  }
  throw new Error(`${batch.signal} was still retryable after ${TRIES_MAX} tries`);
}

function countedBy(check: ConnectorCheck, sink: Sink): number {
  return check.counted(sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted')
    .map(({ batch }) => batch as Batch<'metrics'>));
}

async function withConnector(
  check: ConnectorCheck,
  body: (connector: Connector, sink: Sink) => Promise<void>,
): Promise<void> {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const connector = check.create(sink, testContext({ world }));
    try {
      await body(connector, sink);
    } finally {
      await connector.stop(NOW);
    }
  });
}

/** As in check_consumer.ts; for metrics the number of points is looked at before. */
function brokenBatch(signal: Signal): Batch {
  const record = signal === 'metrics' ? [0x12, 0x05, 0x2a, 0x03, 0x0a, 0x01, 0xff]
    : [0x12, 0x02, 0xff, 0xff];
  return Batch.fromBytes(signal,
    Uint8Array.of(0x0a, record.length + 2, 0x12, record.length, ...record));
}
