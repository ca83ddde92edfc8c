// The rules and thresholds that are shipped: they have no mistake, a real engine takes each of
// them, and the statements among them measure what a host is known to do.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { describeProblem } from '../../../config/errors.ts';
import { createStoreGate } from '../../../backend/query/admission.ts';
import { createDesk, type Desk } from '../../../backend/query/desk.ts';
import { readRules } from '../../../backend/rules/file/rules.ts';
import { readThresholds } from '../../../backend/rules/file/thresholds.ts';
import { createMeasurer, type RuleMeasurer } from '../../../backend/rules/measuring/measurer.ts';
import type { Rule } from '../../../backend/rules/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createWorld } from '../../../runtime/world.ts';
import { SOMEBODY, WIDE } from '../query/desk_fixture.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

const DATABASE = 'shipped_rules';
const DAY_MS = 86_400_000;
const OPTIONS = { retentionMs: 30 * DAY_MS };
const AT_MS = Date.UTC(2026, 0, 2, 12);
const NEVER = new AbortController().signal;

const sourceOf = (file: string) => ({ file, text: readFileSync(`config/${file}`, 'utf8') });
const files = readdirSync('config/rules').filter((name) => name.endsWith('.yaml'))
  .map((name) => `rules/${name}`);
const read = [...files.map((file) => readRules(sourceOf(file), OPTIONS)),
  readThresholds(sourceOf('alert_thresholds.json'), OPTIONS)];
const rules = read.flatMap(({ groups }) => groups).flatMap((group) => group.rules);

let engine: EngineFixture;
let store: StorageFixture;
let desk: Desk;
let measurer: RuleMeasurer;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: DATABASE });
  desk = createDesk({ storage: store.storage, gate: createStoreGate(store.storage, DATABASE),
    limits: WIDE, world: createWorld(), counters: createCounters(), log: SILENT_LOG });
  measurer = newMeasurer();
  await insert('otel_metrics_sum', hostPoints());
  await insert('otel_metrics_gauge', ['binnacle_queue_bytes', 'binnacle_queue_bytes_max']
    .map((metric, index) => point({ metric, ms: AT_MS - 60_000, value: [60, 100][index]!,
      attributes: { exporter: 'otlp' } })));
});

after(async () => {
  await store?.stop();
  await engine?.stop();
});

function newMeasurer(): RuleMeasurer {
  const gate = createStoreGate(store.storage, DATABASE);
  return createMeasurer({
    ask: (statement, abort) => desk.rows(statement, SOMEBODY, abort),
    askForeign: async ({ sql, params, settings }, abort) => {
      const named = Object.entries(params).map(([name, value]) => [`param_${name}`, value]);
      const { body } = await desk.open({ sql, format: 'JSONEachRow', settings,
        params: Object.fromEntries(named) as Record<string, string> }, SOMEBODY, abort);
      return (await text(body)).split('\n').filter((line) => line !== '')
        .map((line) => JSON.parse(line) as object);
    },
    checkSql: (sql, names, abort) => gate.check(sql, names, abort),
    counters: createCounters(), log: SILENT_LOG,
  });
}

interface Point {
  readonly metric: string;
  readonly ms: number;
  readonly value: number;
  readonly attributes: Readonly<Record<string, string>>;
}

const point = ({ metric, ms, value, attributes }: Point) => ({
  TimeUnix: (ms / 1000).toFixed(3), MetricName: metric, ServiceName: 'host', Value: value,
  Attributes: attributes, ResourceAttributes: { 'host.name': 'web' },
});

/** Two processors, of which 30 % is work; memory, a disk, inodes and swap. */
function hostPoints(): object[] {
  const times = [5, 4, 3, 2, 1].map((minutes) => AT_MS - minutes * 60_000);
  const states = (metric: string, values: Readonly<Record<string, number>>, more = {}) =>
    times.flatMap((ms) => Object.entries(values).map(([state, value]) =>
      point({ metric, ms, value, attributes: { ...more, state } })));
  const cpu = ['cpu0', 'cpu1'].flatMap((name) => times.flatMap((ms, index) =>
    [['user', 20], ['system', 10], ['idle', 60], ['wait', 10]].map(([state, grown]) =>
      point({ metric: 'system.cpu.time', ms, value: 1000 + index * Number(grown),
        attributes: { cpu: name, state: String(state) } }))));
  return [
    ...cpu,
    ...states('system.memory.usage', { used: 90, free: 5, cached: 5 }),
    ...states('system.filesystem.usage', { used: 95, free: 5, reserved: 20 },
      { mountpoint: '/', device: '/dev/sda' }),
    ...states('system.filesystem.inodes.usage', { used: 9, free: 1 },
      { mountpoint: '/', device: '/dev/sda' }),
    ...states('system.paging.usage', { used: 1, free: 3 }, { device: '/swap' }),
  ];
}

async function insert(table: string, rows: readonly object[]): Promise<void> {
  const answer = await request(`${engine.url}/?database=${DATABASE}`, { method: 'POST',
    body: `INSERT INTO ${table} FORMAT JSONEachRow\n${rows.map((row) => JSON.stringify(row))
      .join('\n')}` });
  assert.equal(answer.statusCode, 200, await answer.body.text());
}

test('shipped rules: no mistakes', () => {
  assert.deepEqual(read.flatMap(({ problems }) => problems).map(describeProblem), []);
  assert.ok(rules.length >= 15, String(rules.length));
  assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
  for (const { name, annotations } of rules) assert.ok('summary' in annotations, name);
});

test('shipped rules: a store takes each of them', async () => {
  for (const rule of rules) assert.equal(await measurer.check(rule, NEVER), null, rule.name);
  const measured = await measurer.measure(rules, { atMs: AT_MS, queryOffsetMs: 0 }, NEVER);
  for (const { id, name } of rules) {
    const one = measured.get(id);
    assert.ok(one?.ok === true, `${name}: ${one?.ok === false ? one.reason : 'nothing'}`);
  }
});

test('shipped rules: statements measure what the host does', async () => {
  const measured = await measurer.measure(rules, { atMs: AT_MS, queryOffsetMs: 0 }, NEVER);
  const check = (name: string, labels: Readonly<Record<string, string>>, value: number) => {
    const rule = rules.find((one: Rule) => one.name === name)!;
    const found = measured.get(rule.id);
    assert.ok(found?.ok === true, name);
    assert.equal(found.samples.length, 1, name);
    const [sample] = found.samples;
    assert.deepEqual(sample!.labels, labels, name);
    assert.ok(Math.abs(sample!.value - value) < 1e-9, `${name}: ${sample!.value}`);
  };
  const host = { 'host.name': 'web' };
  check('cpu_usage', host, 0.3);
  check('memory_usage', host, 0.9);
  check('disk_usage', { ...host, mountpoint: '/' }, 0.95);
  check('InodesUsed', { ...host, mountpoint: '/' }, 0.9);
  check('SwapUsed', host, 0.25);
  check('AgentQueueFills', { ...host, exporter: 'otlp' }, 0.6);
  check('HostSilent', host, 60);
});
