// What batches go through between components: outlets, whose destination can be changed while the
// component behind which they stand keeps running, and fan-outs.

import assert from 'node:assert/strict';
import type { Batch } from '../../proto/contract/batch.ts';
import type { Consumer } from '../../proto/contract/component.ts';
import {
  ACCEPTED, rejected, retryable, worstOutcome, type Outcome,
} from '../../proto/contract/outcome.ts';
import type { Signal } from '../../proto/otlp/model.ts';

/** Sees each batch that passes an outlet. It must not throw, and must be quick. */
export type Tap = (batch: Batch) => void;

/**
 * What a component is given as its `next`. It begins without a destination, and may be closed for a
 * while: who calls then waits until it is open again, or its own signal fires.
 */
export class Outlet implements Consumer {
  /** The keys of the parts to which it hands. */
  leads: ReadonlySet<string> = new Set();
  #way = '';
  #behind: readonly Behind[] = [];
  readonly #taps = new Set<Tap>();
  #target: Consumer = NOWHERE;
  #opened: Promise<void> | null = null;
  #open = () => {};

  consume(batch: Batch, abort: AbortSignal): Promise<Outcome> {
    if (this.#opened !== null) return this.#wait(this.#opened, batch, abort);
    if (this.#taps.size > 0) for (const tap of this.#taps) tap(batch);
    return this.#target.consume(batch, abort);
  }

  /** Whether it hands to these very parts, in a way of this name. */
  leadsTo(way: string, behind: readonly Behind[]): boolean {
    return way === this.#way && behind.length === this.#behind.length
      && behind.every((one, at) => one === this.#behind[at]);
  }

  /** `behind` are the parts to which `target` hands. */
  lead(way: string, behind: readonly Behind[], target: Consumer): void {
    this.#way = way;
    this.#behind = behind;
    this.#target = target;
    this.leads = new Set(behind.map(({ spec }) => spec.key));
  }

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#opened = null;
    this.#open();
  }

  /** Returns what ends it. */
  tap(tap: Tap): () => void {
    this.#taps.add(tap);
    return () => void this.#taps.delete(tap);
  }

  async #wait(opened: Promise<void>, batch: Batch, abort: AbortSignal): Promise<Outcome> {
    const given = new Promise<void>((resolve) => {
      if (abort.aborted) resolve();
      abort.addEventListener('abort', () => resolve(), { once: true });
      void opened.then(resolve);
    });
    await given;
    if (abort.aborted) return retryable('the pipelines are being changed');
    return this.consume(batch, abort);
  }
}

interface Behind {
  readonly spec: { readonly key: string };
}

const NOWHERE: Consumer = {
  consume: async () => assert.fail('a component hands on before the graph is joined'),
};

/** Hands each batch to all consumers of its signal; without one `otherwise` is the answer. */
export function createRouter(
  ways: readonly { readonly signal: Signal; readonly entry: Consumer }[],
  otherwise: (signal: Signal) => Outcome,
): Consumer {
  const routes = new Map<Signal, Consumer>();
  for (const { signal } of ways) {
    if (routes.has(signal)) continue;
    const same = ways.filter((one) => one.signal === signal);
    routes.set(signal, fanOut(same.map(({ entry }) => entry)));
  }
  return {
    consume: async (batch, abort) => {
      const route = routes.get(batch.signal);
      return route === undefined ? otherwise(batch.signal) : route.consume(batch, abort);
    },
  };
}

/** What a receiver hears of a signal that no pipeline takes from it. */
export const refuseFor = (receiver: string) => (signal: Signal): Outcome =>
  rejected(`no pipeline of ${signal} has the receiver ${receiver}`);

/** A connector may give signals that nobody wants. */
export const acceptAll = (): Outcome => ACCEPTED;

/** One consumer for several; each gets every batch until it has given its final verdict. */
export function fanOut(consumers: readonly Consumer[]): Consumer {
  assert(consumers.length > 0);
  if (consumers.length === 1) return consumers[0]!;
  // By consumer, of batches that another one has put off; held no longer than the batch itself.
  const finalVerdicts = new WeakMap<Batch, readonly (Outcome | undefined)[]>();
  return {
    consume: async (batch, abort) => {
      const earlier = finalVerdicts.get(batch) ?? [];
      const outcomes = await Promise.all(consumers.map((one, index) =>
        earlier[index] ?? one.consume(batch, abort)));
      const verdicts = outcomes.map((outcome) =>
        (outcome.status === 'retryable' ? undefined : outcome));
      if (verdicts.includes(undefined)) finalVerdicts.set(batch, verdicts);
      else finalVerdicts.delete(batch);
      return worstOutcome(outcomes);
    },
  };
}
