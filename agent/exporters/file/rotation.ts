// Names of files that were put aside, and which of them are removed.
//
//   data.json  ->  data-2026-01-02T03-04-05.678.json
//
// A name says when the file was put aside; others in the folder are never touched.

import { basename, dirname, extname, join } from 'node:path';
import type { Files } from '../../../runtime/files.ts';

export interface RotationOptions {
  readonly bytesMax: number;
  /** 0: for ever. */
  readonly daysMax: number;
  /** 0: all. */
  readonly backupsMax: number;
  readonly isLocal: boolean;
}

const DAY_MS = 86_400_000;

/** A path that is free, and its time: when it is taken, milliseconds after `fromMs`. */
export async function backupPath(
  files: Files,
  path: string,
  fromMs: number,
  isLocal: boolean,
): Promise<{ readonly backup: string; readonly ms: number }> {
  for (let ms = fromMs; ; ms += 1) {
    const { stem, extension } = partsOf(path);
    const backup = join(dirname(path), `${stem}-${stampOf(ms, isLocal)}${extension}`);
    if (await files.stat(backup) === null) return { backup, ms };
  }
}

/** Removes files put aside that are too old or too many, oldest first. */
export async function prune(
  files: Files,
  path: string,
  nowMs: number,
  options: RotationOptions,
): Promise<void> {
  const folder = dirname(path);
  const entries = await files.list(folder) ?? [];
  const backups = entries.map(({ name }) => ({ name, ms: timeOf(name, path, options.isLocal) }))
    .filter((one): one is { name: string; ms: number } => one.ms !== null)
    .sort((one, other) => other.ms - one.ms);
  const leastMs = options.daysMax === 0 ? -Infinity : nowMs - options.daysMax * DAY_MS;
  const kept = options.backupsMax === 0 ? Infinity : options.backupsMax;
  for (const [index, { name, ms }] of backups.entries()) {
    if (index >= kept || ms < leastMs) await files.remove(join(folder, name));
  }
}

function partsOf(path: string) {
  const extension = extname(path);
  return { stem: basename(path, extension), extension };
}

function stampOf(ms: number, isLocal: boolean): string {
  const date = new Date(ms);
  const shifted = isLocal ? new Date(ms - date.getTimezoneOffset() * 60_000) : date;
  return shifted.toISOString().slice(0, -1).replaceAll(':', '-');
}

const STAMP = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/;

/** Null: it is none that was put aside. */
function timeOf(name: string, path: string, isLocal: boolean): number | null {
  const { stem, extension } = partsOf(path);
  if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) return null;
  const match = STAMP.exec(name.slice(stem.length + 1, name.length - extension.length));
  if (match === null) return null;
  const [, day, hours, minutes, seconds] = match;
  const ms = Date.parse(`${day}T${hours}:${minutes}:${seconds}${isLocal ? '' : 'Z'}`);
  return Number.isNaN(ms) ? null : ms;
}
