// The suite that every receiver runs.
//
// A test file calls `checkReceiver` once and gets one test for each scenario. The receiver stands
// between `offer`, which plays the outside world (a client, a file that grows), and a sink that
// answers by scenario.
//
// The law: every record that was offered ends as accepted by the sink or refused by it for good;
// after such a final verdict it is never handed on again; before it, it is handed on again only
// after `retryable`. Nothing is handed on that nobody offered. After `stop` has resolved nothing
// is handed on at all. Nothing stays behind.
//
//     checkReceiver({
//       name: 'file_log',
//       durable: true,
//       create: async (next, context) => ({
//         receiver: fileLogReceiver.create(config, context, next),
//         offer: async (keys) => {
//           await appendFile(path, keys.map((key) => `${key}\n`).join(''));
//           return [];
//         },
//       }),
//     });
//
// A client that is told to come again does so inside `offer`, which resolves with the keys that
// it was told never to send again. A receiver that makes its data by itself (host metrics) leaves
// `offer` out, and must be configured to make data every few milliseconds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, Consumer, Receiver } from '../../proto/contract/component.ts';
import { ACCEPTED, type Outcome } from '../../proto/contract/outcome.ts';
import { settle } from '../../runtime/manual_clock.ts';
import {
  createGate, createSink, itemKeys, NEVER, NOW, temporaryFolder, testContext, until, type Answer,
  type Sink,
} from './fakes.ts';
import { withoutLeaks } from './leaks.ts';
import { scenarios, within } from './scenarios.ts';

export interface CheckedReceiver {
  readonly receiver: Receiver;
  /**
   * Offers records with these keys to the started receiver. Resolves when the outside has nothing
   * more to do, with the keys that were refused for good (none if nobody tells it). Gives up when
   * `abort` fires. May be called by several at once.
   */
  offer?(keys: readonly string[], abort: AbortSignal): Promise<readonly string[]>;
  /** Closes what `create` opened besides the receiver; called after its last `stop`. */
  close?(): Promise<void>;
}

export interface ReceiverCheck {
  /** Begins the name of every test. */
  readonly name: string;
  /** Builds the receiver but does not start it. */
  create(next: Consumer, context: ComponentContext): CheckedReceiver | Promise<CheckedReceiver>;
  /** The keys of a batch; `itemKeys` (span name, log body, metric name) unless given. */
  readonly keysOf?: (batch: Batch) => string[];
  /**
   * True when what was not accepted before a stop is handed on after the next start with the same
   * folder. `create` is then called twice with that folder and must find the same outside world.
   */
  readonly durable?: boolean;
}

const OFFERS = 4;
const KEYS_EACH = 15;
/** Batches that a receiver without `offer` must make under each scenario. */
const OWN_BATCHES = 4;
/** A stop that takes longer than this after its deadline has ignored it. */
const STOP_MS = 5000;
const TEST = { timeout: 60_000 };

export function checkReceiver(check: ReceiverCheck): void {
  for (const [scenario, answer] of scenarios()) {
    test(`${check.name}: contract: ${scenario}`, TEST, () =>
      checkReceiverScenario(check, answer));
  }
  lifecycleTests(check);
}

/** One scenario by itself: holds a started receiver to the law in front of such a sink. */
export function checkReceiverScenario(check: ReceiverCheck, answer: Answer): Promise<void> {
  return withReceiver(check, temporaryFolder(), async (checked, sink) => {
    sink.answer(answer);
    await checked.receiver.start();
    await (checked.offer === undefined
      ? until(() => sink.deliveries.length >= OWN_BATCHES, 'batches of its own')
      : checkLaw(check, checked.offer, sink));
    await stopsForGood(checked.receiver, sink);
  });
}

type Offer = NonNullable<CheckedReceiver['offer']>;

async function checkLaw(check: ReceiverCheck, offer: Offer, sink: Sink): Promise<void> {
  const groups = Array.from({ length: OFFERS }, (_, group) => keyGroup(group));
  const refused = (await Promise.all(groups.map((keys) => offer(keys, NEVER)))).flat();
  const keys = groups.flat();
  await until(() => {
    const known = verdicts(check, sink);
    return keys.every((key) => isFinal(known.get(key)?.at(-1)));
  }, 'every record gets a final verdict');
  const known = verdicts(check, sink);
  assert.deepEqual([...known.keys()].sort(), [...keys].sort(), 'handed on is what was offered');
  for (const [key, outcomes] of known) {
    const early = outcomes.slice(0, -1).filter(isFinal);
    assert.deepEqual(early, [], `${key} was handed on again after ${early[0]}`);
  }
  for (const key of refused) assert.equal(known.get(key)?.at(-1), 'rejected', key);
}

const keyGroup = (group: number): string[] =>
  Array.from({ length: KEYS_EACH }, (_, index) => `item-${group * 100 + index}`);

const isFinal = (status: Outcome['status'] | undefined): boolean =>
  status === 'accepted' || status === 'rejected';

/** For each key what the sink said about it, one after the other. */
function verdicts(check: ReceiverCheck, sink: Sink): Map<string, Outcome['status'][]> {
  const keysOf = check.keysOf ?? itemKeys;
  const known = new Map<string, Outcome['status'][]>();
  for (const { batch, outcome } of sink.deliveries) {
    for (const key of keysOf(batch)) {
      const statuses = known.get(key);
      if (statuses === undefined) known.set(key, [outcome.status]);
      else statuses.push(outcome.status);
    }
  }
  return known;
}

async function stopsForGood(receiver: Receiver, sink: Sink): Promise<void> {
  await within(STOP_MS, receiver.stop(NEVER), 'stop');
  assert.equal(sink.waiting(), 0, 'stop waits for what is under way');
  const calls = sink.received.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(sink.received.length, calls, 'a stopped receiver hands on nothing');
}

function lifecycleTests(check: ReceiverCheck): void {
  test(`${check.name}: contract: stop before start, stop twice`, TEST, async () => {
    await withReceiver(check, temporaryFolder(), ({ receiver }) => receiver.stop(NEVER));
    await withReceiver(check, temporaryFolder(), async ({ receiver }) => {
      await receiver.start();
      await receiver.stop(NEVER);
      await receiver.stop(NEVER);
      await receiver.stop(NOW);
    });
  });
  test(`${check.name}: contract: stop waits for what is under way`, TEST, () =>
    withReceiver(check, temporaryFolder(), async (checked, sink) => {
      const gate = createGate();
      sink.answer(gate.answer);
      await checked.receiver.start();
      const abort = new AbortController();
      const offered = offerUntil(checked, abort.signal);
      await until(() => sink.waiting() > 0, 'a batch is handed on');
      const stopped = checked.receiver.stop(NEVER);
      await settle();
      gate.open(ACCEPTED);
      await within(STOP_MS, stopped, 'stop');
      assert.equal(sink.waiting(), 0);
      // What was not under way yet when the stop began is not taken any more.
      abort.abort();
      await within(STOP_MS, offered, 'the outside gives up');
    }));
  test(`${check.name}: contract: stop gives up at its deadline`, TEST, async () => {
    const folder = temporaryFolder();
    await withReceiver(check, folder, async (checked, sink) => {
      sink.answer(createGate().answer);
      await checked.receiver.start();
      const abort = new AbortController();
      const offered = offerUntil(checked, abort.signal);
      await until(() => sink.waiting() > 0, 'a batch is handed on');
      await within(STOP_MS, checked.receiver.stop(NOW), 'stop past its deadline');
      abort.abort();
      await within(STOP_MS, offered, 'the outside gives up');
    });
    if (check.durable === true) await checkRestart(check, folder);
  });
}

/** Offers one group of keys; how it fails when the receiver stops meanwhile does not matter. */
async function offerUntil({ offer }: CheckedReceiver, abort: AbortSignal): Promise<void> {
  await offer?.(keyGroup(0), abort).catch(() => []);
}

async function checkRestart(check: ReceiverCheck, folder: string): Promise<void> {
  await withReceiver(check, folder, async ({ receiver }, sink) => {
    await receiver.start();
    const accepted = () => [...verdicts(check, sink).keys()].sort();
    await until(() => accepted().length >= KEYS_EACH, 'what was not accepted comes again');
    assert.deepEqual(accepted(), keyGroup(0).sort());
    await receiver.stop(NEVER);
  });
}

async function withReceiver(
  check: ReceiverCheck,
  folder: string,
  body: (checked: CheckedReceiver, sink: Sink) => Promise<void>,
): Promise<void> {
  await withoutLeaks(async (world) => {
    const sink = createSink();
    const checked = await check.create(sink, testContext({ world, folder }));
    try {
      await body(checked, sink);
    } finally {
      await checked.receiver.stop(NOW);
      await checked.close?.();
    }
  });
}
