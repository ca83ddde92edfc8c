// Checkpoints on disk: one JSON document, replaced as a whole (old or new after a crash), at most
// about once a second while positions move, and at the stop. What was accepted after the last
// write is read and sent again after a crash, unless the queues behind know it (resume.ts).
//
//   { "version": 1,
//     "run",                               which origins belong to it (resume.ts), and the number
//     "contents",                          of the newest content by now; both absent in older ones
//     "files": [ { "device", "inode", "createdMs",   the file (createdMs 0: not known)
//                  "path",                            where it was seen last, for people
//                  "headBytes", "headCrc",            fingerprint of its first bytes
//                  "offset", "records", "flushed",    the accepted position (position.ts)
//                  "mark",                            base64 of the bytes before it
//                  "content",                         its number in this run
//                  "left",                            true: of a content that is in no file now
//                  "held": [ { "from", … } … ],       what need not be read: up to a position
//                  "packedBytes" } … ] }              position.ts; absent when 0
//
// The document exists after the first look at the files, so that a first start is told from all
// later ones. One that cannot be used, also because its version is not known, is kept beside as
// checkpoints.json.unusable, and counted; it keeps nothing from starting.

import { join } from 'node:path';
import * as z from 'zod';
import type { Files } from '../../../runtime/files.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';
import {
  createDocumentWriter, loadDocument, type DocumentWriter,
} from '../sending/document.ts';
import { MARK_BYTES, type Fingerprint, type Held, type Point } from './position.ts';

export interface SavedFile {
  readonly device: number;
  readonly inode: number;
  readonly createdMs: number;
  readonly path: string;
  readonly fingerprint: Fingerprint;
  readonly point: Point;
  readonly packedBytes: number;
  /** Its number in the run. */
  readonly content: number;
  /** Its file has another content now; this one may be in a copy. */
  readonly left: boolean;
  /** What lies behind the position and need not be read. */
  readonly held: readonly Held[];
}

export interface Checkpoints {
  /** A UUID; null in a document that does not know it. */
  readonly run: string | null;
  /** Contents up to this number that are not in `files` were given up. */
  readonly contents: number;
  readonly files: readonly SavedFile[];
}

const VERSION = 1;
const FILE_NAME = 'checkpoints.json';

export const limits = {
  /** As much as `fingerprint_size` may be. */
  headBytesMax: 64 * 1024,
} as const;

// Made when they are used: a schema takes memory as long as it lives.
const whole = () => z.number().int().min(0);
const pointShape = () => ({
  offset: whole(), records: whole(), flushed: z.boolean(), mark: z.string(),
});
const isPoint = ({ mark, offset }: { readonly mark: string; readonly offset: number }): boolean =>
  Buffer.byteLength(mark, 'base64') <= Math.min(offset, MARK_BYTES);
const fileSchema = () => z.object({
  device: z.number(), inode: z.number(), createdMs: z.number(), path: z.string().default(''),
  headBytes: whole().max(limits.headBytesMax), headCrc: whole(),
  ...pointShape(),
  held: z.array(z.object({ from: whole(), ...pointShape() }).refine(isPoint)).default([]),
  packedBytes: whole().default(0), content: whole().default(0), left: z.boolean().default(false),
}).refine(isPoint);
const documentSchema = () => z.object({
  version: z.literal(VERSION),
  run: z.string().nullable().default(null),
  contents: whole().default(0),
  files: z.array(fileSchema()),
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
): Promise<Checkpoints | null> {
  const loaded = await loadDocument({
    files, log, quarantined,
    path: join(folder, FILE_NAME),
    otherwise: 'all files are read from their beginning',
  }, parseDocument);
  return loaded === 'unusable' ? { run: null, contents: 0, files: [] } : loaded;
}

/** Answers why not when they cannot be used. */
function parseDocument(document: unknown): Checkpoints | string {
  const { version } = (document ?? {}) as { version?: unknown };
  if (typeof version === 'number' && version !== VERSION) {
    return `they are of version ${version}, this program knows ${VERSION}`;
  }
  const parsed = documentSchema().safeParse(document);
  if (!parsed.success) return 'they are damaged';
  const { run, contents, files } = parsed.data;
  return { run, contents, files: files.map(fromRow) };
}

type Row = z.output<ReturnType<typeof fileSchema>>;
type WrittenRow = z.input<ReturnType<typeof fileSchema>>;

function fromRow(row: Row): SavedFile {
  const { headBytes, headCrc } = row;
  const { device, inode, createdMs, path, packedBytes, content, left } = row;
  return {
    device, inode, createdMs, path, packedBytes, content, left,
    fingerprint: { bytes: headBytes, crc: headCrc },
    point: toPoint(row),
    held: row.held.map((one) => ({ from: one.from, point: toPoint(one) })),
  };
}

const toPoint = ({ offset, records, flushed, mark }: Omit<Point, 'mark'> & { mark: string }) =>
  ({ offset, records, flushed, mark: Buffer.from(mark, 'base64') });

const fromPoint = ({ offset, records, flushed, mark }: Point) =>
  ({ offset, records, flushed, mark: mark.toString('base64') });

function toRow(file: SavedFile): WrittenRow {
  const { device, inode, createdMs, path, fingerprint, point, packedBytes, content, left } = file;
  return {
    device, inode, createdMs,
    ...(path === '' ? {} : { path }),
    headBytes: fingerprint.bytes, headCrc: fingerprint.crc,
    ...fromPoint(point),
    ...(file.held.length === 0 ? {}
      : { held: file.held.map((one) => ({ from: one.from, ...fromPoint(one.point) })) }),
    ...(packedBytes === 0 ? {} : { packedBytes }),
    ...(content === 0 ? {} : { content }),
    ...(left ? { left } : {}),
  };
}

/** One file as text, for what a queue keeps of it. */
export const encodeFile = (file: SavedFile): string => JSON.stringify(toRow(file));

/** Null for any text that is none. */
export function decodeFile(text: string): SavedFile | null {
  try {
    const parsed = fileSchema().safeParse(JSON.parse(text));
    return parsed.success ? fromRow(parsed.data) : null;
  } catch {
    return null;
  }
}

export type CheckpointWriter = DocumentWriter;

export function createCheckpointWriter(
  world: World,
  folder: string,
  log: Log,
  snapshot: () => Checkpoints,
): CheckpointWriter {
  return createDocumentWriter({
    world, log,
    path: join(folder, FILE_NAME),
    text: () => {
      const { run, contents, files } = snapshot();
      return JSON.stringify({ version: VERSION, run, contents, files: files.map(toRow) });
    },
  });
}
