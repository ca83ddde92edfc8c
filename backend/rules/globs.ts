// Which files globs name now. `*` and `?` stay inside of one name, `**` stands for any folders,
// `{a,b}` and `[a-z]` are alternatives. Links are followed.

import { isAbsolute, join, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import type { Files } from '../../runtime/files.ts';

export const limits = {
  /** Folders inside each other below the fixed beginning of a glob; deeper ones are not seen. */
  depthMax: 10,
  /** Files; those behind them, by name, are not seen. */
  filesMax: 1000,
} as const;

/** Has a part that stands for other names. */
const isGlob = (pattern: string): boolean => /[*?{}[\]]/.test(pattern);

/** Paths as they were written, sorted, each once. Folders that are not there hold nothing. */
export async function filesOf(
  files: Pick<Files, 'list' | 'stat'>,
  patterns: readonly string[],
): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    if (!isGlob(pattern)) {
      found.add(pattern);
      continue;
    }
    const parts = pattern.split(sep);
    const fixed = parts.findIndex(isGlob);
    const base = parts.slice(0, fixed).join(sep) || (isAbsolute(pattern) ? sep : '.');
    const matches = picomatch(resolve(pattern), { noextglob: true, nonegate: true });
    await walk(files, base, parts.includes('**') ? limits.depthMax : parts.length - fixed,
      (path) => {
        if (matches(resolve(path))) found.add(path);
      });
  }
  return [...found].sort().slice(0, limits.filesMax);
}

async function walk(
  files: Pick<Files, 'list' | 'stat'>,
  folder: string,
  depth: number,
  see: (path: string) => void,
): Promise<void> {
  for (const { name, kind } of await files.list(folder) ?? []) {
    const path = folder === '.' ? name : join(folder, name);
    const real = kind === 'link' ? (await files.stat(path))?.kind : kind;
    if (real === 'file') see(path);
    if (real === 'folder' && depth > 1) await walk(files, path, depth - 1, see);
  }
}
