// Proves that the numbers are right: all scrapers read this machine, and each number is held
// against an independent reading taken just before and just after, from `free`, `df`, `uptime`,
// /sys and /proc, with parsing of the test's own. A counter must lie between the two; what goes up
// and down may differ by what other programs did meanwhile.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { before, test } from 'node:test';
import { METRICS } from '../../../../agent/receivers/host_metrics/config.ts';
import { hostMetricsReceiver } from '../../../../agent/receivers/host_metrics/receiver.ts';
import { SCOPE } from '../../../../agent/receivers/host_metrics/collection.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import {
  createRecordingLog, createSink, NEVER, testContext, until,
} from '../../../contract/fakes.ts';
import { pointsOf, type SentPoint } from './readings.ts';

const skip = process.platform === 'linux' ? false : 'this machine has no /proc';

interface Outside {
  readonly stat: string;
  readonly dev: string;
  readonly uptime: number;
  readonly load: number[];
  readonly free: Map<string, number>;
  readonly df: string[][];
  readonly disks: Map<string, number[]>;
  readonly cpuMicros: number;
  readonly processes: number;
  /** cpu.stat of the control group of this process, null without version 2. */
  readonly cgroup: string | null;
}

const read = (path: string): string => readFileSync(path, 'utf8');
const tool = (command: string, ...args: string[]): string | null => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    // df tells what it can and fails when one mount cannot be asked.
    return (error as { stdout?: string }).stdout || null;
  }
};

function look(): Outside {
  const [names = '', memory = ''] = (tool('free', '-b') ?? '').split('\n');
  const numbers = memory.split(/\s+/).slice(1).map(Number);
  const { user, system } = process.cpuUsage();
  return {
    stat: read('/proc/stat'),
    dev: read('/proc/net/dev'),
    uptime: Number(read('/proc/uptime').split(' ')[0]),
    load: read('/proc/loadavg').split(' ').slice(0, 3).map(Number),
    free: new Map(names.trim().split(/\s+/).map((name, index) => [name, numbers[index]!])),
    df: (tool('df', '-B1', '--output=target,used,avail,size') ?? '').trim().split('\n').slice(1)
      .map((line) => line.trim().split(/\s+/)),
    disks: new Map((existsSync('/sys/block') ? readdirSync('/sys/block') : []).map((name) =>
      [name, read(`/sys/block/${name}/stat`).trim().split(/\s+/).map(Number)])),
    cpuMicros: user + system,
    processes: readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length,
    cgroup: readOwnGroup(),
  };
}

function readOwnGroup(): string | null {
  const mount = / (\/\S+) \S+ (?:\S+ )*- cgroup2 /.exec(read('/proc/self/mountinfo'))?.[1];
  const own = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup'))?.[1];
  const path = `${mount}${own}/cpu.stat`;
  return mount !== undefined && own !== undefined && existsSync(path) ? read(path) : null;
}

let earlier: Outside;
let later: Outside;
let points: Map<string, SentPoint>;
let sent: Batch<'metrics'>;
const log = createRecordingLog();

before(async () => {
  if (skip) return;
  const sink = createSink();
  const scrapers = Object.fromEntries(Object.entries(METRICS).map(([name, metrics]) => [name, {
    metrics: Object.fromEntries(metrics.map((one) => [one.name, { enabled: true }])),
    ...(name === 'filesystem' ? { include_virtual_filesystems: true } : {}),
  }]));
  const receiver = hostMetricsReceiver.create(hostMetricsReceiver.schema.parse({
    // A machine with much to do may need longer than the interval.
    collection_interval: '300ms', initial_delay: '0s', timeout: '30s', scrapers,
  }), testContext({ log }), sink);
  earlier = look();
  await receiver.start();
  // The second one has the metrics that compare with the scrape before.
  await until(() => sink.received.length >= 2, 'two collections');
  later = look();
  await receiver.stop(NEVER);
  sent = sink.received[1] as Batch<'metrics'>;
  // As the next hop would see it.
  points = pointsOf(Batch.fromBytes('metrics', sent.bytes));
});

const value = (key: string): number => {
  const point = points.get(key);
  assert.ok(point !== undefined, `${key} is sent`);
  return point.value;
};

const between = (key: string, low: number, high: number, slack = 0): void => {
  const found = value(key);
  const told = `${key}: ${low} - ${slack} <= ${found} <= ${high} + ${slack}`;
  assert.ok(found >= low - slack, told);
  assert.ok(found <= high + slack, told);
};

/** What goes up and down: anywhere between the two readings, and `slack` besides. */
const near = (key: string, one: number, other: number, slack: number): void =>
  between(key, Math.min(one, other), Math.max(one, other), slack);

test('this machine: cpu times as in /proc/stat', { skip }, () => {
  const columns = ['user', 'nice', 'system', 'idle', 'wait', 'interrupt', 'softirq', 'steal'];
  const cpus = [...earlier.stat.matchAll(/^(cpu\d+) (.*)$/gm)];
  assert.equal(value('system.cpu.logical.count'), cpus.length);
  for (const [, cpu, numbers] of cpus) {
    const end = new RegExp(`^${cpu} (.*)$`, 'm').exec(later.stat)![1]!.split(' ').map(Number);
    columns.forEach((state, index) => {
      const start = Number(numbers!.split(' ')[index]);
      // The kernel's idle and wait times may step back by a little (proc_stat(5)).
      const slack = state === 'wait' || state === 'idle' ? 0.05 : 1e-9;
      between(`system.cpu.time cpu=${cpu} state=${state}`, start / 100, end[index]! / 100, slack);
    });
    const sum = columns.reduce((total, state) =>
      total + value(`system.cpu.utilization cpu=${cpu} state=${state}`), 0);
    assert.ok(Math.abs(sum - 1) < 1e-6 || sum === 0, `utilization of ${cpu} adds up: ${sum}`);
  }
});

test('this machine: memory as free tells it', { skip }, (t) => {
  if (earlier.free.size < 5) return t.skip('there is no free here');
  const total = earlier.free.get('total')!;
  assert.equal(value('system.memory.limit'), total);
  const slack = total * 0.02; // What other programs take and give back meanwhile.
  near('system.memory.usage state=free', earlier.free.get('free')!, later.free.get('free')!, slack);
  near('system.linux.memory.available',
    earlier.free.get('available')!, later.free.get('available')!, slack);
  const cached = value('system.memory.usage state=cached')
    + value('system.memory.usage state=buffered');
  const told = [earlier.free.get('buff/cache')!, later.free.get('buff/cache')!];
  assert.ok(cached > Math.min(...told) - slack && cached < Math.max(...told) + slack);
  const used = total - value('system.linux.memory.available');
  assert.equal(value('system.memory.usage state=used'), used);
});

test('this machine: file systems as df tells them', { skip }, (t) => {
  if (earlier.df.length === 0) return t.skip('there is no df here');
  const usage = [...points].filter(([key]) => key.startsWith('system.filesystem.usage '));
  let compared = 0;
  for (const [target, used, available, size] of earlier.df) {
    const states = usage.filter(([key]) => key.includes(` mountpoint=${target} `));
    if (states.length === 0) continue;
    const of = (state: string): number =>
      states.find(([key]) => key.endsWith(`state=${state}`))![1].value;
    const row = later.df.find(([other]) => other === target);
    if (row === undefined) continue;
    const slack = Number(size) * 0.01;
    for (const [state, start, end] of [['used', used, row[1]], ['free', available, row[2]]]) {
      const [low, high] = [Number(start), Number(end)].sort((a, b) => a - b);
      const found = of(state!);
      assert.ok(found >= low! - slack && found <= high! + slack, `${target} ${state}: ${found}`);
    }
    assert.equal(of('used') + of('free') + of('reserved'), Number(size), target);
    compared += 1;
  }
  assert.ok(compared > 0, 'df and we know one file system at least');
});

test('this machine: uptime, boot time and load', { skip }, () => {
  between('system.uptime', earlier.uptime, later.uptime);
  const boot = /^btime (\d+)$/m.exec(earlier.stat)![1]!;
  const time = points.get('system.cpu.time cpu=cpu0 state=idle')!.point;
  assert.equal(time.startTimeUnixNano, BigInt(boot) * 1_000_000_000n);
  const since = tool('uptime', '-s');
  if (since !== null) {
    const started = Date.parse(since.trim().replace(' ', 'T')) / 1000;
    assert.ok(Math.abs(started - Number(boot)) <= 2, `uptime -s says ${since}`);
  }
  ['1m', '5m', '15m'].forEach((span, index) =>
    near(`system.cpu.load_average.${span}`, earlier.load[index]!, later.load[index]!, 0.01));
});

test('this machine: disks as /sys/block has them', { skip }, (t) => {
  const busy = [...earlier.disks].filter(([, numbers]) => numbers.some((one) => one > 0));
  if (busy.length === 0) return t.skip('there is no disk here');
  for (const [name, start] of busy) {
    const end = later.disks.get(name)!;
    const at = (key: string, field: number, scale: number) =>
      between(`${key}`, start[field]! * scale, end[field]! * scale, 1e-9);
    at(`system.disk.operations device=${name} direction=read`, 0, 1);
    at(`system.disk.io device=${name} direction=read`, 2, 512);
    at(`system.disk.io device=${name} direction=write`, 6, 512);
    at(`system.disk.operation_time device=${name} direction=write`, 7, 0.001);
    at(`system.disk.io_time device=${name}`, 9, 0.001);
  }
});

test('this machine: interfaces and connections', { skip }, async () => {
  const row = (dev: string, name: string): number[] =>
    new RegExp(`^ *${name}: *(.*)$`, 'm').exec(dev)![1]!.split(/\s+/).map(Number);
  const names = [...earlier.dev.matchAll(/^ *(\w+):/gm)].map((match) => match[1]!);
  for (const name of names) {
    const [start, end] = [row(earlier.dev, name), row(later.dev, name)];
    const own = `device=${name} direction`;
    between(`system.network.io ${own}=receive`, start[0]!, end[0]!);
    between(`system.network.io ${own}=transmit`, start[8]!, end[8]!);
    between(`system.network.packets ${own}=transmit`, start[9]!, end[9]!);
  }
  const listening = value('system.network.connections protocol=tcp state=LISTEN');
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].filter((path) => existsSync(path))
    .flatMap((path) => read(path).split('\n')).filter((line) => /^ *\d+: \S+ \S+ 0A /.test(line));
  assert.ok(Math.abs(listening - lines.length) <= 20, `${listening} and ${lines.length} listen`);
});

test('this machine: processes', { skip }, () => {
  const created = (stat: string) => Number(/^processes (\d+)$/m.exec(stat)![1]);
  between('system.processes.created', created(earlier.stat), created(later.stat));
  const resources = new Set([...points.keys()].filter((key) => /^\d+ /.test(key))
    .map((key) => key.split(' ')[0]));
  const slack = 40; // Others start and end programs all the time.
  assert.ok(Math.abs(resources.size - earlier.processes) <= slack,
    `${resources.size} and ${earlier.processes} processes`);
});

test('this machine: this process', { skip }, () => {
  const own = (key: string) => value(`${process.pid} ${key}`);
  const seconds = own('process.cpu.time state=user') + own('process.cpu.time state=system');
  assert.ok(seconds >= earlier.cpuMicros / 1e6 - 0.03, `${seconds} s of CPU time`);
  assert.ok(seconds <= later.cpuMicros / 1e6 + 0.03, `${seconds} s of CPU time`);
  const resident = process.memoryUsage.rss();
  assert.ok(Math.abs(own('process.memory.usage') - resident) < resident * 0.5);
  const size = Number(/^VmSize:\s+(\d+) kB$/m.exec(read('/proc/self/status'))![1]) * 1024;
  assert.ok(Math.abs(own('process.memory.virtual') - size) < size * 0.2);
  assert.ok(own('process.threads') >= 2);
  assert.ok(Math.abs(own('process.uptime') - process.uptime()) < 5);
  const { resource, point } = points.get(`${process.pid} process.memory.usage`)!;
  const attributes = Object.fromEntries(resource.map(({ key, value: one }) => [key, one.value]));
  assert.equal(attributes['process.pid'], BigInt(process.pid));
  assert.equal(attributes['process.parent_pid'], BigInt(process.ppid));
  assert.equal(attributes['process.executable.path'], process.execPath);
  assert.equal(attributes['process.executable.name'], 'node');
  assert.equal(attributes['process.owner'], userInfo().username);
  assert.match(String(attributes['process.command_line']), /real_machine\.test\./);
  const ageSeconds = Number(point.timeUnixNano - point.startTimeUnixNano) / 1e9;
  assert.ok(Math.abs(ageSeconds - process.uptime()) < 5, `started ${ageSeconds} s ago`);
});

test('this machine: the control group of this process', { skip }, (t) => {
  if (earlier.cgroup === null) return t.skip('there are no control groups of version 2 here');
  const seconds = (stat: string, name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)![1]) / 1e6;
  for (const state of ['user', 'system']) {
    between(`cgroup.cpu.time state=${state}`, seconds(earlier.cgroup, `${state}_usec`),
      seconds(later.cgroup!, `${state}_usec`), 0.05);
  }
});

test('this machine: every scraper sends, in its own scope', { skip }, (t) => {
  const scopes = new Set([...points.values()].map(({ scope }) => scope));
  const silent = [
    ...(existsSync('/proc/pressure/cpu') ? [] : ['pressure']),
    ...(existsSync('/sys/class/hwmon') ? [] : ['hardware']),
    ...(/^0::/m.test(read('/proc/self/cgroup')) ? [] : ['cgroup']),
  ];
  for (const name of Object.keys(METRICS)) {
    if (!silent.includes(name)) assert.ok(scopes.has(`${SCOPE}/${name}`), name);
  }
  t.diagnostic(`${points.size} points, ${sent.bytes.length} bytes`);
});
