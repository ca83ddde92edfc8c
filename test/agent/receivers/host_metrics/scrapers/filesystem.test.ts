// Proves which mounts count as file systems and what is told of each, on mountinfo lines of the
// documented format (proc_pid_mountinfo(5)): binds, subvolumes, names with blanks, hidden mounts,
// mapped devices, and mounts whose space cannot be asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createFilesystemScraper, filesystemSamples, parseMounts, parseRealTypes, selectMounts,
  type FilesystemFilters,
} from '../../../../../agent/receivers/host_metrics/scrapers/filesystem.ts';
import { createHost } from '../../../../../agent/receivers/host_metrics/host.ts';
import { createWorld } from '../../../../../runtime/world.ts';
import { denied, fakeHost, valuesOf } from '../readings.ts';

const MOUNTINFO = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/root rw,discard
30 27 8:1 / /data\\040disk ro,relatime shared:1 master:2 - xfs /dev/sda1 rw
31 27 8:1 /sub /bound rw,relatime - xfs /dev/sda1 rw
32 27 0:40 /@home /home rw,relatime - btrfs /dev/sdb1 rw,subvolid=256,subvol=/@home
33 27 0:50 / /run rw,nosuid - tmpfs tmpfs rw,size=1024k
34 27 253:3 / /var rw - ext4 /dev/mapper/vg-var ro
35 27 0:60 / /pool rw - zfs tank/pool rw,xattr
36 27 0:4 net:[4026531840] /run/netns/a rw - nsfs nsfs rw
37 27 9:9 / /over rw - ext4 /dev/sdc1 rw
38 27 9:10 / /over rw - ext4 /dev/sdd1 rw
broken line
40 27 9:11 / - ext4
`;
const FILESYSTEMS = `nodev\tsysfs
nodev\ttmpfs
\text4
\txfs
\tbtrfs
nodev\tzfs
nodev\tproc
`;
const NONE: FilesystemFilters = { includeVirtual: false };

test('filesystem: mounts are read, with names and modes', () => {
  const mounts = parseMounts(MOUNTINFO);
  assert.equal(mounts.length, 11);
  assert.deepEqual(mounts[2], {
    device: '/dev/sda1', mountPoint: '/data disk', type: 'xfs', mode: 'ro', deviceNumber: '8:1',
    bind: false,
  });
  const at = (point: string) => mounts.find(({ mountPoint }) => mountPoint === point)!;
  assert.equal(at('/bound').bind, true);
  assert.equal(at('/home').bind, false, 'a subvolume is a file system of its own');
  assert.equal(at('/var').mode, 'ro', 'the file system allows less than the mount');
  assert.equal(at('/run/netns/a').device, 'net:[4026531840]');
});

test('filesystem: only what is on storage, and what is visible', () => {
  const real = parseRealTypes(FILESYSTEMS);
  assert.deepEqual([...real], ['ext4', 'xfs', 'btrfs', 'zfs']);
  const mounts = parseMounts(MOUNTINFO);
  const points = (types: Set<string> | null) =>
    selectMounts(mounts, types).map(({ mountPoint }) => mountPoint);
  assert.deepEqual(points(real), ['/', '/data disk', '/home', '/var', '/pool', '/over']);
  assert.equal(points(null).length, 10);
  const over = selectMounts(mounts, real).find(({ mountPoint }) => mountPoint === '/over');
  assert.equal(over?.device, '/dev/sdd1');
});

test('filesystem: used, free and reserved as df has them', () => {
  const [mount] = parseMounts(MOUNTINFO).filter(({ mountPoint }) => mountPoint === '/');
  const values = valuesOf(filesystemSamples({ ...mount!, device: '/dev/vda' }, {
    totalBytes: 1000, freeBytes: 400, availableBytes: 300, inodes: 50, inodesFree: 20,
  }));
  const own = 'device=/dev/vda mode=rw mountpoint=/ type=ext4';
  assert.deepEqual(values, {
    [`system.filesystem.usage ${own} state=used`]: 600,
    [`system.filesystem.usage ${own} state=free`]: 300,
    [`system.filesystem.usage ${own} state=reserved`]: 100,
    [`system.filesystem.inodes.usage ${own} state=used`]: 30,
    [`system.filesystem.inodes.usage ${own} state=free`]: 20,
    [`system.filesystem.utilization ${own}`]: 600 / 900,
  });
});

/** The devices and mount points that a scraper with these filters tells. */
async function scrapeWith(filters: Partial<FilesystemFilters>, files = {}) {
  const { host } = fakeHost({
    '/proc/filesystems': FILESYSTEMS,
    '/proc/1/mountinfo': MOUNTINFO,
    '/sys/dev/block/254:0': '../../devices/pci/block/vda',
    '/dev/mapper/vg-var': '/dev/dm-3',
    ...files,
  });
  const space = async (path: string) => {
    if (path === '/pool') throw new Error('cannot read /pool: it is gone');
    return { totalBytes: 10, freeBytes: 5, availableBytes: 5, inodes: 0, inodesFree: 0 };
  };
  const scraper = createFilesystemScraper({ ...host, space }, { ...NONE, ...filters });
  const { readings, problems } = await scraper.scrape();
  const found = Object.keys(valuesOf(readings[0]!.samples))
    .flatMap((key) => /usage device=(\S+) mode=\S+ mountpoint=(.*) type=\S+ state=used/.exec(key)
      ?.slice(1).join(' ') ?? []);
  return { found: [...new Set(found)], problems };
}

test('filesystem: real devices; a mount that fails does not stop the others', async () => {
  const { found, problems } = await scrapeWith({});
  assert.deepEqual(found, [
    '/dev/vda /', '/dev/sda1 /data disk', '/dev/sdb1 /home', '/dev/dm-3 /var', '/dev/sdd1 /over',
  ]);
  assert.deepEqual(problems, ['cannot read /pool: it is gone']);
});

test('filesystem: filters by device, type and mount point', async () => {
  const strict = (...names: string[]) => ({ names, matchType: 'strict' as const });
  const check = async (filters: Partial<FilesystemFilters>, want: string[]) =>
    assert.deepEqual((await scrapeWith(filters)).found, want);
  await check({ includeDevices: strict('/dev/dm-3') }, ['/dev/dm-3 /var']);
  await check({ includeTypes: strict('btrfs') }, ['/dev/sdb1 /home']);
  await check({ excludeTypes: strict('ext4', 'xfs', 'zfs') }, ['/dev/sdb1 /home']);
  await check({ includeMountPoints: { names: ['^/d'], matchType: 'regexp' } },
    ['/dev/sda1 /data disk']);
  await check({ includeVirtual: true, includeTypes: strict('tmpfs') }, ['tmpfs /run']);
});

test('filesystem: where the first process may not be read, this one is', async () => {
  const { found } = await scrapeWith({}, {
    '/proc/1/mountinfo': denied(),
    '/proc/self/mountinfo': '27 1 254:0 / / rw - ext4 /dev/vdb rw\n',
  });
  assert.deepEqual(found, ['/dev/vdb /']);
});

test('filesystem: below root_path the space of the mount on the host is asked for', async () => {
  const asked: string[] = [];
  const real = createWorld();
  const files = {
    ...real.files,
    space: async (path: string) => {
      asked.push(path);
      return { totalBytes: 0, freeBytes: 0, availableBytes: 0, inodes: 0, inodesFree: 0 };
    },
  };
  const host = createHost({ ...real, files }, { rootPath: '/hostfs/', release: '6.1.0' });
  await host.space('/');
  await host.space('/data');
  assert.deepEqual(asked, ['/hostfs', '/hostfs/data']);
});
