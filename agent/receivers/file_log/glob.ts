// Which files the globs name right now: a walk from the fixed beginning of each glob, that goes
// only into folders which a part of the glob fits. Globs are those of the Collector (doublestar):
// `*` and `?` stay inside one name and match a leading dot, `**` stands for any number of folders,
// `{a,b}` and `[a-z]` are alternatives. Links to files and folders are followed; a folder that is
// reached twice on one way down (a link to its own parent) is not entered again.
//
// A file with several names is one file: the first name in order of the alphabet is its path.

import { isAbsolute, resolve } from 'node:path';
import picomatch from 'picomatch';
import { systemCause } from '../../../runtime/errors.ts';
import type { Files, FileStat } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';

export const limits = {
  /** Folders inside folders below the fixed beginning of a glob; deeper ones are not seen. */
  depthMax: 40,
  /** Names that one walk looks at; what comes after them is not seen, and a warning says so. */
  namesMax: 500_000,
  /** Calls to the file system that are under way at the same time. */
  callsMax: 32,
} as const;

export interface FoundFile {
  readonly path: string;
  readonly stat: FileStat;
}

export interface GlobOptions {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Sorted by path, each file once. Folders that cannot be read are warned of and left out. */
export type Walk = () => Promise<FoundFile[]>;

export function createWalk({ include, exclude }: GlobOptions, files: Files, log: Log): Walk {
  const excluded = exclude.length === 0
    ? () => false
    : picomatch(exclude.map(excluding), MATCHING);
  const globs = [...new Set(include.map(absolute))].map(parseGlob);
  return async () => {
    const paths = new Set<string>();
    const walked: Walked = { files, log, paths, excluded, names: 0 };
    for (const glob of globs) await walkGlob(glob, walked);
    return distinctFiles([...paths].sort(), files, log);
  };
}

const MATCHING = { dot: true, nonegate: true, noextglob: true } as const;

/** `**` in front means any folder, not only those below the current one. */
const excluding = (glob: string): string => glob.startsWith('**') ? `/${glob}` : absolute(glob);

const absolute = (glob: string): string => isAbsolute(glob) ? glob : resolve(glob);

interface Glob {
  readonly base: string;
  /** One for each folder level below the base; null stands for `**` and all that follows. */
  readonly levels: readonly (((name: string) => boolean) | null)[];
  readonly matches: (path: string) => boolean;
}

function parseGlob(glob: string): Glob {
  const { base, isGlob } = picomatch.scan(glob, { nonegate: true });
  if (!isGlob) return { base: glob, levels: [], matches: (path) => path === glob };
  const rest = glob.slice(base.length).replace(/^\/+/, '');
  const root = base === '' ? '/' : base;
  // A brace may hold a slash; then only the whole path can be matched.
  const parts = /\{[^}]*\//.test(rest) ? ['**'] : rest.split('/');
  const end = parts.findIndex((part) => part.includes('**'));
  const fixed = end === -1 ? parts : parts.slice(0, end);
  const levels = [
    ...fixed.map((part) => picomatch(part, MATCHING) as (name: string) => boolean),
    ...(end === -1 ? [] : [null]),
  ];
  return { base: root, levels, matches: picomatch(glob, MATCHING) };
}

interface Walked {
  readonly files: Files;
  readonly log: Log;
  readonly paths: Set<string>;
  readonly excluded: (path: string) => boolean;
  names: number;
}

async function walkGlob(glob: Glob, walked: Walked): Promise<void> {
  if (glob.levels.length === 0) {
    if (!walked.excluded(glob.base)) walked.paths.add(glob.base);
    return;
  }
  await walkFolder(glob, walked, { folder: glob.base, depth: 0, above: [] });
}

interface Place {
  readonly folder: string;
  readonly depth: number;
  /** Resolved paths of the folders on the way, when a link was followed. */
  readonly above: readonly string[];
}

async function walkFolder(glob: Glob, walked: Walked, place: Place): Promise<void> {
  const { folder, depth, above } = place;
  const entries = await attempt(walked.log, 'list folder', folder, () => walked.files.list(folder));
  const any = glob.levels.at(-1) === null;
  const level = glob.levels[Math.min(depth, glob.levels.length - 1)] ?? null;
  const last = depth === glob.levels.length - 1 || level === null;
  const deeper = depth < limits.depthMax && (level === null || depth < glob.levels.length - 1);
  for (const { name, kind } of entries ?? []) {
    if (++walked.names > limits.namesMax) {
      walked.log.warn(`cannot look at more than ${limits.namesMax} names: narrow include`);
      return;
    }
    if (kind === 'other' || (level !== null && !level(name))) continue;
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
    if ((last || any) && kind !== 'folder' && glob.matches(path) && !walked.excluded(path)) {
      walked.paths.add(path);
    }
    if (!deeper || kind === 'file') continue;
    const below = { folder: path, depth: depth + 1, above };
    if (kind === 'folder') await walkFolder(glob, walked, below);
    else await walkLink(glob, walked, below);
  }
}

async function walkLink(glob: Glob, walked: Walked, place: Place): Promise<void> {
  const { files, log } = walked;
  const stat = await attempt(log, 'follow link', place.folder, () => files.stat(place.folder));
  if (stat?.kind !== 'folder') return;
  const real = await files.realPath(place.folder).catch(() => null);
  if (real === null || place.folder.startsWith(`${real}/`) || place.above.includes(real)) return;
  await walkFolder(glob, walked, { ...place, above: [...place.above, real] });
}

async function distinctFiles(
  paths: readonly string[],
  files: Files,
  log: Log,
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  const known = new Set<string>();
  for (let first = 0; first < paths.length; first += limits.callsMax) {
    const some = paths.slice(first, first + limits.callsMax);
    const stats = await Promise.all(some.map((path) =>
      attempt(log, 'look at file', path, () => files.stat(path))));
    stats.forEach((stat, index) => {
      if (stat?.kind !== 'file') return;
      const identity = `${stat.device}:${stat.inode}`;
      if (known.has(identity)) return;
      known.add(identity);
      found.push({ path: some[index]!, stat });
    });
  }
  return found;
}

/** Null when it is not there, or when it cannot be had, which is warned of. */
async function attempt<T>(
  log: Log,
  verb: string,
  path: string,
  call: () => Promise<T | null>,
): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    log.warn(`cannot ${verb} ${path}: ${systemCause(error)}`);
    return null;
  }
}
