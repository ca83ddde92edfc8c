// Proves that at most one holds a lease at any instant, and that somebody does soon: several leases
// over one store in memory whose answers are late, fail, or fail and are stored nevertheless, on
// clocks of different speed whose timers are late, by schedules from a seed. Whoever comes to hold
// it looks at all the others at that instant.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLease, type Lease } from '../../../backend/journal/lease.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createManualClock, type ManualClock } from '../../../runtime/manual_clock.ts';
import { createSeededRandom, type Random } from '../../../runtime/random.ts';

const HELD_MS = 15_000;
/** Times at which what goes wrong changes. */
const ROUNDS = 20;

interface Row { Epoch: number; Owner: string; Sequence: number; Step: string; HeldMs: number }

interface Faults {
  /** Chance that an answer takes long, up to `slowMs`; always half of that at least. */
  slow: number;
  slowMs: number;
  /** Chance that a call fails; half of what fails is stored all the same, some time. */
  fail: number;
}

const NO_FAULTS: Faults = { slow: 0, slowMs: 0, fail: 0 };

/** Faults of the calls of one lease, each kind for itself. */
const faultsOf = (random: Random): Faults => ({
  slow: pick(random, [0, 0.5, 1]), slowMs: pick(random, [1000, 5000, 10_000, 30_000]),
  fail: pick(random, [0, 0, 0, 0.3, 1]),
});

const pick = <T>(random: Random, from: readonly T[]): T =>
  from[Math.floor(random.float() * from.length)]!;

/** What is appended is there at some moment before its answer; a read sees what is there then. */
function createStore(clock: Clock, random: Random) {
  const rows: Row[] = [];
  const store = {
    faults: new Map<string, Faults>(),
    rows,
    call: async <T>(who: string, take: () => T, late: () => void): Promise<T> => {
      const { slow, slowMs, fail } = store.faults.get(who) ?? NO_FAULTS;
      const tookMs = random.float() < slow ? (0.5 + random.float() / 2) * slowMs
        : random.float() * 50;
      const isFailing = random.float() < fail;
      const takenMs = random.float() * tookMs;
      await clock.sleep(takenMs);
      if (!isFailing) {
        const taken = take();
        await clock.sleep(tookMs - takenMs);
        return taken;
      }
      if (random.float() < 0.5) clock.after(random.float() * 60_000, late);
      throw new Error('it failed');
    },
  };
  return store;
}

/** A clock that is faster or slower, whose timers are late, and that can stop for good. */
function createOwnClock(clock: ManualClock, random: Random, lateMs: () => number) {
  const rate = 1 + (random.float() - 0.5) * 0.04;
  let isDead = false;
  const after = (delayMs: number, fire: () => void) =>
    clock.after(delayMs / rate + random.float() * lateMs(), () => {
      if (!isDead) fire();
    });
  const own: Clock = {
    ...clock, after,
    monotonicMs: () => clock.monotonicMs() * rate,
    sleep: (delayMs) => new Promise((resolve) => void after(delayMs, resolve)),
  };
  return { own, kill: () => void (isDead = true) };
}

interface Caller { readonly rows: Row[];
  call<T>(who: string, take: () => T, late: () => void): Promise<T> }

function leaseOver(store: Caller, clock: Clock, owner: string): Lease {
  const latest = () => {
    const claims = new Map<string, Row>();
    for (const row of store.rows) {
      const key = `${row.Epoch} ${row.Owner}`;
      if ((claims.get(key)?.Sequence ?? 0) < row.Sequence) claims.set(key, row);
    }
    return [...claims.values()].map(({ Epoch, Owner, Sequence, Step, HeldMs }) =>
      ({ epoch: Epoch, owner: Owner, sequence: Sequence, step: Step, heldMs: HeldMs }));
  };
  const ask = <T>() => store.call(`${owner} ask`, latest, () => {}) as Promise<T[]>;
  const append = ({ rows }: { rows: readonly object[] }) => {
    const add = () => void store.rows.push(...rows as Row[]);
    return store.call(`${owner} append`, add, add);
  };
  return createLease({ ask, append, name: 'alerting', owner, heldMs: HELD_MS, clock,
    log: SILENT_LOG });
}

interface Member { owner: string; lease: Lease; kill(): void; isDead: boolean }

function createScene(seed: number) {
  const random = createSeededRandom(seed);
  const clock = createManualClock(0);
  const store = createStore(clock, random);
  const members: Member[] = [];
  const scene = {
    clock, store, members, random, lateMs: 0, changes: 0,
    holders: () => members.filter(({ lease, isDead }) => !isDead && lease.held()).length,
    add: async () => {
      const { own, kill } = createOwnClock(clock, random, () => scene.lateMs);
      const owner = random.uuid();
      const lease = leaseOver(store, own, owner);
      const member = { owner, lease, isDead: false, kill: () => {
        kill();
        member.isDead = true;
      } };
      members.push(member);
      lease.follow(() => {
        scene.changes++;
        assert.ok(scene.holders() <= 1, `two hold it at ${clock.monotonicMs()} ms, seed ${seed}`);
      });
      await lease.start();
      return member;
    },
  };
  return scene;
}

const never = () => new AbortController().signal;

test('lease: one of several holds it, and the next soon after that one is gone', async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const scene = createScene(seed);
    for (let count = 0; count < 3; count++) await scene.add();
    await scene.clock.advance(10_000);
    assert.equal(scene.holders(), 1);
    scene.members.find(({ lease }) => lease.held())!.kill();
    await scene.clock.advance(2 * HELD_MS);
    assert.equal(scene.holders(), 1, `seed ${seed}`);
    // It stays with him.
    const { changes } = scene;
    await scene.clock.advance(120_000);
    assert.equal(scene.changes, changes);
  }
});

test('lease: who stops gives it up at once', async () => {
  const scene = createScene(7);
  const first = await scene.add();
  await scene.clock.advance(7000);
  assert.ok(first.lease.held());
  const stopped = first.lease.stop(never());
  assert.ok(!first.lease.held());
  await scene.clock.advance(100);
  await stopped;
  const next = await scene.add();
  await scene.clock.advance(7000);
  assert.ok(next.lease.held());
});

test('lease: a store that is away ends it in time, and it is taken up again', async () => {
  const scene = createScene(3);
  const { lease, owner } = await scene.add();
  await scene.clock.advance(10_000);
  for (const kind of ['ask', 'append']) {
    scene.store.faults.set(`${owner} ${kind}`, { ...NO_FAULTS, fail: 1 });
  }
  await scene.clock.advance(HELD_MS * 1.1);
  assert.ok(!lease.held());
  scene.store.faults.clear();
  await scene.clock.advance(60_000 + 2 * HELD_MS);
  assert.ok(lease.held());
  await lease.stop(AbortSignal.abort());
});

test('lease: at most one holds it, whatever the store and the clocks do', async () => {
  let took = 0;
  for (let seed = 100; seed < 108; seed++) {
    const scene = createScene(seed);
    const { random, clock } = scene;
    for (let count = 0; count < 3; count++) await scene.add();
    for (let round = 0; round < ROUNDS; round++) {
      for (const { owner } of scene.members.slice(-3)) {
        for (const kind of ['ask', 'append']) {
          if (random.float() < 0.5) scene.store.faults.set(`${owner} ${kind}`, faultsOf(random));
          else scene.store.faults.delete(`${owner} ${kind}`);
        }
      }
      scene.lateMs = random.float() < 0.3 ? random.float() * 8000 : 0;
      await clock.advance(random.float() * 12_000);
      const holder = scene.members.find(({ lease, isDead }) => !isDead && lease.held());
      const chance = random.float();
      if (holder !== undefined && chance < 0.1) {
        holder.kill();
        await scene.add();
      } else if (holder !== undefined && chance < 0.15) {
        void holder.lease.stop(never());
        await scene.add();
      }
    }
    took += scene.changes;
    scene.store.faults.clear();
    scene.lateMs = 0;
    // Late rows of failed calls are over, and nobody waits for anybody.
    await clock.advance(60_000 + 3 * HELD_MS);
    assert.equal(scene.holders(), 1, `seed ${seed}`);
  }
  assert.ok(took > 15, `it changed hands only ${took} times`);
});

/** A store that answers at once, but for calls that are to be held back by hand. */
function createHeldStore() {
  const held: { who: string; take(): void; fail(): void }[] = [];
  const holding = new Set<string>();
  return {
    rows: [] as Row[],
    hold: (who: string) => void holding.add(who),
    letGo: (who: string) => void holding.delete(who),
    /** Makes what `who` has waiting happen, and answers. */
    take: (who: string) => held.splice(0).forEach((one) => {
      if (one.who === who) one.take();
      else held.push(one);
    }),
    fail: (who: string) => held.splice(0).forEach((one) => {
      if (one.who === who) one.fail();
      else held.push(one);
    }),
    call: <T>(who: string, take: () => T): Promise<T> => new Promise((resolve, reject) => {
      if (!holding.has(who)) return resolve(take());
      held.push({ who, take: () => resolve(take()), fail: () => reject(new Error('it failed')) });
    }),
  };
}

/** `a` holds the lease since its beat at `beatMs`, and its calls begin to be held back. */
async function createDuel() {
  const clock = createManualClock(0);
  const store = createHeldStore();
  const [a, b] = ['a', 'b'].map((owner) => leaseOver(store, clock, owner)) as [Lease, Lease];
  await a.start();
  await clock.advance(6000);
  await b.start();
  const { length } = store.rows;
  while (store.rows.length === length) await clock.advance(50);
  const beatMs = clock.monotonicMs();
  // The next beats fail; the last one begins just before `a` would give up.
  store.hold('a append');
  while (clock.monotonicMs() < beatMs + 14_000) {
    store.fail('a append');
    await clock.advance(100);
  }
  assert.ok(a.held() && !b.held());
  return { clock, store, a, b, beatMs };
}

test('lease: a claimant gives way to a beat that comes to light while it waits', async () => {
  const { clock, store, a, b, beatMs } = await createDuel();
  while (store.rows.at(-1)!.Owner !== 'b') await clock.advance(50);
  assert.ok(clock.monotonicMs() < beatMs + 18_500);
  store.take('a append');
  store.hold('a ask');
  await clock.advance(0);
  assert.ok(a.held());
  await clock.advance(7000);
  assert.deepEqual([a.held(), b.held()], [true, false]);
});

test('lease: a beat that is answered late does not count', async () => {
  const { clock, store, a, b } = await createDuel();
  while (!b.held()) await clock.advance(50);
  store.hold('a ask');
  store.take('a append');
  await clock.advance(0);
  assert.deepEqual([a.held(), b.held()], [false, true]);
});

test('lease: a claim that is answered late does not count', async () => {
  const clock = createManualClock(0);
  const store = createHeldStore();
  const [a, b] = ['a', 'b'].map((owner) => leaseOver(store, clock, owner)) as [Lease, Lease];
  store.hold('a append');
  await a.start();
  await b.start();
  while (!b.held()) await clock.advance(50);
  store.take('a append');
  store.letGo('a append');
  for (let steps = 0; steps < 1000; steps++) {
    await clock.advance(50);
    assert.deepEqual([a.held(), b.held()], [false, true]);
  }
});
