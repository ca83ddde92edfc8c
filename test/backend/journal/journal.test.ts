// The promises of the journal, of both that there are: the one in memory, and the one in tables of
// a real engine with two backends beside each other.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Entry, Journal } from '../../../backend/journal/journal.ts';
import { createLease, type Lease } from '../../../backend/journal/lease.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import { createTableJournal } from '../../../backend/journal/tables.ts';
import { createClock } from '../../../runtime/clock.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createManualClock } from '../../../runtime/manual_clock.ts';
import { deskOf, SOMEBODY } from '../query/desk_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { NEVER, startStorage, type StorageFixture }
  from '../storage/clickhouse/storage_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'journal' });
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

function tableJournal(writer: string) {
  const desk = deskOf(store);
  return createTableJournal({
    ask: (asked, abort) => desk.rows(asked, SOMEBODY, abort),
    append: (asked) => store.storage.append(asked),
    clock: createClock(), writer, log: SILENT_LOG, counters: createCounters(),
  });
}

const START_MS = Date.UTC(2026, 0, 1);
const shown = ({ version: _, ...entry }: Entry) => entry;
const keys = (entries: readonly Entry[]) => entries.map(({ key }) => key);

const journals: Readonly<Record<string, () => Promise<{ journal: Journal; stop(): Promise<void> }>>>
  = {
    memory: async () => ({ journal: createMemoryJournal(createManualClock(START_MS)),
      stop: async () => {} }),
    tables: async () => {
      const journal = tableJournal('one');
      await journal.start();
      return { journal, stop: () => journal.stop(NEVER) };
    },
  };

for (const [name, open] of Object.entries(journals)) {
  test(`journal in ${name}: the newest version counts, and what is deleted is gone`, async () => {
    const { journal, stop } = await open();
    const heard: Entry[] = [];
    const leave = journal.follow(['silence'], (entries) => heard.push(...entries));
    const silence = { kind: 'silence', key: 'a', atMs: START_MS, data: { n: 1, text: 'ü\n"' } } as
      const;
    await journal.write([silence, { kind: 'alert', key: 'a', atMs: START_MS, data: [] }], NEVER);
    await journal.write([{ ...silence, atMs: START_MS + 5, name: 'x', state: 'active', value: 1.5,
      labels: { a: 'b', 'c.d': '{"}' }, actor: 'ann', note: 'n', severity: 's', data: 2 }], NEVER);
    await journal.write([{ ...silence, key: 'b' }], NEVER);
    await journal.write([{ ...silence, key: 'b', deleted: true }], NEVER);
    leave();
    await journal.write([{ ...silence, key: 'c' }], NEVER);
    const loaded = await journal.load(['silence'], NEVER);
    assert.deepEqual(keys(loaded), ['a', 'c']);
    assert.deepEqual(shown(loaded[0]!), { kind: 'silence', key: 'a', atMs: START_MS + 5, name: 'x',
      state: 'active', severity: 's', deleted: false, labels: { a: 'b', 'c.d': '{"}' }, value: 1.5,
      actor: 'ann', note: 'n', data: 2 });
    assert.ok(Number.isNaN(loaded[1]!.value));
    assert.deepEqual(keys(heard), ['a', 'a', 'b', 'b']);
    assert.deepEqual(await journal.load(['rule'], NEVER), []);
    await stop();
  });

  test(`journal in ${name}: history is the newest first, and in pages`, async () => {
    const { journal, stop } = await open();
    for (let at = 0; at < 5; at += 1) {
      await journal.write([{ kind: 'rule', key: 'r', name: 'R', atMs: START_MS + at, data: at }],
        NEVER);
    }
    const period = { fromMs: START_MS, toMs: START_MS + 4, name: 'R', limit: 3 };
    const first = await journal.history(period, NEVER);
    assert.deepEqual(first.map(({ data }) => data), [3, 2, 1]);
    const { atMs, version } = first.at(-1)!;
    const second = await journal.history({ ...period, kinds: ['rule'], key: 'r',
      before: { atMs, version } }, NEVER);
    assert.deepEqual(second.map(({ data }) => data), [0]);
    assert.deepEqual(await journal.history({ ...period, name: 'S' }, NEVER), []);
    await stop();
  });
}

test('journal in tables: a backend hears what another one has written, once', async () => {
  const [one, other] = [tableJournal('first'), tableJournal('second')];
  await Promise.all([one.start(), other.start()]);
  const heard: unknown[] = [];
  other.follow(['posted'], (entries) => heard.push(...entries.map(({ data }) => data)));
  await one.write([{ kind: 'posted', key: 'p', atMs: START_MS, data: 1 }], NEVER);
  await other.look();
  await other.look();
  assert.deepEqual(heard, [1]);
  await one.write([{ kind: 'posted', key: 'p', atMs: START_MS, data: 2 }], NEVER);
  await other.write([{ kind: 'posted', key: 'p', atMs: START_MS, data: 3 }], NEVER);
  await other.look();
  assert.deepEqual(heard, [1, 3], 'what is older than what is known is no news');
  await Promise.all([one.stop(NEVER), other.stop(NEVER)]);
});

test('lease in tables: one of two holds it, and hands it on as it stops', async () => {
  const clock = createClock();
  const desk = deskOf(store);
  const open = (owner: string) => createLease({
    ask: (asked, abort) => desk.rows(asked, SOMEBODY, abort),
    append: (asked) => store.storage.append(asked),
    name: 'test', owner, heldMs: 4500, clock, log: SILENT_LOG,
  });
  const [one, other] = [open('one'), open('other')];
  const held = (lease: Lease) => new Promise<void>((resolve) => lease.follow(() => {
    if (lease.held()) resolve();
  }));
  const first = held(one);
  await one.start();
  await first;
  const next = held(other);
  await other.start();
  await one.stop(NEVER);
  assert.ok(!one.held());
  await next;
  assert.ok(!one.held());
  await other.stop(NEVER);
  const steps = await desk.rows<{ step: string }>({ sql: `SELECT Step AS step
    FROM binnacle_leases ORDER BY Epoch, Sequence` }, SOMEBODY, NEVER);
  assert.deepEqual([steps[0]!.step, steps.at(-1)!.step], ['claim', 'released']);
});
