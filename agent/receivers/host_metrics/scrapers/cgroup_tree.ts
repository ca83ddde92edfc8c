// Which control groups are looked at: that of the agent, and those that globs name. The tree is the
// folders below the mount of type cgroup2, `/sys/fs/cgroup` on most hosts and
// `/sys/fs/cgroup/unified` where version 1 is used, too.
//
// Globs are paths from the root of the tree: `/system.slice/*.service`; `*` and `?` stay inside one
// name, `**` stands for any number of folders, `{a,b}` and `[a-z]` are alternatives. Only folders
// that a part of a glob fits are listed.

import picomatch from 'picomatch';
import type { Host } from '../host.ts';
import { parseMounts, readMountInfo } from './filesystem.ts';

export const limits = {
  /** Folders that are listed for the globs in one scrape; those behind them are not seen. */
  foldersMax: 10_000,
} as const;

export interface GroupChoice {
  /** Whether the group of the agent is looked at. */
  readonly own: boolean;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Groups beyond this number are not looked at; a sentence says so. */
  readonly groupsMax: number;
}

export interface Groups {
  /** The folder of the root group. */
  readonly root: string;
  /** Sorted; `/` is the root group. */
  readonly paths: readonly string[];
  readonly problems: readonly string[];
}

const MATCHING = { dot: true, nonegate: true, noextglob: true } as const;

/** Throws a sentence on a host without cgroup v2. */
export async function findGroups(host: Host, choice: GroupChoice): Promise<Groups> {
  const root = await findRoot(host);
  const found: Found = { host, root, paths: new Set(), folders: 0 };
  for (const glob of choice.include) {
    await expand(found, '', glob.split('/').filter((level) => level !== ''));
  }
  const excluded = choice.exclude.length === 0
    ? () => false : picomatch([...choice.exclude], MATCHING);
  const named = [...found.paths].filter((path) => !excluded(path)).sort();
  const own = choice.own ? await ownGroup(host) : null;
  const all = own === null || named.includes(own) ? named : [own, ...named];
  const problems: string[] = [];
  if (all.length > choice.groupsMax) {
    problems.push(`only ${choice.groupsMax} of ${all.length} control groups are looked at`);
  }
  if (found.folders > limits.foldersMax) {
    problems.push(`only ${limits.foldersMax} folders of control groups are listed`);
  }
  return { root, paths: all.slice(0, choice.groupsMax), problems };
}

async function findRoot(host: Host): Promise<string> {
  const mounts = parseMounts(await readMountInfo(host));
  const mount = mounts.find(({ type }) => type === 'cgroup2');
  if (mount === undefined) {
    throw new Error('cannot read control groups: cgroup version 2 is not mounted');
  }
  return mount.mountPoint;
}

/** `0::/path` of /proc/self/cgroup; null when the host has only version 1. */
async function ownGroup(host: Host): Promise<string | null> {
  const groups = await host.readIfThere('/proc/self/cgroup');
  return /^0::(\/.*)$/m.exec(groups ?? '')?.[1] ?? null;
}

interface Found {
  readonly host: Host;
  readonly root: string;
  readonly paths: Set<string>;
  folders: number;
}

async function expand(found: Found, path: string, levels: readonly string[]): Promise<void> {
  const [level, ...rest] = levels;
  if (level === undefined) {
    found.paths.add(path === '' ? '/' : path);
    return;
  }
  if (!/[*?{[]/.test(level)) return expand(found, `${path}/${level}`, rest);
  if (++found.folders > limits.foldersMax) return;
  if (level === '**') await expand(found, path, rest);
  const fits = level === '**' ? () => true : picomatch(level, MATCHING);
  const below = level === '**' ? levels : rest;
  for (const { name, kind } of await found.host.list(`${found.root}${path}`) ?? []) {
    if (kind === 'folder' && fits(name)) await expand(found, `${path}/${name}`, below);
  }
}
