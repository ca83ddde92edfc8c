// This host's metrics, collected by an agent process, stored by a backend process and found through
// SQL, agree with what /proc, `free -b`, `df -B1` and `uptime` say at the same moment.
//
// The machine is read over and over while one scrape passes through. A counter must lie between the
// readings before and after the scrape; what goes up and down between the least and the greatest
// of them, give or take what other programs may do meanwhile.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createClock } from '../../runtime/clock.ts';
import { startStack, type Stack } from './stack.ts';

const skip = existsSync('/proc/stat') ? false : 'there is no /proc to compare with';
const MIB = 1024 * 1024;
/** Other programs take and give back memory and disk between two readings. */
const SLACK_BYTES = 256 * MIB;
/** A scrape reads the machine so shortly before or after the time that it writes down. */
const SCRAPE_MS = 500;

interface Look {
  readonly atMs: number;
  /** Seconds by `cpu0 user` and so on. */
  readonly cpu: ReadonlyMap<string, number>;
  readonly uptime: number;
  readonly load: readonly number[];
  /** The columns of `free -b`, or null without the tool. */
  readonly free: ReadonlyMap<string, number> | null;
  /** Used and free bytes by mount point, or null without `df`. */
  readonly df: ReadonlyMap<string, { readonly used: number; readonly free: number }> | null;
}

interface Point {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly value: number;
}

const clock = createClock();
let stack: Stack;
let looks: Look[];
let points: Point[];

before(async () => {
  if (skip !== false) return;
  stack = await startStack({
    agent: () => ({
      receivers: { host_metrics: {
        collection_interval: '1s',
        scrapers: { cpu: null, memory: null, load: null, system: null,
          filesystem: { include_virtual_filesystems: true } },
      } },
      processors: { batch: { timeout: '10ms' } },
      service: {
        telemetry: { metrics: { address: '' } },
        pipelines: {
          metrics: { receivers: ['host_metrics'], processors: ['batch'], exporters: ['otlp'] },
        },
      },
    }),
  });
  await watch();
});

after(() => stack?.stop());

/** Reads the machine until a whole scrape lies between two readings. */
async function watch(): Promise<void> {
  looks = [look()];
  const fromMs = looks[0]!.atMs + SCRAPE_MS;
  const lookAgain = async () => {
    await clock.sleep(100);
    looks.push(look());
  };
  let scrape: Scrape | null = null;
  while (scrape === null) {
    await lookAgain();
    assert.ok(looks.at(-1)!.atMs < fromMs + 20_000, 'a scrape is stored within 20 s');
    scrape = await scrapeAfter(fromMs);
  }
  while (looks.at(-1)!.atMs < scrape.ms + SCRAPE_MS) await lookAgain();
  points = await pointsAt(scrape.ns);
}

interface Scrape {
  readonly ms: number;
  readonly ns: string;
}

async function scrapeAfter(ms: number): Promise<Scrape | null> {
  const [row] = await stack.rows<{ ns: string }>(`
    SELECT toString(toUnixTimestamp64Nano(min(TimeUnix))) AS ns FROM otel_metrics_gauge
    WHERE MetricName = 'system.uptime' AND TimeUnix > fromUnixTimestamp64Milli(${Math.ceil(ms)})
    HAVING count() > 0`);
  return row === undefined ? null : { ns: row.ns, ms: Number(BigInt(row.ns) / 1_000_000n) };
}

/** All points of the scrape, whose times are the same but for the scrapers' own length. */
function pointsAt(ns: string): Promise<Point[]> {
  const columns = 'MetricName AS name, Attributes AS attributes, Value AS value';
  const where = `abs(toUnixTimestamp64Nano(TimeUnix) - ${ns}) < ${SCRAPE_MS * 1e6}`;
  return stack.rows<Point>(`SELECT ${columns} FROM otel_metrics_gauge WHERE ${where}
    UNION ALL SELECT ${columns} FROM otel_metrics_sum WHERE ${where}`);
}

function look(): Look {
  return {
    atMs: clock.nowMs(),
    cpu: cpuTimes(readFileSync('/proc/stat', 'utf8')),
    uptime: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]),
    load: readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).map(Number),
    free: freeColumns(tool('free', '-b')),
    df: spaceByMount(tool('df', '-B1', '--output=target,used,avail')),
  };
}

const STATES = ['user', 'nice', 'system', 'idle', 'wait', 'interrupt', 'softirq', 'steal'];

function cpuTimes(stat: string): Map<string, number> {
  return new Map([...stat.matchAll(/^(cpu\d+) (.*)$/gm)].flatMap(([, cpu, ticks]) =>
    STATES.map((state, index) =>
      [`${cpu} ${state}`, Number(ticks!.split(' ')[index]) / 100] as const)));
}

function tool(command: string, ...args: string[]): string | null {
  try {
    const env = { ...process.env, LC_ALL: 'C' };
    return execFileSync(command, args,
      { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    // df tells what it can and fails when one mount cannot be asked.
    const { stdout } = error as { stdout?: string };
    return stdout === undefined || stdout === '' ? null : stdout;
  }
}

function freeColumns(text: string | null): Map<string, number> | null {
  if (text === null) return null;
  const [head = '', memory = ''] = text.split('\n');
  const numbers = memory.trim().split(/\s+/).slice(1).map(Number);
  return new Map(head.trim().split(/\s+/).map((name, index) => [name, numbers[index]!]));
}

function spaceByMount(text: string | null): Map<string, { used: number; free: number }> | null {
  if (text === null) return null;
  return new Map(text.trim().split('\n').slice(1).map((line) => {
    const [, target, used, free] = /^(.*?)\s+(\S+)\s+(\S+)$/.exec(line)!;
    return [target!, { used: Number(used), free: Number(free) }];
  }));
}

function valueOf(name: string, attributes: Readonly<Record<string, string>> = {}): number {
  const found = points.filter((point) => point.name === name
    && Object.entries(attributes).every(([key, value]) => point.attributes[key] === value));
  assert.equal(found.length, 1, `${name} ${JSON.stringify(attributes)} is there once`);
  return found[0]!.value;
}

/** Between the least and the greatest reading, and `slack` besides. */
function near(what: string, found: number, readings: readonly number[], slack: number): void {
  const [low, high] = [Math.min(...readings) - slack, Math.max(...readings) + slack];
  assert.ok(found >= low && found <= high, `${what}: ${low} <= ${found} <= ${high}`);
}

test('host: system.cpu.time is /proc/stat\'s', { skip }, () => {
  const cpus = new Set([...looks[0]!.cpu.keys()].map((key) => key.split(' ')[0]!));
  const stored = points.filter(({ name }) => name === 'system.cpu.time');
  assert.equal(stored.length, cpus.size * STATES.length);
  for (const [key] of looks[0]!.cpu) {
    const [cpu, state] = key.split(' ') as [string, string];
    // The kernel's idle and wait times may step back by a little (proc_stat(5)).
    const slack = state === 'idle' || state === 'wait' ? 0.05 : 1e-9;
    near(key, valueOf('system.cpu.time', { cpu, state }),
      looks.map((one) => one.cpu.get(key)!), slack);
  }
});

test('host: system.memory.usage is what free -b prints', { skip }, (t) => {
  if (looks[0]!.free === null) return t.skip('there is no free here');
  const column = (name: string) => looks.map(({ free }) => free!.get(name)!);
  const state = (name: string) => valueOf('system.memory.usage', { state: name });
  near('free', state('free'), column('free'), SLACK_BYTES);
  near('cached', state('cached') + state('buffered'), column('buff/cache'), SLACK_BYTES);
  const used = looks.map(({ free }) => free!.get('total')! - free!.get('available')!);
  near('used', state('used'), used, SLACK_BYTES);
});

test('host: system.filesystem.usage is what df -B1 prints', { skip }, (t) => {
  if (looks[0]!.df === null) return t.skip('there is no df here');
  const usage = points.filter(({ name }) => name === 'system.filesystem.usage');
  const mounts = new Set(usage.map(({ attributes }) => attributes['mountpoint']!));
  const shared = [...mounts].filter((mountpoint) => looks.every(({ df }) => df!.has(mountpoint)));
  assert.ok(shared.includes('/'), `${[...mounts].join(' ')} has the root`);
  for (const mountpoint of shared) {
    for (const state of ['used', 'free'] as const) {
      const found = valueOf('system.filesystem.usage', { mountpoint, state });
      near(`${mountpoint} ${state}`, found,
        looks.map(({ df }) => df!.get(mountpoint)![state]), SLACK_BYTES);
    }
  }
});

test('host: system.uptime and the load averages are what uptime prints', { skip }, (t) => {
  const uptime = valueOf('system.uptime');
  near('uptime', uptime, looks.map((one) => one.uptime), 0);
  ['1m', '5m', '15m'].forEach((span, index) => near(`load ${span}`,
    valueOf(`system.cpu.load_average.${span}`), looks.map(({ load }) => load[index]!), 0.01));
  const since = tool('uptime', '-s');
  if (since === null) return t.diagnostic('there is no uptime -s here');
  const startedMs = Date.parse(since.trim().replace(' ', 'T'));
  const { atMs } = looks.at(-1)!;
  near('since', uptime, [(looks[0]!.atMs - startedMs) / 1000, (atMs - startedMs) / 1000], 2);
});

test('host: the binnacle query command sees them too', { skip }, () => {
  const launcher = new URL('../../binnacle.mjs', import.meta.url).pathname;
  const sql = 'SELECT DISTINCT MetricName FROM otel_metrics_sum';
  const printed = execFileSync(process.execPath,
    [launcher, 'query', '--url', stack.url, '--format', 'TSV', sql], { encoding: 'utf8' });
  const names = printed.trim().split('\n');
  for (const name of ['system.cpu.time', 'system.memory.usage', 'system.filesystem.usage']) {
    assert.ok(names.includes(name), printed);
  }
});
