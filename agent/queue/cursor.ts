// What a queue remembers besides its records: up to which sequence all was delivered, and beyond
// which none was ever handed out.
//
//     cursor   { "version": 2, "done": <sequence>, "handed": <sequence> }\n
//              <CRC-32C of that line, 8 hex digits>\n
//     reserve  bytes that mean nothing; they are given up to write the cursor, and what else must
//              be written before segments can go, on a full disk
//
// Invariants: neither number goes back; a cursor that was saved is durable before `save` returns;
// the file holds the old or the new content after a crash, never a mixture. Any bytes can be read.

import { join } from 'node:path';
import { errorCode, errorMessage } from '../../runtime/errors.ts';
import type { World } from '../../runtime/world.ts';
import { crc32c } from './crc32c.ts';
import { limits as formatLimits } from './format.ts';

export const limits = {
  /** More than a cursor and the blocks of its folder take on any file system in use. */
  reserveBytes: 64 * 1024,
  /** A longer file is no cursor. */
  cursorBytesMax: 1024,
} as const;

export const CURSOR = 'cursor';
const RESERVE = 'reserve';

export interface Cursor {
  /** Everything up to here is delivered, or given up. */
  readonly done: number;
  /** Nothing beyond it was handed out before the next cursor is durable. */
  readonly handed: number;
}

export interface CursorFile {
  /** Writes it durably. Throws the system's error when even the reserve does not help. */
  save(cursor: Cursor): Promise<void>;
  /** Room for something else that must be written on a full disk, until `keepReserve`. */
  giveReserve(): Promise<void>;
  /** Makes the reserve when it is not there. False when there is no room for it. */
  keepReserve(): Promise<boolean>;
}

export function createCursorFile(folder: string, { files, random }: World): CursorFile {
  const path = join(folder, CURSOR);
  const reserve = join(folder, RESERVE);
  let reserved = false;
  const giveReserve = async () => {
    await files.remove(reserve);
    reserved = false;
  };
  return {
    giveReserve,
    save: async (cursor) => {
      try {
        await files.replace(path, encodeCursor(cursor));
      } catch (error) {
        if (errorCode(error) !== 'ENOSPC') throw error;
        await giveReserve();
        await files.replace(path, encodeCursor(cursor));
      }
    },
    keepReserve: async () => {
      if (reserved) return true;
      try {
        const stat = await files.stat(reserve);
        if (stat === null || stat.sizeBytes !== limits.reserveBytes) {
          // Chance does not compress: what a file system would save here it could not give back.
          await files.replace(reserve, random.bytes(limits.reserveBytes));
        }
        reserved = true;
      } catch {
        await files.remove(join(folder, `.${RESERVE}.new`)).catch(() => {});
      }
      return reserved;
    },
  };
}

export function encodeCursor({ done, handed }: Cursor): string {
  const line = JSON.stringify({ version: 2, done, handed });
  return `${line}\n${checkOf(line)}\n`;
}

/** What the file says, or why it cannot be read. */
export function decodeCursor(bytes: Uint8Array): Cursor | { readonly why: string } {
  if (bytes.length > limits.cursorBytesMax) return { why: 'it is too long' };
  const [line = '', check] = Buffer.from(bytes).toString('latin1').split('\n');
  if (check !== checkOf(line)) return { why: 'its check does not match' };
  try {
    const { version, done, handed } = JSON.parse(line) as Record<string, unknown>;
    if (version !== 2) return { why: 'it is of another version' };
    if (isSequence(done) && isSequence(handed)) return { done, handed };
    return { why: 'it holds no sequences' };
  } catch (error) {
    return { why: errorMessage(error) };
  }
}

const isSequence = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= formatLimits.sequenceMax;

const checkOf = (line: string): string =>
  crc32c(Buffer.from(line, 'latin1')).toString(16).padStart(8, '0');
