// Checkpoints on disk: one JSON document, replaced as a whole (old or new after a crash), at most
// about once a second while positions move, and at the stop. What was accepted after the last
// write is read and sent again after a crash: at least once, nothing is lost.
//
//   { "version": 1,
//     "files": [ { "device", "inode", "createdMs",   the file (createdMs 0: not known)
//                  "path",                            where it was seen last, for people
//                  "headBytes", "headCrc",            fingerprint of its first bytes
//                  "offset", "records", "flushed",    the accepted position (position.ts)
//                  "mark" } … ] }                     base64 of the bytes before it
//
// The document exists after the first look at the files, so that a first start is told from all
// later ones. A version that is not known is refused: the positions in it would be lost.

import { join } from 'node:path';
import * as z from 'zod';
import type { Timer } from '../../../runtime/clock.ts';
import { errorMessage, OperatorError, systemCause } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';
import type { Fingerprint, Point } from './position.ts';

export interface SavedFile {
  readonly device: number;
  readonly inode: number;
  readonly createdMs: number;
  readonly path: string;
  readonly fingerprint: Fingerprint;
  readonly point: Point;
}

const VERSION = 1;
const FILE_NAME = 'checkpoints.json';
const SAVE_INTERVAL_MS = 1000;

const whole = z.number().int().min(0);
const documentSchema = z.object({
  version: z.literal(VERSION),
  files: z.array(z.object({
    device: z.number(), inode: z.number(), createdMs: z.number(), path: z.string(),
    headBytes: whole, headCrc: whole,
    offset: whole, records: whole, flushed: z.boolean(), mark: z.string(),
  })),
});

/**
 * Null when there is no document yet. One that cannot be understood counts as one without files:
 * everything is then read from its beginning rather than skipped.
 */
export async function loadCheckpoints(
  { files }: World,
  folder: string,
  log: Log,
): Promise<SavedFile[] | null> {
  const path = join(folder, FILE_NAME);
  const text = await files.readText(path);
  if (text === null) return null;
  try {
    const document: unknown = JSON.parse(text);
    refuseOtherVersion(document, path);
    return documentSchema.parse(document).files.map(fromRow);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    log.error(`cannot read checkpoints ${path}: ${errorMessage(error)}; `
      + 'all files are read from their beginning');
    return [];
  }
}

function refuseOtherVersion(document: unknown, path: string): void {
  const version = (document as { version?: unknown } | null)?.version;
  if (typeof version !== 'number' || version === VERSION) return;
  throw new OperatorError(
    `cannot use checkpoints ${path}: they are of version ${version}, this program knows ${VERSION}`,
    'run the newer version of the program, or move the file away to read all logs again',
  );
}

type Row = z.output<typeof documentSchema>['files'][number];

function fromRow(row: Row): SavedFile {
  const { device, inode, createdMs, path, headBytes, headCrc, offset, records, flushed } = row;
  return {
    device, inode, createdMs, path,
    fingerprint: { bytes: headBytes, crc: headCrc },
    point: { offset, records, flushed, mark: Buffer.from(row.mark, 'base64') },
  };
}

function toRow({ device, inode, createdMs, path, fingerprint, point }: SavedFile): Row {
  return {
    device, inode, createdMs, path,
    headBytes: fingerprint.bytes, headCrc: fingerprint.crc,
    offset: point.offset, records: point.records, flushed: point.flushed,
    mark: point.mark.toString('base64'),
  };
}

export interface CheckpointWriter {
  /** Something changed: it is written within about a second. */
  touch(): void;
  /** Writes now. Failures are logged, and tried again at the next change. */
  save(): Promise<void>;
  /** Writes what is not written and ends. */
  stop(): Promise<void>;
}

export function createCheckpointWriter(
  world: World,
  folder: string,
  log: Log,
  snapshot: () => SavedFile[],
): CheckpointWriter {
  const path = join(folder, FILE_NAME);
  let timer: Timer | undefined;
  let changed = false;
  let writing: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    if (!changed) return;
    changed = false;
    const text = JSON.stringify({ version: VERSION, files: snapshot().map(toRow) });
    try {
      await world.files.replace(path, text);
    } catch (error) {
      changed = true;
      log.error(`cannot write checkpoints ${path}: ${systemCause(error)}`);
    }
  };
  const save = (): Promise<void> => {
    changed = true;
    timer?.cancel();
    timer = undefined;
    writing = writing.then(write);
    return writing;
  };
  return {
    touch: () => {
      changed = true;
      timer ??= world.clock.after(SAVE_INTERVAL_MS, () => void save());
    },
    save,
    stop: async () => {
      if (changed) await save();
      timer?.cancel();
      await writing;
    },
  };
}
