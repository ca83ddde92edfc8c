// Proves that the texts of the kernel become the right numbers, on fixtures that follow the
// documented formats of old and new kernels (proc(5), iostats.rst, psi.rst), and that lines which
// are not of the format leave nothing behind and do not disturb their neighbours.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFilter } from '../../../../../agent/receivers/host_metrics/filter.ts';
import {
  namedNumbers, parseBootNs, parsePageBytes,
} from '../../../../../agent/receivers/host_metrics/host.ts';
import {
  countCoresOf, cpuTimeSamples, createCpuScraper, parseCpuTimes, parseFrequencies,
  utilizationSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/cpu.ts';
import { diskSamples } from '../../../../../agent/receivers/host_metrics/scrapers/disk.ts';
import {
  createLoadScraper, loadSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/load.ts';
import { memorySamples } from '../../../../../agent/receivers/host_metrics/scrapers/memory.ts';
import {
  connectionSamples, createNetworkScraper, interfaceSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/network.ts';
import {
  pagingSamples, swapSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/paging.ts';
import {
  createPressureScraper, pressureSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/pressure.ts';
import {
  processesSamples,
} from '../../../../../agent/receivers/host_metrics/scrapers/processes.ts';
import { uptimeSamples } from '../../../../../agent/receivers/host_metrics/scrapers/system.ts';
import { fakeHost, valuesOf, valuesOfMetric } from '../readings.ts';

const all = createFilter();

test('host: boot time, page size and named numbers', () => {
  assert.equal(parseBootNs('cpu 1 2\nbtime 1700000001\nprocesses 3\n'), 1700000001000000000n);
  assert.throws(() => parseBootNs('cpu 1 2\n'), /no btime/);
  assert.equal(parsePageBytes(null), 4096);
  const words = new BigUint64Array([16n, 1n, 6n, 16384n, 0n, 0n]);
  assert.equal(parsePageBytes(Buffer.from(words.buffer)), 16384);
  assert.deepEqual([...namedNumbers('a 1\nb:  2 kB\nc: x\n: 4\nHuge(x): 5\n')],
    [['a', 1], ['b', 2], ['Huge(x)', 5]]);
});

const STAT = `cpu  300 0 60 1000 10 1 2 3 0 0
cpu0 100 5 20 500 6 1 2 3 50 1
cpu1 200 0 40 500 4 0 0 0 0 0
intr 12345 0 0
btime 1700000000
processes 4242
procs_running 3
procs_blocked 1
`;

test('cpu: ticks are hundredths of a second, guests are not counted twice', () => {
  assert.deepEqual(valuesOf(cpuTimeSamples(parseCpuTimes(STAT.replace(/^cpu1.*\n/m, '')))), {
    'system.cpu.time cpu=cpu0 state=user': 1,
    'system.cpu.time cpu=cpu0 state=nice': 0.05,
    'system.cpu.time cpu=cpu0 state=system': 0.2,
    'system.cpu.time cpu=cpu0 state=idle': 5,
    'system.cpu.time cpu=cpu0 state=wait': 0.06,
    'system.cpu.time cpu=cpu0 state=interrupt': 0.01,
    'system.cpu.time cpu=cpu0 state=softirq': 0.02,
    'system.cpu.time cpu=cpu0 state=steal': 0.03,
  });
});

test('cpu: kernels without steal, malformed lines', () => {
  const times = parseCpuTimes('cpu0 1 2 3 4 5 6 7\ncpu1 1 2 3\ncpu2 a 2 3 4 5 6 7 8\ncpux 1 2\n');
  assert.deepEqual([...times], [['cpu0', [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0]]]);
});

test('cpu: utilization is the share between two scrapes', () => {
  const before = parseCpuTimes('cpu0 100 0 0 100 0 0 0 0\n');
  const after = parseCpuTimes('cpu0 130 0 10 160 0 0 0 0\ncpu1 5 0 0 5 0 0 0 0\n');
  const values = valuesOfMetric(utilizationSamples(before, after), 'system.cpu.utilization');
  assert.equal(Object.keys(values).length, 8, 'a CPU that was not there before has none');
  assert.ok(Math.abs(values['cpu=cpu0 state=user']! - 0.3) < 1e-9);
  assert.ok(Math.abs(values['cpu=cpu0 state=idle']! - 0.6) < 1e-9);
  const sum = Object.values(values).reduce((total, one) => total + one, 0);
  assert.ok(Math.abs(sum - 1) < 1e-9);
  const still = Object.values(valuesOf(utilizationSamples(after, after)));
  assert.ok(still.every((one) => one === 0), 'no time has passed');
});

const CPUINFO = `processor\t: 0
physical id\t: 0
cpu cores\t: 2
cpu MHz\t\t: 2596.140

processor\t: 1
physical id\t: 1
cpu cores\t: 2
cpu MHz\t\t: 800.000
`;

test('cpu: cores and frequencies', async () => {
  assert.equal(countCoresOf(CPUINFO), 4);
  assert.ok(Number.isNaN(countCoresOf('processor\t: 0\nBogoMIPS\t: 50.00\n')));
  assert.deepEqual([...parseFrequencies(CPUINFO)], [['cpu0', 2596140000], ['cpu1', 800000000]]);
  const sys = '/sys/devices/system/cpu';
  const { host } = fakeHost({
    '/proc/stat': STAT,
    '/proc/cpuinfo': 'processor\t: 0\n\nprocessor\t: 1\n',
    [`${sys}/cpu0/topology/core_cpus_list`]: '0-1\n',
    [`${sys}/cpu1/topology/thread_siblings_list`]: '0-1\n',
    [`${sys}/cpu1/cpufreq/scaling_cur_freq`]: '1500000\n',
  });
  const scrape = await createCpuScraper(host, () => true).scrape();
  const values = valuesOf(scrape.readings[0]!.samples);
  assert.equal(values['system.cpu.physical.count'], 1, 'two threads of one core');
  assert.equal(values['system.cpu.logical.count'], 2);
  assert.equal(values['system.cpu.frequency cpu=cpu1'], 1.5e9);
  assert.equal(values['system.cpu.frequency cpu=cpu0'], undefined);
});

test('cpu: what nobody wants is not read', async () => {
  const { host } = fakeHost({ '/proc/stat': STAT, '/proc/cpuinfo': new Error('read') });
  const scrape = await createCpuScraper(host, (name) => name === 'system.cpu.time').scrape();
  assert.deepEqual(scrape.problems, []);
});

const MEMINFO = `MemTotal:       1000 kB
MemFree:         400 kB
MemAvailable:    700 kB
Buffers:          50 kB
Cached:          200 kB
Shmem:            10 kB
Dirty:             3 kB
SReclaimable:     60 kB
SUnreclaim:       20 kB
HugePages_Total:       4
HugePages_Free:        1
HugePages_Rsvd:        2
HugePages_Surp:        0
Hugepagesize:       2048 kB
`;

test('memory: the states of the Collector over gopsutil', () => {
  const samples = memorySamples(MEMINFO);
  assert.deepEqual(valuesOfMetric(samples, 'system.memory.usage'), {
    'state=used': 300 * 1024,
    'state=free': 400 * 1024,
    'state=buffered': 50 * 1024,
    'state=cached': 260 * 1024,
    'state=slab_reclaimable': 60 * 1024,
    'state=slab_unreclaimable': 20 * 1024,
  });
  const values = valuesOf(samples);
  assert.equal(values['system.memory.utilization state=used'], 0.3);
  assert.equal(values['system.memory.limit'], 1000 * 1024);
  assert.equal(values['system.linux.memory.available'], 700 * 1024);
  assert.equal(values['system.linux.memory.dirty'], 3 * 1024);
  assert.equal(values['system.memory.linux.shared'], 10 * 1024);
  const prefix = 'system.memory.linux.hugepages';
  assert.equal(values[`${prefix}.usage ${prefix}.state=used`], 3);
  assert.equal(values[`${prefix}.utilization ${prefix}.state=free`], 0.25);
  assert.equal(values[`${prefix}.page_size`], 2048 * 1024);
});

test('memory: kernels before 3.14, kernels without slabs, no total', () => {
  const old = MEMINFO.replace(/^MemAvailable.*\n/m, '');
  assert.equal(valuesOf(memorySamples(old))['system.memory.usage state=used'], 340 * 1024);
  const bare = 'MemTotal: 100 kB\nMemFree: 40 kB\nCached: 10 kB\nbroken\nBuffers: many kB\n';
  assert.deepEqual(valuesOfMetric(memorySamples(bare), 'system.memory.usage'),
    { 'state=used': 50 * 1024, 'state=free': 40 * 1024, 'state=cached': 10 * 1024 });
  assert.throws(() => memorySamples('MemFree: 1 kB\n'), /no MemTotal/);
});

test('load: averages, per CPU, malformed', async () => {
  assert.deepEqual(valuesOf(loadSamples('2.00 1.50 0.25 4/129 8532\n', 1)), {
    'system.cpu.load_average.1m': 2,
    'system.cpu.load_average.5m': 1.5,
    'system.cpu.load_average.15m': 0.25,
  });
  assert.deepEqual(valuesOf(loadSamples('x 1.50\n', 1)), { 'system.cpu.load_average.5m': 1.5 });
  const { host } = fakeHost({ '/proc/stat': STAT, '/proc/loadavg': '2.00 1.50 0.25 4/129 8532\n' });
  const { readings } = await createLoadScraper(host, true).scrape();
  assert.equal(valuesOf(readings[0]!.samples)['system.cpu.load_average.1m'], 1);
});

const DISKSTATS = `   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
   8       0 sda 10 1 200 3000 20 2 400 5000 6 7000 8000
   8       1 sda1 1 0 2 0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 5 0 8 1 9 0 16 2 0 3 4 100 0 1000 10 8 0
   8      16 sdb 1 2 3
   8      32 sdc 1 2 x 4 5 6 7 8 9 10 11
`;

test('disk: old and new kernels, silent and malformed devices', () => {
  const values = valuesOf(diskSamples(DISKSTATS, all));
  assert.equal(Object.keys(values).length, 3 * 11);
  assert.deepEqual(Object.fromEntries(Object.entries(values)
    .filter(([key]) => / device=sda( |$)/.test(key))), {
    'system.disk.io device=sda direction=read': 200 * 512,
    'system.disk.io device=sda direction=write': 400 * 512,
    'system.disk.operations device=sda direction=read': 10,
    'system.disk.operations device=sda direction=write': 20,
    'system.disk.operation_time device=sda direction=read': 3,
    'system.disk.operation_time device=sda direction=write': 5,
    'system.disk.merged device=sda direction=read': 1,
    'system.disk.merged device=sda direction=write': 2,
    'system.disk.io_time device=sda': 7,
    'system.disk.weighted_io_time device=sda': 8,
    'system.disk.pending_operations device=sda': 6,
  });
  assert.equal(values['system.disk.io device=nvme0n1 direction=write'], 16 * 512);
});

test('disk: filters by name', () => {
  const devices = (filter: Parameters<typeof createFilter>) => [...new Set(
    Object.keys(valuesOf(diskSamples(DISKSTATS, createFilter(...filter))))
      .map((key) => /device=(\S+)/.exec(key)![1]))];
  assert.deepEqual(devices([{ names: ['sda'], matchType: 'strict' }]), ['sda']);
  assert.deepEqual(devices([{ names: ['^sda'], matchType: 'regexp' }]), ['sda', 'sda1']);
  assert.deepEqual(devices([undefined, { names: ['^sda'], matchType: 'regexp' }]), ['nvme0n1']);
  assert.deepEqual(devices([{ names: ['sd'], matchType: 'regexp' },
    { names: ['sda1'], matchType: 'strict' }]), ['sda']);
});

const DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0 0 0 0 0
  eth0:4140 11 1 2 0 0 0 0 9258 7 3 4 0 0 0 0
eth0:1: 5 6 0 0 0 0 0 0 7 8 0 0 0 0 0 0
  bad0: 1 2 3
  bad1: 1 2 x 4 5 6 7 8 9 10 11 12 13 14 15 16
`;

test('network: interfaces, with and without a blank after the colon', () => {
  const values = valuesOf(interfaceSamples(DEV, createFilter(undefined,
    { names: ['lo'], matchType: 'strict' })));
  assert.equal(Object.keys(values).length, 2 * 8);
  assert.deepEqual(Object.fromEntries(Object.entries(values).slice(0, 8)), {
    'system.network.io device=eth0 direction=receive': 4140,
    'system.network.io device=eth0 direction=transmit': 9258,
    'system.network.packets device=eth0 direction=receive': 11,
    'system.network.packets device=eth0 direction=transmit': 7,
    'system.network.errors device=eth0 direction=receive': 1,
    'system.network.errors device=eth0 direction=transmit': 3,
    'system.network.dropped device=eth0 direction=receive': 2,
    'system.network.dropped device=eth0 direction=transmit': 4,
  });
  assert.equal(values['system.network.io device=eth0:1 direction=transmit'], 7);
});

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000 0 0 2 1
10000: 0100007F:1F90 0100007F:C002 06 00000000:00000000 00:00000000 00000000 0 0 3 1
broken
   4: 0100007F:1F90 0100007F:C003 FF 00000000:00000000 00:00000000 00000000 0 0 4 1
   5: 0100007F:1F90 0100007F:C004 05 00000000:00000000 00:00000000 00000000 0 0 5 1`;
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:14EA 00000000000000000000000000000000:0000 0A 00:0
   1: 0000000000000000FFFF00000100007F:14EA 0000000000000000FFFF00000100007F:9C40 0C 00:0
`;

test('network: connections by state, always all twelve', () => {
  assert.deepEqual(valuesOfMetric(connectionSamples([TCP, TCP6, '']), 'system.network.connections'),
    Object.fromEntries(Object.entries({
      ESTABLISHED: 1, SYN_SENT: 0, SYN_RECV: 1, FIN_WAIT_1: 0, FIN_WAIT_2: 1, TIME_WAIT: 1,
      CLOSE: 0, CLOSE_WAIT: 0, LAST_ACK: 0, LISTEN: 2, CLOSING: 0, DELETE: 0,
    }).map(([state, value]) => [`protocol=tcp state=${state}`, value])));
});

test('network: conntrack, with and without its module', async () => {
  const folder = '/proc/sys/net/netfilter';
  const { host, files } = fakeHost({
    '/proc/net/dev': DEV, [`${folder}/nf_conntrack_count`]: '17\n',
    [`${folder}/nf_conntrack_max`]: '262144\n',
  });
  const scraper = createNetworkScraper(host, all, () => true);
  const values = valuesOf((await scraper.scrape()).readings[0]!.samples);
  assert.equal(values['system.network.conntrack.count'], 17);
  assert.equal(values['system.network.conntrack.max'], 262144);
  delete files[`${folder}/nf_conntrack_count`];
  assert.equal((await scraper.scrape()).problems.length, 1);
});

test('paging: swap devices, operations and faults', () => {
  const swaps = `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/sda2                               partition\t2000\t\t500\t\t-2
/swap\\040file file 0 0 -3
/dev/bad partition
`;
  const samples = swapSamples(swaps);
  assert.deepEqual(valuesOfMetric(samples, 'system.paging.usage'), {
    'device=/dev/sda2 state=used': 500 * 1024,
    'device=/dev/sda2 state=free': 1500 * 1024,
    'device=/swap\\040file state=used': 0,
    'device=/swap\\040file state=free': 0,
  });
  const shares = valuesOfMetric(samples, 'system.paging.utilization');
  assert.equal(shares['device=/dev/sda2 state=used'], 0.25);
  assert.equal(shares['device=/dev/sda2 state=free'], 0.75);
  assert.deepEqual(swapSamples(''), []);
  const vmstat = 'nr_free 1\npgpgin 10\npgpgout 20\npswpin 3\npswpout 4\npgfault 100\n'
    + 'pgmajfault 7\n';
  assert.deepEqual(valuesOf(pagingSamples(vmstat)), {
    'system.paging.operations direction=page_in type=major': 3,
    'system.paging.operations direction=page_out type=major': 4,
    'system.paging.operations direction=page_in type=minor': 10,
    'system.paging.operations direction=page_out type=minor': 20,
    'system.paging.faults type=major': 7,
    'system.paging.faults type=minor': 93,
  });
  assert.deepEqual(valuesOf(pagingSamples('pgfault x\n')), {});
});

test('processes: states by letter, running and blocked from /proc/stat', () => {
  const samples = processesSamples(['S', 'S', 'I', 'R', 'D', 'Z', 'T', 't', 'X', 'W'], STAT);
  assert.deepEqual(valuesOf(samples), {
    'system.processes.count status=blocked': 1,
    'system.processes.count status=idle': 1,
    'system.processes.count status=running': 3,
    'system.processes.count status=sleeping': 2,
    'system.processes.count status=stopped': 2,
    'system.processes.count status=zombies': 1,
    'system.processes.count status=unknown': 1,
    'system.processes.count status=paging': 1,
    'system.processes.created': 4242,
  });
});

test('system: uptime', () => {
  assert.deepEqual(valuesOf(uptimeSamples('1392.18 1984.63\n')), { 'system.uptime': 1392.18 });
  assert.deepEqual(valuesOf(uptimeSamples('')), {});
});

test('pressure: totals in seconds, averages as shares', async () => {
  const content = `some avg10=1.50 avg60=0.54 avg300=0.75 total=18700858
full avg10=0.00 avg60=x avg300=0.00 total=0
`;
  assert.deepEqual(valuesOf(pressureSamples('memory', content)), {
    'system.memory.linux.pressure.total system.pressure.stall_type=some': 18.700858,
    'system.memory.linux.pressure.10s system.pressure.stall_type=some': 0.015,
    'system.memory.linux.pressure.1m system.pressure.stall_type=some': 0.0054,
    'system.memory.linux.pressure.5m system.pressure.stall_type=some': 0.0075,
  });
  const { host, files } = fakeHost({});
  await assert.rejects(createPressureScraper(host).scrape(), /without pressure/);
  files['/proc/pressure/cpu'] = content;
  assert.equal((await createPressureScraper(host).scrape()).readings[0]!.samples.length, 4);
});
