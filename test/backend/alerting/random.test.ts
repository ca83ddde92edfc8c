// Alerts, kills, and a courier and a journal that fail, all by chance from a seed. In the end every
// receiver knows what fires and what does not, and no decision was sent twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from '../../../runtime/manual_clock.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import type { Delivery, Notification } from '../../../backend/alerting/model.ts';
import { configOf, createRig, line, MINUTE, START_MS } from './rig.ts';

const SEEDS = 8;
const STEPS = 60;
const LABELS = ['X', 'Y'].flatMap((alertname) =>
  ['1', '2', '3'].map((a) => ({ alertname, a })));

const CONFIG = configOf(`
route: {receiver: ops, group_by: [alertname], group_interval: 2m, repeat_interval: 1h}
limits: {cooldown: 3m, max_per_hour: 12, flapping: {changes: 6, within: 10m}}
receivers: [{name: ops, webhook_configs: [{}, {}]}]
`);

test('random alerts, kills and failures: everything is told, nothing twice', async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const problem = await run(seed);
    assert.equal(problem, '', `SEED=${seed}`);
  }
});

async function run(seed: number): Promise<string> {
  const random = createSeededRandom(seed);
  const chance = (share: number) => random.float() < share;
  const clock = createManualClock(START_MS);
  const kept = createMemoryJournal(clock);
  const failing = { share: 0 };
  const journal: Journal = { ...kept, write: async (drafts, abort) => {
    if (abort.aborted || chance(failing.share)) throw new Error('the journal fails');
    await kept.write(drafts, abort);
  } };
  const sent: Notification[] = [];
  const firing = new Map<string, number>();
  const ended = new Map<string, { startsAtMs: number; endsAtMs: number }>();
  let answer = (): Delivery | Promise<Delivery> => 'delivered';
  const start = async () => {
    const rig = await createRig(CONFIG, { clock, journal });
    rig.answer = () => answer();
    // As rules do after their restore: what fires, and what has just ended.
    for (const [index, labels] of LABELS.entries()) {
      const startsAtMs = firing.get(String(index));
      const over = ended.get(String(index));
      if (startsAtMs !== undefined) rig.fire(labels, { startsAtMs });
      else if (over !== undefined) rig.fire(labels, over);
    }
    return rig;
  };
  let rig = await start();
  const collect = () => void sent.push(...rig.sent.splice(0));
  for (let step = 0; step < STEPS; step += 1) {
    const index = Math.floor(random.float() * LABELS.length);
    const labels = LABELS[index]!;
    const startsAtMs = firing.get(String(index));
    if (chance(0.5)) {
      if (startsAtMs === undefined) {
        firing.set(String(index), clock.nowMs());
        rig.fire(labels, { startsAtMs: clock.nowMs() });
      } else {
        firing.delete(String(index));
        ended.set(String(index), { startsAtMs, endsAtMs: clock.nowMs() });
        rig.fire(labels, { startsAtMs, endsAtMs: clock.nowMs() });
      }
    }
    failing.share = chance(0.2) ? 0.5 : 0;
    answer = () => (chance(0.7) ? 'delivered' : chance(0.5) ? 'dead' : new Promise(() => {}));
    await clock.advance(random.float() * 3 * MINUTE);
    if (chance(0.15)) {
      // A kill between the channel's answer and the journal's sends the same id again, by design;
      // here the journal has taken what was answered.
      failing.share = 0;
      await clock.advance(6000);
      await rig.alerting.stop(AbortSignal.abort());
      collect();
      await clock.advance(random.float() * 5 * MINUTE);
      rig = await start();
    }
  }
  failing.share = 0;
  await clock.advance(6000);
  answer = () => 'delivered';
  // What hangs is only given up by a restart.
  await rig.alerting.stop(AbortSignal.abort());
  collect();
  rig = await start();
  await clock.advance(75 * MINUTE);
  collect();
  await rig.alerting.stop(AbortSignal.abort());
  return faultOf(sent, firing);
}

/** '' when each channel knows how it is. A digest tells of several groups. */
function faultOf(sent: readonly Notification[], firing: ReadonlyMap<string, number>): string {
  const ids = sent.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) return `${twice} was sent twice`;
  const known = new Set<string>();
  for (const notification of sent) {
    for (const { labels, status } of notification.alerts) {
      const name = `${labels['alertname']} ${labels['a']}`;
      if (status === 'firing') known.add(name);
      else known.delete(name);
    }
    if (notification.status === 'resolved' && notification.reason !== 'digest') {
      for (const name of [...known]) {
        if (name.startsWith(`${notification.groupLabels['alertname']} `)) known.delete(name);
      }
    }
  }
  const really = [...firing.keys()].map((index) => LABELS[Number(index)]!)
    .map(({ alertname, a }) => `${alertname} ${a}`).sort();
  const untold = really.filter((name) => !known.has(name));
  // Of a group in which something still fires the end of the others may have been told before.
  const groups = new Set(really.map((name) => name.split(' ')[0]!));
  const stale = [...known].filter((name) => !groups.has(name.split(' ')[0]!));
  return untold.length + stale.length === 0 ? ''
    : `not told: ${untold}; not told as over: ${stale}\n${sent.map(line).join('\n')}`;
}
