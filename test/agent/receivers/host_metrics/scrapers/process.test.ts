// Proves what is told of each process, on files in the documented formats (proc_pid_stat(5),
// proc_pid_io(5), proc_pid_status(5)): names with brackets, kernel threads, processes that hide
// their files or end while they are read, and that what hardly changes is not read every time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fullName, parseCommandLine, parseUserId, parseUsers, processAttributes,
} from '../../../../../agent/receivers/host_metrics/process_identity.ts';
import {
  createProcessTable, parseProcessStat,
} from '../../../../../agent/receivers/host_metrics/process_table.ts';
import type { Reading, Scrape } from '../../../../../agent/receivers/readings/readings.ts';
import {
  createProcessScraper, ioSamples, statusSamples, type ProcessOptions,
} from '../../../../../agent/receivers/host_metrics/scrapers/process.ts';
import { broken, denied, fakeHost, statLine, valuesOf } from '../readings.ts';

const SHELL = statLine(42, 'a) (b', {
  3: 'R', 4: 7, 10: 300, 12: 5, 14: 250, 15: 50, 20: 3, 22: 100, 23: 8192, 24: 6, 42: 25,
});

test('process stat: the name may have brackets and blanks', () => {
  assert.deepEqual(parseProcessStat(SHELL), {
    pid: 42, name: 'a) (b', state: 'R', parentPid: 7, minorFaults: 300, majorFaults: 5,
    userSeconds: 2.5, systemSeconds: 0.5, waitSeconds: 0.25, threads: 3, startSeconds: 1,
    virtualBytes: 8192, residentPages: 6,
  });
});

test('process stat: kernels before 2.6.18, and lines that are none', () => {
  const old = SHELL.split(' ').slice(0, 30).join(' ');
  assert.equal(parseProcessStat(old)?.waitSeconds, 0);
  for (const line of ['', '42', '42 (a', 'x (a) S 1', '42 (a) S 1 2 3']) {
    assert.equal(parseProcessStat(line), null, line);
  }
});

test('process identity: command lines, names and users', () => {
  assert.deepEqual(parseCommandLine('/bin/sh\0-c\0a b\0'), ['/bin/sh', '-c', 'a b']);
  assert.deepEqual(parseCommandLine('nginx: worker process\0\0\0  '), ['nginx: worker process']);
  assert.deepEqual(parseCommandLine(''), []);
  assert.equal(fullName('node', ['/usr/bin/python']), 'node');
  assert.equal(fullName('systemd-journal', ['/lib/systemd/systemd-journald']), 'systemd-journald');
  assert.equal(fullName('kworker/0:1-wor', []), 'kworker/0:1-wor');
  assert.equal(parseUserId('Name:\ta\nUid:\t1000\t0\t0\t0\n'), '1000');
  assert.equal(parseUserId(''), '');
  assert.deepEqual([...parseUsers('root:x:0:0::/root:/bin/sh\n\n#x\nann:x:1000:5\ntoor:x:0:0\n')],
    [['0', 'root'], ['1000', 'ann']]);
});

test('process files: io and status', () => {
  const io = 'rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\n';
  assert.deepEqual(valuesOf(ioSamples(io)), {
    'process.disk.io direction=read': 4096,
    'process.disk.io direction=write': 8192,
    'process.disk.operations direction=read': 3,
    'process.disk.operations direction=write': 4,
  });
  assert.deepEqual(valuesOf(ioSamples('')), {});
  const status = 'SigPnd:\t0000000000000001\nShdPnd:\t0000000000004003\nSigBlk:\tffff\n'
    + 'voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n';
  assert.deepEqual(valuesOf(statusSamples(status)), {
    'process.context_switches type=voluntary': 150,
    'process.context_switches type=involuntary': 545,
    'process.signals_pending': 3,
  });
  assert.deepEqual(valuesOf(statusSamples('')), {});
});

const NO_OPTIONS: ProcessOptions = {
  delayMs: 0,
  muted: new Set(),
  attributes: new Set(Object.keys(processAttributes)),
};

function fileTree(): Record<string, string | Error> {
  return {
    '/proc/stat': 'cpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\nbtime 1700000000\n',
    '/proc/meminfo': 'MemTotal: 96 kB\n',
    '/etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
    '/proc/2/stat': statLine(2, 'kthreadd', { 4: 0 }),
    '/proc/2/cmdline': '',
    '/proc/2/status': 'Uid:\t0\t0\t0\t0\n',
    '/proc/2/io': denied(),
    '/proc/42/stat': SHELL,
    '/proc/42/cmdline': '/bin/sh\0-c\0true\0',
    '/proc/42/exe': '/usr/bin/dash',
    '/proc/42/status': 'Uid:\t4711\t0\t0\t0\n',
    '/proc/42/io': 'read_bytes: 1\nwrite_bytes: 2\nsyscr: 3\nsyscw: 4\n',
    '/proc/42/cgroup': '0::/user.slice\n',
    '/proc/42/fd/0': '',
    '/proc/42/fd/1': '',
  };
}

interface Running {
  readonly files: Record<string, string | Error>;
  scrape(): Promise<Scrape>;
}

function running(options: Partial<ProcessOptions> = {}, release = '6.1.0'): Running {
  const { host, files } = fakeHost(fileTree(), release);
  const table = createProcessTable(host);
  const scraper = createProcessScraper(host, table, () => true, { ...NO_OPTIONS, ...options });
  const scrape = () => {
    table.renew();
    return scraper.scrape();
  };
  return { files, scrape };
}

const byPid = ({ readings }: Scrape, pid: number): Reading | undefined =>
  readings.find(({ resource }) => Number(resource[0]?.value.value) === pid);
const attributesOf = (reading: Reading | undefined): Record<string, unknown> =>
  Object.fromEntries(reading!.resource.map(({ key, value }) => [key, value.value]));

test('process: resource, start and numbers', async () => {
  const scrape = await running().scrape();
  const shell = byPid(scrape, 42);
  assert.deepEqual(attributesOf(shell), {
    'process.pid': 42n,
    'process.parent_pid': 7n,
    'process.executable.name': 'a) (b',
    'process.executable.path': '/usr/bin/dash',
    'process.command': '/bin/sh',
    'process.command_line': '/bin/sh -c true',
    'process.owner': '4711',
    'process.cgroup': '0::/user.slice',
  });
  assert.equal(shell!.startNs, 1700000001000000000n);
  const values = valuesOf(shell!.samples);
  const page = values['process.memory.usage']! / 6;
  assert.ok([4096, 16384, 65536].includes(page));
  assert.equal(values['process.cpu.time state=user'], 2.5);
  assert.equal(values['process.cpu.time state=wait'], 0.25);
  assert.equal(values['process.memory.virtual'], 8192);
  assert.equal(values['process.memory.utilization'], 100 * 6 * page / (96 * 1024));
  assert.equal(values['process.disk.io direction=write'], 2);
  assert.equal(values['process.paging.faults type=major'], 5);
  assert.equal(values['process.threads'], 3);
  assert.equal(values['process.open_file_descriptors'], 2);
  assert.equal(values['process.cpu.utilization state=user'], undefined, 'nothing to compare with');
});

test('process: kernels on which reading io may wait give the same', async () => {
  for (const release of ['4.18.0-553.el8', '5.10.0', '5.11.1', '6.0']) {
    const scrape = await running({}, release).scrape();
    assert.equal(valuesOf(byPid(scrape, 42)!.samples)['process.disk.io direction=read'], 1);
    assert.match(scrape.hidden!, /mute_process_io_error/);
  }
});

test('process: a kernel thread has no command; what cannot be read is told once', async () => {
  const { files, scrape } = running();
  const first = await scrape();
  assert.deepEqual(attributesOf(byPid(first, 2)), {
    'process.pid': 2n, 'process.parent_pid': 0n, 'process.executable.name': 'kthreadd',
    'process.owner': 'root',
  });
  assert.deepEqual(first.problems, []);
  files['/proc/2/io'] = broken();
  files['/proc/42/io'] = broken();
  assert.deepEqual((await scrape()).problems,
    ['cannot read /proc/2/io: input/output error (and of 1 other processes)']);
  const muted = running({ muted: new Set(['io']) });
  muted.files['/proc/2/io'] = broken();
  assert.deepEqual((await muted.scrape()).problems, []);
});

test('process: what other users hide is one sentence that says what to do', async () => {
  const { files, scrape } = running();
  files['/proc/2/exe'] = denied();
  files['/proc/42/io'] = denied();
  const { problems, hidden } = await scrape();
  assert.deepEqual(problems, []);
  assert.match(hidden!, /^some facts of other users' processes cannot be read: run as root, .* /);
  assert.match(hidden!, / mute_process_exe_error: true, mute_process_io_error: true$/);
  assert.equal((await running({ muted: new Set(['io']) }).scrape()).hidden, undefined);
});

test('process: filters by name, and by age', async () => {
  const pids = async (options: Partial<ProcessOptions>) =>
    (await running(options).scrape()).readings.map((one) => Number(one.resource[0]!.value.value));
  assert.deepEqual(await pids({ include: { names: ['kthreadd'], matchType: 'strict' } }), [2]);
  assert.deepEqual(await pids({ exclude: { names: ['^k'], matchType: 'regexp' } }), [42]);
  const clockMs = Date.UTC(2026, 0, 1) - 1700000000_000; // One started 1 s after the boot.
  assert.deepEqual(await pids({ delayMs: clockMs - 500 }), [2]);
});

test('process: attributes that are off are not sent', async () => {
  const scrape = await running({ attributes: new Set(['process.pid', 'process.owner']) }).scrape();
  assert.deepEqual(attributesOf(byPid(scrape, 42)),
    { 'process.pid': 42n, 'process.owner': '4711' });
});

test('process: who it is is read again when it became another program', async () => {
  const { files, scrape } = running();
  await scrape();
  files['/proc/42/cmdline'] = '/bin/other\0';
  assert.equal(attributesOf(byPid(await scrape(), 42))['process.command'], '/bin/sh', 'remembered');
  files['/proc/42/stat'] = SHELL.replace('a) (b', 'other');
  assert.equal(attributesOf(byPid(await scrape(), 42))['process.command'], '/bin/other');
  files['/proc/42/cmdline'] = '/bin/last\0';
  for (let count = 0; count < 60; count++) await scrape();
  assert.equal(attributesOf(byPid(await scrape(), 42))['process.command'], '/bin/last',
    'and every few scrapes in any case');
});

test('process: one that is gone is not told, another with its pid is another', async () => {
  const { files, scrape } = running();
  await scrape();
  const before = files['/proc/42/stat']!;
  delete files['/proc/42/stat'];
  assert.equal(byPid(await scrape(), 42), undefined);
  files['/proc/42/stat'] = before;
  files['/proc/42/cmdline'] = '/bin/new\0';
  assert.equal(attributesOf(byPid(await scrape(), 42))['process.command'], '/bin/new');
});

test('process: the table is read once for all who ask, until it is renewed', async () => {
  const { host, files } = fakeHost({ '/proc/1/stat': statLine(1, 'init', {}) });
  const table = createProcessTable(host);
  const first = await table.read();
  files['/proc/3/stat'] = statLine(3, 'b', {});
  files['/proc/10/stat'] = 'broken';
  assert.equal(await table.read(), first);
  table.renew();
  assert.deepEqual((await table.read()).map(({ pid }) => pid), [1, 3]);
});
