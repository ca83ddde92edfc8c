// Proves which control groups are found (own, globs, exclusions, the cap) and that their files
// become the right numbers, on trees of files as the kernel's documentation of cgroup v2 draws
// them, below a root of their own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cgroupMetrics, cpuSamples, createCgroupScraper, ioStatSamples, memorySamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/cgroup.ts';
import type {
  GroupChoice,
} from '../../../../../agent/receivers/host_metrics/scrapers/cgroup_tree.ts';
import type { Scrape } from '../../../../../agent/receivers/readings/readings.ts';
import { valuesOf } from '../readings.ts';
import { hostTree } from './trees.ts';

const skip = process.platform === 'linux' ? false : 'the files are those of Linux';
const ROOT = '/sys/fs/cgroup';
const MOUNT = '30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
const BASE = { '/proc/1/mountinfo': MOUNT, '/proc/self/cgroup': '1:name=x:/v1\n0::/agent.slice\n' };
const STAT = 'usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n';

const scrape = (files: Record<string, string>, choice: Partial<GroupChoice> = {}) =>
  createCgroupScraper(hostTree({ ...BASE, ...files }).host, () => true, {
    own: true, include: [], exclude: [], groupsMax: 100, ...choice,
  }).scrape();

const pathsOf = ({ readings }: Scrape) =>
  readings.map(({ resource }) => String(resource[0]!.value.value));

const groups = (...paths: string[]) =>
  Object.fromEntries(paths.map((path) => [`${ROOT}${path}/cpu.stat`, STAT]));

test('cgroup: the own group, with everything that its files say', { skip }, async () => {
  const at = (file: string) => `${ROOT}/agent.slice/${file}`;
  const found = await scrape({
    [at('cpu.stat')]: `${STAT}nr_periods 10\nnr_throttled 4\nthrottled_usec 2500000\n`,
    [at('cpu.max')]: '150000 100000\n',
    [at('memory.current')]: '4096\n',
    [at('memory.max')]: 'max\n',
    [at('memory.peak')]: '8192\n',
    [at('memory.swap.current')]: '0\n',
    [at('memory.events')]: 'low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\n',
    [at('io.stat')]: '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n',
    [at('pids.current')]: '5\n',
    [at('pids.max')]: '100\n',
    [at('memory.pressure')]: 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n',
  });
  assert.deepEqual(pathsOf(found), ['/agent.slice']);
  assert.deepEqual(found.problems, []);
  const [reading] = found.readings;
  assert.equal(reading!.startNs, 1700000000000000000n);
  assert.deepEqual(valuesOf(reading!.samples), {
    'cgroup.cpu.time state=user': 2,
    'cgroup.cpu.time state=system': 1,
    'cgroup.cpu.periods': 10,
    'cgroup.cpu.throttled.periods': 4,
    'cgroup.cpu.throttled.time': 2.5,
    'cgroup.cpu.limit': 1.5,
    'cgroup.memory.usage': 4096,
    'cgroup.memory.peak': 8192,
    'cgroup.memory.swap.usage': 0,
    'cgroup.memory.events event=low': 0,
    'cgroup.memory.events event=high': 1,
    'cgroup.memory.events event=max': 2,
    'cgroup.memory.events event=oom': 3,
    'cgroup.memory.events event=oom_kill': 4,
    'cgroup.disk.io device=8:0 direction=read': 1,
    'cgroup.disk.io device=8:0 direction=write': 2,
    'cgroup.disk.operations device=8:0 direction=read': 3,
    'cgroup.disk.operations device=8:0 direction=write': 4,
    'cgroup.pids.count': 5,
    'cgroup.pids.limit': 100,
    'cgroup.memory.pressure.total system.pressure.stall_type=some': 1.5,
  });
});

test('cgroup: globs name groups, and exclusions take them away', { skip }, async () => {
  const files = groups('', '/agent.slice', '/system.slice', '/system.slice/a.service',
    '/system.slice/b.service', '/system.slice/c.scope', '/kubepods/pod1/x', '/kubepods/pod2/y');
  const check = async (choice: Partial<GroupChoice>, want: string[]) =>
    assert.deepEqual(pathsOf(await scrape(files, { own: false, ...choice })), want);
  await check({ include: ['/system.slice/*.service'] },
    ['/system.slice/a.service', '/system.slice/b.service']);
  await check({ include: ['/system.slice/{a,b}.service'], exclude: ['/system.slice/b*'] },
    ['/system.slice/a.service']);
  await check({ include: ['/kubepods/**'] }, ['/kubepods/pod1/x', '/kubepods/pod2/y']);
  await check({ include: ['/'] }, ['/']);
  await check({ include: ['/nowhere', '/nowhere/*'] }, []);
  await check({ own: true, include: ['/system.slice'] }, ['/agent.slice', '/system.slice']);
});

test('cgroup: more groups than allowed are left out, and it is said', { skip }, async () => {
  const files = groups('/a', '/b', '/c');
  const found = await scrape(files, { own: false, include: ['/*'], groupsMax: 2 });
  assert.deepEqual(pathsOf(found), ['/a', '/b']);
  assert.deepEqual(found.problems, ['only 2 of 3 control groups are looked at']);
});

test('cgroup: only files of wanted metrics are read', { skip }, async () => {
  const { host } = hostTree({ ...BASE, ...groups('/agent.slice') });
  const read: string[] = [];
  const spying = { ...host, readNowIfThere: (path: string) => {
    read.push(path);
    return host.readNowIfThere(path);
  } };
  await createCgroupScraper(spying, (metric) => metric === 'cgroup.cpu.time',
    { own: true, include: [], exclude: [], groupsMax: 10 }).scrape();
  assert.deepEqual(read, [`${ROOT}/agent.slice/cpu.stat`]);
});

test('cgroup: a host with version 1 alone says so', { skip }, async () => {
  await assert.rejects(scrape({ '/proc/1/mountinfo': '30 24 0:26 / /x rw - tmpfs tmpfs rw\n' }),
    /cgroup version 2 is not mounted/);
});

test('cgroup: what is not of the format leaves nothing behind', () => {
  assert.deepEqual(valuesOf(cpuSamples('user_usec x\n\nsystem_usec 1000\n')),
    { 'cgroup.cpu.time state=system': 0.001 });
  assert.deepEqual(valuesOf(ioStatSamples('8:0\nnonsense rbytes=1\n9:1 rbytes=7 wbytes=x\n')),
    { 'cgroup.disk.io device=9:1 direction=read': 7 });
  assert.deepEqual(valuesOf(memorySamples('anon 1\npgfault 5\npgmajfault 2\nother 3\n')), {
    'cgroup.memory.stat type=anon': 1,
    'cgroup.memory.faults type=major': 2,
    'cgroup.memory.faults type=minor': 3,
  });
});

test('cgroup: every metric has a reader', { skip }, async () => {
  const one = (name: string) => name.includes('pressure') ? 'some avg10=0.00 avg60=0.00 '
    + 'avg300=0.00 total=1\n' : name === 'cpu.stat' ? `${STAT}nr_periods 1\nnr_throttled 1\n`
      + 'throttled_usec 1\n' : name === 'cpu.max' ? '1 1' : name === 'io.stat'
      ? '8:0 rbytes=1 wbytes=2 rios=3 wios=4\n' : name === 'memory.stat'
        ? 'anon 1\npgfault 2\npgmajfault 1\n' : name === 'memory.events' ? 'oom 1\n' : '1\n';
  const names = ['cpu.stat', 'cpu.max', 'memory.current', 'memory.max', 'memory.peak',
    'memory.swap.current', 'memory.swap.max', 'memory.stat', 'memory.events', 'io.stat',
    'pids.current', 'pids.max', 'cpu.pressure', 'memory.pressure', 'io.pressure'];
  const { readings } = await scrape(Object.fromEntries(names.map((name) =>
    [`${ROOT}/agent.slice/${name}`, one(name)])));
  const sent = new Set(readings[0]!.samples.filter(({ value }) => Number.isFinite(value))
    .map(({ metric }) => metric));
  assert.deepEqual([...sent].sort(), cgroupMetrics.map(({ name }) => name).sort());
});
