// Space and inodes of mounted file systems. What is mounted comes from mountinfo (proc_pid_
// mountinfo(5)) of the host's first process, or of this one where that may not be read:
//
//     36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//           (dev)(root)(point)(options)         - (type)(source)  (options)
//
// As in the Collector (and gopsutil's disk_linux.go below it) only file systems on storage count:
// those without `nodev` in /proc/filesystems, and zfs. Bind mounts show what another line has
// shown and are left out. `include_virtual_filesystems` takes all of these in.
//
// used = blocks - free blocks, free = what an ordinary user may have, reserved = the rest; this is
// what `df` prints. Where one mount hides another at the same place, the visible one is told.

import type { FileSystemSpace } from '../../../../runtime/files.ts';
import { createFilter, type Accepts, type NameFilter } from '../filter.ts';
import { type Host } from '../host.ts';
import { pair, text, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';
import { errorMessage } from '../../../../runtime/errors.ts';

export const filesystemMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.filesystem.usage', unit: 'By', kind: 'level', value: 'int', enabled: true,
    description: 'Bytes of the file system in each state.',
  },
  {
    name: 'system.filesystem.inodes.usage', unit: '{inodes}', kind: 'level', value: 'int',
    enabled: true, description: 'Inodes of the file system in each state.',
  },
  {
    name: 'system.filesystem.utilization', unit: '1', kind: 'gauge', value: 'double',
    enabled: false, description: 'Share of the file system that is used, of what users may use.',
  },
];

/** Mounts beyond this number are not looked at; a sentence says so. */
const MOUNTS_MAX = 1000;

export interface Mount {
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly mode: 'rw' | 'ro' | 'unknown';
  /** `major:minor`. */
  readonly deviceNumber: string;
  /** A part of a file system that another mount shows too. */
  readonly bind: boolean;
}

export interface FilesystemFilters {
  readonly includeDevices?: NameFilter | undefined;
  readonly excludeDevices?: NameFilter | undefined;
  readonly includeTypes?: NameFilter | undefined;
  readonly excludeTypes?: NameFilter | undefined;
  readonly includeMountPoints?: NameFilter | undefined;
  readonly excludeMountPoints?: NameFilter | undefined;
  readonly includeVirtual: boolean;
}

export function createFilesystemScraper(host: Host, filters: FilesystemFilters): Scraper {
  const accepts = createMountFilter(filters);
  return hostScraper('filesystem', host, async (problems) => {
    const mounts = parseMounts(await readMountInfo(host));
    const real = filters.includeVirtual ? null
      : parseRealTypes(host.readNow('/proc/filesystems'));
    const samples: Sample[] = [];
    const wanted = selectMounts(mounts, real).slice(0, MOUNTS_MAX);
    for (const found of wanted) {
      const mount = await withRealDevice(host, found);
      if (!accepts(mount)) continue;
      try {
        samples.push(...filesystemSamples(mount, await host.space(mount.mountPoint)));
      } catch (error) {
        problems.push(errorMessage(error));
      }
    }
    if (wanted.length === MOUNTS_MAX) problems.push(`only ${MOUNTS_MAX} mounts are looked at`);
    return samples;
  });
}

/** What is mounted, as the host's first process sees it. */
export async function readMountInfo(host: Host): Promise<string> {
  // Another user's process, or one in a container's own /proc, may be hidden.
  const first = await host.readIfThere('/proc/1/mountinfo').catch(() => null);
  return first === null || first === '' ? host.read('/proc/self/mountinfo') : first;
}

function createMountFilter(filters: FilesystemFilters): (mount: Mount) => boolean {
  const device: Accepts = createFilter(filters.includeDevices, filters.excludeDevices);
  const type: Accepts = createFilter(filters.includeTypes, filters.excludeTypes);
  const point: Accepts = createFilter(filters.includeMountPoints, filters.excludeMountPoints);
  return (mount) => device(mount.device) && type(mount.type) && point(mount.mountPoint);
}

export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [front, back] = line.split(' - ', 2);
    const [, , deviceNumber, root, mountPoint, options] = (front ?? '').split(' ');
    const [type, source, superOptions = ''] = (back ?? '').split(' ');
    if (mountPoint === undefined || options === undefined || source === undefined) return [];
    const all = superOptions.split(',');
    const stored = source.startsWith('/');
    const subvolume = all.some((option) => option === `subvol=${root}`);
    return [{
      // What is not on storage may have a source that says nothing; its root then does.
      device: unescapeOctal(stored || root === '/' ? source : root!),
      mountPoint: unescapeOctal(mountPoint),
      type: type!,
      mode: modeOf(options.split(','), all),
      deviceNumber: deviceNumber!,
      bind: stored && root !== '/' && !subvolume,
    }];
  });
}

/** Since 2.6.16 a mount and its file system each have a mode; both must allow writing. */
function modeOf(mount: readonly string[], filesystem: readonly string[]): Mount['mode'] {
  if (mount.includes('ro') || filesystem.includes('ro')) return 'ro';
  return mount.includes('rw') ? 'rw' : 'unknown';
}

/** Blanks, tabs, line ends and backslashes in names are written as octal numbers: `\040`. */
function unescapeOctal(name: string): string {
  return name.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The types in /proc/filesystems that are on storage, and zfs, which brings its own. */
export function parseRealTypes(filesystems: string): Set<string> {
  const types = new Set<string>();
  for (const line of filesystems.split('\n')) {
    const [flag, type] = line.split('\t');
    if (type !== undefined && (flag === '' || type === 'zfs')) types.add(type);
  }
  return types;
}

/** One mount for each place: the last one hides those before it. */
export function selectMounts(mounts: readonly Mount[], real: Set<string> | null): Mount[] {
  const visible = new Map(mounts.map((mount) => [mount.mountPoint, mount]));
  return [...visible.values()].filter((mount) =>
    real === null || (real.has(mount.type) && !mount.bind));
}

async function withRealDevice(host: Host, mount: Mount): Promise<Mount> {
  if (mount.device.startsWith('/dev/mapper/')) {
    const real = await host.realPath(mount.device).catch(() => null);
    return real === null ? mount : { ...mount, device: real };
  }
  if (mount.device !== '/dev/root') return mount;
  const link = await host.readLink(`/sys/dev/block/${mount.deviceNumber}`).catch(() => null);
  const name = link?.split('/').at(-1);
  return name === undefined ? mount : { ...mount, device: `/dev/${name}` };
}

export function filesystemSamples(mount: Mount, space: FileSystemSpace): Sample[] {
  const used = space.totalBytes - space.freeBytes;
  const users = used + space.availableBytes;
  const inodesUsed = Math.max(0, space.inodes - space.inodesFree);
  const own = [
    text('device', mount.device), text('mode', mount.mode), text('mountpoint', mount.mountPoint),
    text('type', mount.type),
  ];
  const inState = (state: string) => [...own, text('state', state)];
  const states = [inState('used'), inState('free')] as const;
  return [
    ...pair('system.filesystem.usage', states, [used, space.availableBytes]),
    {
      metric: 'system.filesystem.usage',
      value: space.freeBytes - space.availableBytes,
      attributes: inState('reserved'),
    },
    ...pair('system.filesystem.inodes.usage', states, [inodesUsed, space.inodesFree]),
    {
      metric: 'system.filesystem.utilization',
      value: users === 0 ? 0 : used / users,
      attributes: own,
    },
  ];
}
