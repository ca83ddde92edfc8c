// One turn of one file: recognises its content and reads what is new in large pieces (pieces.ts).
// One that is packed has turns of its own kind (archives.ts).
//
// A turn ends at the end of the file, after `limits.turnReads` pieces (others want to be read,
// too), or when the file fails. It waits when the next part is slow.

import type { OpenFile } from '../../../runtime/files.ts';
import { systemCause } from '../../../runtime/errors.ts';
import type { Archives } from './archives.ts';
import { readPiece, restart, type ReaderOptions, type ReaderParts } from './pieces.ts';
import { fits } from './position.ts';
import type { Tail } from './tail.ts';

export const limits = {
  /** Pieces read in one turn of a file. */
  turnReads: 4,
  /** A file that failed is not tried again before. */
  failedMs: 5000,
} as const;

/** Reads what is new of `tail` by way of `buffer`; true when there may be more at once. */
export type Turn = (tail: Tail, buffer: Buffer) => Promise<boolean>;

export function createTurn(
  options: ReaderOptions, parts: ReaderParts, archives: Archives,
): Turn {
  return async (tail, buffer) => {
    tail.reading = true;
    try {
      return await takeTurn(options, parts, archives, { tail, buffer });
    } catch (error) {
      parts.log.warn(`cannot read file ${tail.path}: ${systemCause(error)}`);
      tail.notBeforeMs = parts.clock.monotonicMs() + limits.failedMs;
      archives.close(tail);
      await parts.handles.close(tail);
      return false;
    } finally {
      tail.reading = false;
    }
  };
}

async function takeTurn(
  options: ReaderOptions, parts: ReaderParts, archives: Archives,
  { tail, buffer }: { tail: Tail; buffer: Buffer },
): Promise<boolean> {
  const look = tail.seen;
  const file = await parts.handles.open(tail);
  if (file === null) return false;
  const found = await recognise(options, parts, tail, file);
  if (found === 'archive') return await archives.turn(tail, file, buffer);
  if (found === 'wait') {
    tail.done = look;
    return false;
  }
  const facts = await parts.factsOf(tail);
  for (let reads = 0; reads < limits.turnReads; reads++) {
    const result = await readPiece(options, parts, { tail, file, buffer, facts, complete: false });
    if (result === 'end') tail.done = look;
    if (result !== 'more') return false;
  }
  return true;
}

/** Makes sure that the position belongs to this content. `wait`: that must wait, or it is left. */
async function recognise(
  { fingerprintBytes }: ReaderOptions, parts: ReaderParts, tail: Tail, file: OpenFile,
): Promise<'here' | 'wait' | 'archive'> {
  const nowMs = parts.clock.monotonicMs();
  const { looks } = parts.tails;
  const { sizeBytes } = await file.stat();
  const headBytes = Math.max(fingerprintBytes, tail.position?.fingerprint.bytes ?? 0);
  const readAt = (offset: number, bytes: number) => readRange(file, offset, bytes);
  const head = await readAt(0, headBytes);
  const packed = packedAs(head);
  if (packed === 'gzip') return 'archive';
  if (packed !== null) {
    parts.log.warn(`cannot read lines of ${tail.path}: it is packed by ${packed}; `
      + 'add it to exclude');
    tail.ignored = true;
    return 'wait';
  }
  const { position } = tail;
  if (position === null) {
    if (!await parts.tails.identify(tail, { head, sizeBytes, nowMs, readAt })) return 'wait';
  } else if (sizeBytes < position.read.offset || !fits(position.fingerprint, head)) {
    restart(parts, tail, nowMs);
  }
  tail.position!.learn(head);
  tail.knownAt = looks;
  return 'here';
}

async function readRange(file: OpenFile, offset: number, bytes: number): Promise<Buffer> {
  if (bytes === 0) return Buffer.alloc(0);
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return buffer.subarray(0, await file.read(buffer, offset));
}

const PACKED: readonly (readonly [string, string])[] = [
  ['1f8b08', 'gzip'], ['28b52ffd', 'zstd'], ['fd377a585a00', 'xz'], ['425a68', 'bzip2'],
  ['504b0304', 'zip'],
];

function packedAs(head: Buffer): string | null {
  const start = head.toString('hex', 0, 10);
  if (start.startsWith('425a68') && start.slice(8) !== '314159265359') return null;
  return PACKED.find(([magic]) => start.startsWith(magic))?.[1] ?? null;
}
