// Holds the queue against a model in memory: random commands on a disk that forgets, tears and
// fails; what was accepted is handed out in order, and comes back after stops and power cuts until
// it is acknowledged. A failure prints the seed and the path of the shrunk case: give them to
// `fc.assert` to play it again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Taken } from '../../../agent/queue/queue.ts';
import { settle } from '../../../runtime/manual_clock.ts';
import { itemKeys, NEVER } from '../../contract/fakes.ts';
import type { FaultyFiles } from '../../contract/faulty_files.ts';
import {
  batchOf, drain, faultyDisk, large, mortal, openOn, SMALL, takeSoon, type Opened,
} from './open.ts';

/** What must be in the queue, by name. */
interface Model {
  /** Accepted and not handed out, in order. */
  waiting: string[];
  /** Handed out, not acknowledged. */
  taken: string[];
  /** Acknowledged: may come again after a crash, and only then. */
  acknowledged: Set<string>;
  /** Answered `retryable` by a failing disk: it may turn up after a crash. */
  refused: Set<string>;
  count: number;
}

interface Real {
  readonly disk: FaultyFiles;
  process: ReturnType<typeof mortal>;
  opened: Opened;
  taken: Map<string, Taken>;
}

type Command = fc.AsyncCommand<Model, Real>;

const held = (model: Model) => model.waiting.length + model.taken.length;

/** `fault` hits the disk while the batches are on their way. */
function put(sizes: readonly boolean[], fault: 'none' | 'EIO' | 'ENOSPC', at: number): Command {
  return {
    check: () => true,
    run: async (model, { disk, opened: { queue } }) => {
      const names = sizes.map(() => `n${model.count++}`);
      if (fault !== 'none') disk.failAt(disk.operations() + at, fault);
      const outcomes = await Promise.all(names.map((name, index) =>
        queue.put(sizes[index] === true ? large(name) : batchOf(name), NEVER)));
      for (const [index, name] of names.entries()) {
        if (outcomes[index]!.status === 'accepted') model.waiting.push(name);
        else model.refused.add(name);
      }
      assert.equal(queue.batches(), held(model));
    },
    toString: () => `put ${sizes.map((big) => (big ? 'L' : 's')).join('')} ${fault} ${at}`,
  };
}

const take: Command = {
  check: ({ waiting }) => waiting.length > 0,
  run: async (model, real) => {
    const found = await takeSoon(real.opened.queue, 5000);
    assert.ok(found !== null, `nothing came, ${model.waiting[0]} was expected`);
    const name = itemKeys(found.batch)[0]!;
    assert.equal(name, model.waiting.shift());
    model.taken.push(name);
    real.taken.set(name, found);
  },
  toString: () => 'take',
};

function acknowledge(which: number): Command {
  return {
    check: ({ taken }) => taken.length > 0,
    run: async (model, real) => {
      const [name] = model.taken.splice(which % model.taken.length, 1);
      real.taken.get(name!)!.done();
      model.acknowledged.add(name!);
      assert.equal(real.opened.queue.batches(), held(model));
    },
    toString: () => `acknowledge ${which}`,
  };
}

/** After it all comes back that was not acknowledged, in order; the queue is then drained. */
function reopen(how: 'stop' | 'crash'): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      if (how === 'stop') await real.opened.queue.stop();
      else await settle();
      real.process.die();
      real.disk.crash();
      real.process = mortal(real.disk);
      real.opened = await openOn(real.process, SMALL);
      const { keys } = await drain(real.opened.queue);
      const names = keys.filter((key) => key.startsWith('n'));
      const must = [...model.taken, ...model.waiting];
      const order = (list: string[]) => list.toSorted((a, b) => +a.slice(1) - +b.slice(1));
      assert.deepEqual(names, order(names), 'in order');
      const known = (name: string) => model.acknowledged.has(name) || model.refused.has(name);
      assert.deepEqual(names.filter((name) => !known(name)), order(must));
      assert.equal(new Set(names).size, names.length, 'each once');
      const total = real.opened.counters.total('binnacle_queue_missing_batches_total');
      assert.equal(total, 0, 'nothing is said to be missing');
      Object.assign(model, { waiting: [], taken: [] });
      for (const name of names) model.acknowledged.add(name);
    },
    toString: () => how,
  };
}

const fault = fc.oneof({ weight: 6, arbitrary: fc.constant('none' as const) },
  { weight: 1, arbitrary: fc.constantFrom('EIO' as const, 'ENOSPC' as const) });

const commands = fc.commands([
  fc.tuple(fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), fault, fc.nat(8))
    .map(([sizes, what, at]) => put(sizes, what, at)),
  fc.constant(take),
  fc.constant(take),
  fc.nat(20).map(acknowledge),
  fc.constantFrom('stop' as const, 'crash' as const).map(reopen),
], { maxCommands: 60, size: 'max' });

test('queue: random commands behave like the model', async () => {
  await fc.assert(fc.asyncProperty(commands, fc.nat(1e6), async (sequence, seed) => {
    const disk = faultyDisk(seed);
    const process = mortal(disk);
    const opened = await openOn(process, SMALL);
    const real: Real = { disk, process, opened, taken: new Map() };
    const model: Model = {
      waiting: [], taken: [], acknowledged: new Set(), refused: new Set(), count: 0,
    };
    await fc.asyncModelRun(() => ({ model, real }), [...sequence, reopen('crash')]);
    await real.opened.queue.stop();
  }), { numRuns: 200, interruptAfterTimeLimit: 4000, includeErrorInReport: true });
});
