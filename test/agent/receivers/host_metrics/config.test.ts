// Proves what the configuration accepts and refuses, and that names, units, kinds and defaults of
// all metrics are those of the Collector: the table below is written down from its documentation,
// not from our code.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRICS, hostMetricsSchema } from '../../../../agent/receivers/host_metrics/config.ts';
import { processAttributes } from '../../../../agent/receivers/host_metrics/process_identity.ts';
import { enabledMetrics } from '../../../../agent/receivers/host_metrics/scrapers.ts';

/** `+` on by default, `-` off; counter (monotonic sum), level (sum), gauge; int or double. */
const TABLE: Record<string, string> = {
  cpu: `
    + system.cpu.time s counter double
    - system.cpu.utilization 1 gauge double
    - system.cpu.physical.count {cpu} level int
    - system.cpu.logical.count {cpu} level int
    - system.cpu.frequency Hz gauge double`,
  memory: `
    + system.memory.usage By level int
    - system.memory.utilization 1 gauge double
    - system.memory.limit By level int
    - system.memory.page_size By gauge int
    - system.linux.memory.available By level int
    - system.linux.memory.dirty By level int
    - system.memory.linux.shared By level int
    - system.memory.linux.hugepages.limit {page} level int
    - system.memory.linux.hugepages.page_size By level int
    - system.memory.linux.hugepages.reserved {page} level int
    - system.memory.linux.hugepages.surplus {page} level int
    - system.memory.linux.hugepages.usage {page} level int
    - system.memory.linux.hugepages.utilization 1 gauge double`,
  load: `
    + system.cpu.load_average.1m {thread} gauge double
    + system.cpu.load_average.5m {thread} gauge double
    + system.cpu.load_average.15m {thread} gauge double`,
  disk: `
    + system.disk.io By counter int
    + system.disk.operations {operations} counter int
    + system.disk.io_time s counter double
    + system.disk.operation_time s counter double
    + system.disk.weighted_io_time s counter double
    + system.disk.pending_operations {operations} level int
    + system.disk.merged {operations} counter int`,
  filesystem: `
    + system.filesystem.usage By level int
    + system.filesystem.inodes.usage {inodes} level int
    - system.filesystem.utilization 1 gauge double`,
  network: `
    + system.network.io By counter int
    + system.network.packets {packets} counter int
    + system.network.errors {errors} counter int
    + system.network.dropped {packets} counter int
    + system.network.connections {connections} level int
    - system.network.conntrack.count {entries} level int
    - system.network.conntrack.max {entries} level int`,
  paging: `
    + system.paging.usage By level int
    - system.paging.utilization 1 gauge double
    + system.paging.operations {operations} counter int
    + system.paging.faults {faults} counter int`,
  processes: `
    + system.processes.count {processes} level int
    + system.processes.created {processes} counter int`,
  process: `
    + process.cpu.time s counter double
    - process.cpu.utilization 1 gauge double
    + process.memory.usage By level int
    + process.memory.virtual By level int
    - process.memory.utilization 1 gauge double
    + process.disk.io By counter int
    - process.disk.operations {operations} counter int
    - process.paging.faults {faults} counter int
    - process.context_switches {count} counter int
    - process.threads {threads} level int
    - process.open_file_descriptors {count} level int
    - process.signals_pending {signals} level int
    - process.handles {count} level int
    - process.uptime s gauge double`,
  system: '+ system.uptime s gauge double',
  pressure: ['cpu', 'memory', 'io', 'irq'].map((subject) => `
    + system.${subject}.linux.pressure.total s counter double
    - system.${subject}.linux.pressure.10s 1 gauge double
    - system.${subject}.linux.pressure.1m 1 gauge double
    - system.${subject}.linux.pressure.5m 1 gauge double`).join(''),
  // Ours: the Collector has no scraper for control groups.
  cgroup: `
    + cgroup.cpu.time s counter double
    + cgroup.cpu.limit {cpu} gauge double
    + cgroup.cpu.periods {period} counter int
    + cgroup.cpu.throttled.periods {period} counter int
    + cgroup.cpu.throttled.time s counter double
    + cgroup.memory.usage By level int
    + cgroup.memory.limit By level int
    - cgroup.memory.peak By level int
    + cgroup.memory.stat By level int
    + cgroup.memory.swap.usage By level int
    - cgroup.memory.swap.limit By level int
    + cgroup.memory.faults {fault} counter int
    + cgroup.memory.events {event} counter int
    + cgroup.disk.io By counter int
    + cgroup.disk.operations {operation} counter int
    + cgroup.pids.count {process} level int
    + cgroup.pids.limit {process} level int
    - cgroup.cpu.pressure.total s counter double
    - cgroup.memory.pressure.total s counter double
    - cgroup.io.pressure.total s counter double`,
  // Only the temperatures are the Collector's.
  hardware: `
    + hw.temperature Cel gauge double
    - hw.temperature.limit Cel gauge double
    + hw.fan.speed rpm gauge double
    - hw.fan.speed.limit rpm gauge double
    + hw.voltage V gauge double
    - hw.voltage.limit V gauge double
    + hw.power W gauge double
    - hw.power.limit W gauge double`,
};

test('host_metrics config: metrics are those of the Collector', () => {
  assert.deepEqual(Object.keys(METRICS).sort(), Object.keys(TABLE).sort());
  for (const [scraper, definitions] of Object.entries(METRICS)) {
    const lines = definitions.map(({ enabled, name, unit, kind, value }) =>
      `${enabled ? '+' : '-'} ${name} ${unit} ${kind} ${value}`);
    const want = TABLE[scraper]!.trim().split('\n').map((line) => line.trim());
    assert.deepEqual(lines.sort(), want.sort(), scraper);
    for (const { description, name } of definitions) assert.match(description, /^[A-Z].*\.$/, name);
  }
});

test('host_metrics config: defaults', () => {
  const config = hostMetricsSchema().parse({ scrapers: { cpu: null, process: {} } });
  assert.equal(config.collection_interval, 60_000);
  assert.equal(config.initial_delay, 1000);
  assert.equal(config.root_path, '');
  assert.equal(config.scrapers.memory, undefined);
  assert.equal(config.scrapers.process!.scrape_process_delay, 0);
  const on = Object.entries(config.scrapers.process!.resource_attributes)
    .filter(([, { enabled }]) => enabled).map(([name]) => name);
  assert.deepEqual(on, Object.keys(processAttributes).filter((name) => name !== 'process.cgroup'));
  assert.deepEqual([...enabledMetrics(config.scrapers)].map(([name, all]) => [name, all.length]),
    [['cpu', 1], ['process', 4]]);
});

test('host_metrics config: metrics are switched one by one', () => {
  const config = hostMetricsSchema().parse({
    scrapers: {
      cpu: { metrics: {
        'system.cpu.time': { enabled: false }, 'system.cpu.utilization': { enabled: true },
      } },
    },
  });
  assert.deepEqual(enabledMetrics(config.scrapers).get('cpu')!.map(({ name }) => name),
    ['system.cpu.utilization']);
});

test('host_metrics config: everything the Collector has is understood', () => {
  const strict = { match_type: 'strict' };
  hostMetricsSchema().parse({
    collection_interval: '10s',
    metadata_collection_interval: '5m',
    initial_delay: '0s',
    timeout: '5s',
    root_path: '/hostfs',
    scrapers: {
      load: { cpu_average: true },
      disk: { include: { devices: ['sda'], ...strict }, exclude: { devices: ['a'], ...strict } },
      filesystem: {
        include_devices: { devices: ['a'], ...strict },
        exclude_devices: { devices: ['a'], ...strict },
        include_fs_types: { fs_types: ['a'], ...strict },
        exclude_fs_types: { fs_types: ['a'], ...strict },
        include_mount_points: { mount_points: ['a'], ...strict },
        exclude_mount_points: { mount_points: ['^/snap/.*'], match_type: 'regexp' },
        include_virtual_filesystems: true,
      },
      network: { include: { interfaces: ['(?i)eth'], match_type: 'regexp' } },
      process: {
        include: { names: ['a'], ...strict },
        mute_process_all_errors: true,
        mute_process_name_error: true,
        mute_process_exe_error: true,
        mute_process_io_error: true,
        mute_process_user_error: true,
        mute_process_cgroup_error: true,
        scrape_process_delay: '5s',
        resource_attributes: { 'process.command_line': { enabled: false } },
      },
      hardware: {
        temperature: {
          include: { sensors: ['Core.*'], match_type: 'regexp' },
          exclude: { sensors: ['temp1'], ...strict },
        },
      },
    },
  });
});

test('host_metrics config: mistakes are refused where they are', () => {
  const check = (value: unknown, path: string, hint?: RegExp) => {
    const result = hostMetricsSchema().safeParse(value);
    assert.equal(result.success, false, JSON.stringify(value));
    const issue = result.error!.issues[0]!;
    assert.equal(issue.path.join('.'), path, JSON.stringify(result.error!.issues));
    if (hint !== undefined) assert.match(JSON.stringify(issue), hint);
  };
  check({}, 'scrapers');
  check({ scrapers: {} }, 'scrapers', /names no scraper/);
  check({ scrapers: { cpu: null, cpus: null } }, 'scrapers', /unrecognized_keys/);
  check({ scrapers: { nfs: null, cpu: null } }, 'scrapers.nfs', /does not have yet.*here are cpu/);
  check({ scrapers: { cgroup: { include: ['system.slice'] } } }, 'scrapers.cgroup.include.0',
    /must begin with/);
  check({ scrapers: { cgroup: { cgroups_max: 0 } } }, 'scrapers.cgroup.cgroups_max');
  check({ scrapers: { hardware: { fan: { include: { sensors: ['a'] } } } } },
    'scrapers.hardware.fan.include.match_type');
  check({ scrapers: { cpu: { metrics: { 'system.cpu.tim': {} } } } }, 'scrapers.cpu.metrics');
  check({ scrapers: { disk: { include: { devices: ['a'] } } } },
    'scrapers.disk.include.match_type');
  check({ scrapers: { disk: { include: { devices: ['('], match_type: 'regexp' } } } },
    'scrapers.disk.include.devices.0', /regular expression/);
  check({ scrapers: { cpu: null }, root_path: 'hostfs' }, 'root_path');
  check({ scrapers: { cpu: null }, collection_interval: '0s' }, 'collection_interval');
});
