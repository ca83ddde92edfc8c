// Proves how the answers of node:os and `systeminformation` become metrics on hosts without /proc.
// This cannot run there: the answers are canned, in the shape that the library documents for macOS
// and Windows, so what the library really says on those platforms is not proven here.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRICS, hostMetricsSchema } from '../../../../agent/receivers/host_metrics/config.ts';
import {
  createOtherScrapers, type OtherHost,
} from '../../../../agent/receivers/host_metrics/other_platform.ts';
import type { Scrape } from '../../../../agent/receivers/readings/readings.ts';
import { createManualClock } from '../../../contract/fakes.ts';
import { valuesOf } from './readings.ts';

const cpu = {
  model: 'Apple M1', speed: 2400, times: { user: 1500, nice: 0, sys: 500, idle: 8000, irq: 10 },
};

const LIBRARY = {
  mem: async () => ({ total: 1000, free: 100, available: 400, swaptotal: 200, swapused: 50 }),
  fsSize: async () => [
    { fs: '/dev/disk1', type: 'APFS', size: 100, used: 60, available: 30, mount: '/', rw: true },
    { fs: '/dev/disk2', type: 'HFS', size: 10, used: 1, available: 9, mount: '/a', rw: null },
  ],
  fsStats: async () => ({ rx: 111, wx: 222 }),
  disksIO: async () => ({ rIO: 3, wIO: 4 }),
  networkStats: async () => [
    {
      iface: 'en0', rx_bytes: 1, tx_bytes: 2, rx_errors: 3, tx_errors: 4, rx_dropped: 5,
      tx_dropped: 6,
    },
    {
      iface: 'lo0', rx_bytes: 7, tx_bytes: 8, rx_errors: 0, tx_errors: 0, rx_dropped: 0,
      tx_dropped: 0,
    },
  ],
  networkConnections: async () => [
    { protocol: 'tcp', state: 'LISTEN' }, { protocol: 'tcp4', state: 'LISTEN' },
    { protocol: 'tcp6', state: 'ESTABLISHED' }, { protocol: 'udp', state: '' },
  ],
  processes: async () => ({
    all: 2, running: 1, blocked: 0, sleeping: 1, unknown: 0,
    list: [
      {
        pid: 1, parentPid: 0, name: 'launchd', path: '/sbin', command: 'launchd', params: '',
        user: 'root', memRss: 10, memVsz: 20,
      },
      {
        pid: 9, parentPid: 1, name: 'node', path: '', command: 'node', params: 'a.js',
        user: 'ann', memRss: 30, memVsz: 40,
      },
    ],
  }),
};

function otherHost(platform: NodeJS.Platform): OtherHost {
  return {
    clock: createManualClock(),
    platform,
    cpus: () => [cpu, cpu],
    loadavg: () => [2, 1, 0.5],
    uptime: () => 3600,
    // Only what these scrapers read of each answer is there.
    load: async () => LIBRARY as unknown as Awaited<ReturnType<OtherHost['load']>>,
  };
}

const everything = Object.fromEntries(Object.keys(METRICS).map((name) => [name, null]));

async function scrape(
  name: string,
  scrapers: Record<string, unknown> = everything,
  platform: NodeJS.Platform = 'darwin',
): Promise<Scrape> {
  const { scrapers: config } = hostMetricsSchema().parse({ scrapers });
  const set = createOtherScrapers(config, otherHost(platform));
  set.renew();
  return set.scrapers.find((one) => one.name === name)!.scrape();
}

const values = async (name: string, scrapers?: Record<string, unknown>) =>
  valuesOf((await scrape(name, scrapers)).readings[0]!.samples);

test('other platforms: cpu, load and uptime from node:os', async () => {
  const cpus = await values('cpu');
  assert.equal(cpus['system.cpu.time cpu=cpu1 state=user'], 1.5);
  assert.equal(cpus['system.cpu.time cpu=cpu0 state=interrupt'], 0.01);
  assert.equal(cpus['system.cpu.logical.count'], 2);
  assert.equal((await values('load'))['system.cpu.load_average.1m'], 2);
  const divided = await values('load', { load: { cpu_average: true } });
  assert.equal(divided['system.cpu.load_average.15m'], 0.25);
  assert.equal((await values('system'))['system.uptime'], 3600);
  const { startNs, timeNs } = (await scrape('cpu')).readings[0]!;
  assert.ok(timeNs - startNs >= 3_600_000_000_000n && timeNs - startNs < 3_601_000_000_000n);
});

test('other platforms: memory, paging and disk', async () => {
  const memory = await values('memory');
  assert.equal(memory['system.memory.usage state=used'], 600);
  assert.equal(memory['system.memory.usage state=free'], 100);
  assert.equal((await values('paging'))['system.paging.usage state=free'], 150);
  assert.deepEqual(await values('disk'), {
    'system.disk.io direction=read': 111,
    'system.disk.io direction=write': 222,
    'system.disk.operations direction=read': 3,
    'system.disk.operations direction=write': 4,
  });
});

test('other platforms: file systems and interfaces, filtered', async () => {
  const own = 'device=/dev/disk1 mode=rw mountpoint=/ type=APFS';
  const mounts = await values('filesystem');
  assert.equal(mounts[`system.filesystem.usage ${own} state=used`], 60);
  assert.equal(mounts[`system.filesystem.usage ${own} state=free`], 30);
  assert.equal(mounts[`system.filesystem.usage ${own} state=reserved`], 10);
  assert.ok(!Object.keys(mounts).some((key) => key.includes('inodes')), 'inodes are not told');
  const hfs = await values('filesystem',
    { filesystem: { include_fs_types: { fs_types: ['HFS'], match_type: 'strict' } } });
  assert.ok(Object.keys(hfs).every((key) => key.includes('mode=unknown')));
  const network = await values('network',
    { network: { exclude: { interfaces: ['lo'], match_type: 'regexp' } } });
  assert.deepEqual(network, {
    'system.network.io device=en0 direction=receive': 1,
    'system.network.io device=en0 direction=transmit': 2,
    'system.network.errors device=en0 direction=receive': 3,
    'system.network.errors device=en0 direction=transmit': 4,
    'system.network.dropped device=en0 direction=receive': 5,
    'system.network.dropped device=en0 direction=transmit': 6,
    'system.network.connections protocol=tcp state=LISTEN': 2,
    'system.network.connections protocol=tcp state=ESTABLISHED': 1,
  });
});

test('other platforms: processes', async () => {
  assert.equal((await values('processes'))['system.processes.count status=sleeping'], 1);
  const { readings } = await scrape('process', {
    process: {
      include: { names: ['node'], match_type: 'strict' },
      resource_attributes: { 'process.owner': { enabled: false } },
    },
  });
  assert.equal(readings.length, 1);
  assert.deepEqual(readings[0]!.resource.map(({ key, value }) => `${key}=${value.value}`), [
    'process.pid=9', 'process.parent_pid=1', 'process.executable.name=node',
    'process.command=node', 'process.command_line=node a.js',
  ]);
  assert.deepEqual(valuesOf(readings[0]!.samples),
    { 'process.memory.usage': 30 * 1024, 'process.memory.virtual': 40 * 1024 });
});

test('other platforms: what a platform cannot tell is a sentence', async () => {
  await assert.rejects(scrape('pressure'), /only Linux/);
  await assert.rejects(scrape('cgroup'), /only Linux/);
  await assert.rejects(scrape('hardware'), /Linux/);
  await assert.rejects(scrape('load', everything, 'win32'), /no load average/);
});
