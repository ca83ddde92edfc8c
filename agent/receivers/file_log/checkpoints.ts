// Checkpoints on disk: one JSON document, replaced as a whole (old or new after a crash), at most
// about once a second while positions move, and at the stop. What was accepted after the last
// write is read and sent again after a crash: at least once, nothing is lost.
//
//   { "version": 1,
//     "files": [ { "device", "inode", "createdMs",   the file (createdMs 0: not known)
//                  "path",                            where it was seen last, for people
//                  "headBytes", "headCrc",            fingerprint of its first bytes
//                  "offset", "records", "flushed",    the accepted position (position.ts)
//                  "mark",                            base64 of the bytes before it
//                  "packedBytes" } … ] }              position.ts; absent when 0
//
// The document exists after the first look at the files, so that a first start is told from all
// later ones. One that cannot be used, also because its version is not known, is kept beside as
// checkpoints.json.unusable, and counted; it keeps nothing from starting.

import { join } from 'node:path';
import * as z from 'zod';
import type { Timer } from '../../../runtime/clock.ts';
import { systemCause } from '../../../runtime/errors.ts';
import type { Files } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';
import { MARK_BYTES, type Fingerprint, type Point } from './position.ts';

export interface SavedFile {
  readonly device: number;
  readonly inode: number;
  readonly createdMs: number;
  readonly path: string;
  readonly fingerprint: Fingerprint;
  readonly point: Point;
  readonly packedBytes: number;
}

const VERSION = 1;
const FILE_NAME = 'checkpoints.json';
const KEPT_SUFFIX = '.unusable';
const SAVE_INTERVAL_MS = 1000;

export const limits = {
  /** A larger document is no document of ours. */
  bytesMax: 256 * 1024 * 1024,
  /** As much as `fingerprint_size` may be. */
  headBytesMax: 64 * 1024,
} as const;

const whole = () => z.number().int().min(0);
const documentSchema = () => z.object({
  version: z.literal(VERSION),
  files: z.array(z.object({
    device: z.number(), inode: z.number(), createdMs: z.number(), path: z.string(),
    headBytes: whole().max(limits.headBytesMax), headCrc: whole(),
    offset: whole(), records: whole(), flushed: z.boolean(), mark: z.string(),
    packedBytes: whole().default(0),
  }).refine(({ mark, offset }) =>
    Buffer.byteLength(mark, 'base64') <= Math.min(offset, MARK_BYTES))),
});

export interface CheckpointSource {
  readonly files: Files;
  readonly folder: string;
  readonly log: Log;
  /** Called when there is a document that cannot be used. */
  readonly quarantined: () => void;
}

/**
 * Null when there is no document yet. One that cannot be used, whatever bytes it is of, is kept
 * under another name and counts as one without files: everything is then read from its beginning
 * rather than skipped.
 */
export async function loadCheckpoints(
  { files, folder, log, quarantined }: CheckpointSource,
): Promise<SavedFile[] | null> {
  const path = join(folder, FILE_NAME);
  const size = (await files.stat(path))?.sizeBytes ?? 0;
  const bytes = size > limits.bytesMax ? Buffer.alloc(0) : await files.read(path);
  if (bytes === null) return null;
  const read = parseDocument(bytes);
  if (typeof read !== 'string') return read;
  quarantined();
  log.error(`cannot use checkpoints ${path}: ${read}; all files are read from their beginning`,
    { keptAs: path + KEPT_SUFFIX });
  // A copy: without a document this would be a first start, which may begin at the end of files.
  await files.replace(path + KEPT_SUFFIX, bytes).catch((error: unknown) =>
    log.warn(`cannot keep checkpoints ${path}${KEPT_SUFFIX}: ${systemCause(error)}`));
  return [];
}

/** Answers why not when they cannot be used. */
function parseDocument(bytes: Buffer): SavedFile[] | string {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch {
    return 'they are torn or damaged';
  }
  const { version } = (document ?? {}) as { version?: unknown };
  if (typeof version === 'number' && version !== VERSION) {
    return `they are of version ${version}, this program knows ${VERSION}`;
  }
  const parsed = documentSchema().safeParse(document);
  return parsed.success ? parsed.data.files.map(fromRow) : 'they are damaged';
}

type Row = z.output<ReturnType<typeof documentSchema>>['files'][number];
type WrittenRow = z.input<ReturnType<typeof documentSchema>>['files'][number];

function fromRow(row: Row): SavedFile {
  const { headBytes, headCrc, offset, records, flushed } = row;
  const { device, inode, createdMs, path, packedBytes } = row;
  return {
    device, inode, createdMs, path, packedBytes,
    fingerprint: { bytes: headBytes, crc: headCrc },
    point: { offset, records, flushed, mark: Buffer.from(row.mark, 'base64') },
  };
}

function toRow(file: SavedFile): WrittenRow {
  const { device, inode, createdMs, path, fingerprint, point, packedBytes } = file;
  return {
    device, inode, createdMs, path,
    headBytes: fingerprint.bytes, headCrc: fingerprint.crc,
    offset: point.offset, records: point.records, flushed: point.flushed,
    mark: point.mark.toString('base64'),
    ...(packedBytes === 0 ? {} : { packedBytes }),
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
