// What a receiver must remember over restarts: one JSON document, replaced as a whole (old or new
// after a crash), at most about once a second while it changes, and at the stop. What happened
// after the last write is read from the source again after a crash.
//
// One that cannot be used is kept beside, with `.unusable` behind its name, and counted by whoever
// asks for it; it keeps nothing from starting.

import { systemCause } from '../../../runtime/errors.ts';
import type { Files } from '../../../runtime/files.ts';
import type { Timer } from '../../../runtime/clock.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';

export const limits = {
  /** A larger document is no document of ours. */
  bytesMax: 256 * 1024 * 1024,
} as const;

const KEPT_SUFFIX = '.unusable';
const SAVE_INTERVAL_MS = 1000;

export interface DocumentSource {
  readonly files: Files;
  readonly path: string;
  readonly log: Log;
  /** What is lost without it: `all files are read from their beginning`. */
  readonly otherwise: string;
  /** Called when there is a document that cannot be used. */
  readonly quarantined: () => void;
}

/**
 * Null when there is no document yet, `unusable` when there is one that cannot be used. `parse`
 * gets what the JSON says and answers why not when it cannot be used.
 */
export async function loadDocument<T extends object>(
  { files, path, log, otherwise, quarantined }: DocumentSource,
  parse: (document: unknown) => T | string,
): Promise<T | null | 'unusable'> {
  const size = (await files.stat(path))?.sizeBytes ?? 0;
  const bytes = size > limits.bytesMax ? Buffer.alloc(0) : await files.read(path);
  if (bytes === null) return null;
  const read = readDocument(bytes, parse);
  if (typeof read !== 'string') return read;
  quarantined();
  log.error(`cannot use checkpoints ${path}: ${read}; ${otherwise}`,
    { keptAs: path + KEPT_SUFFIX });
  // A copy: without a document this would be a first start, which may begin at the end.
  await files.replace(path + KEPT_SUFFIX, bytes).catch((error: unknown) =>
    log.warn(`cannot keep checkpoints ${path}${KEPT_SUFFIX}: ${systemCause(error)}`));
  return 'unusable';
}

function readDocument<T extends object>(
  bytes: Buffer, parse: (document: unknown) => T | string,
): T | string {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch {
    return 'they are torn or damaged';
  }
  return parse(document);
}

export interface DocumentWriter {
  /** Something changed: it is written within about a second. */
  touch(): void;
  /** Writes now. Failures are logged, and tried again at the next change. */
  save(): Promise<void>;
  /** Writes what is not written and ends. */
  stop(): Promise<void>;
}

export interface DocumentTarget {
  readonly world: World;
  readonly path: string;
  readonly log: Log;
  /** The document as it is now. */
  readonly text: () => string;
}

export function createDocumentWriter({ world, path, log, text }: DocumentTarget): DocumentWriter {
  let timer: Timer | undefined;
  let changed = false;
  let writing: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    if (!changed) return;
    changed = false;
    try {
      await world.files.replace(path, text());
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
