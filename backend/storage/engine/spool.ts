/**
 * Files that carry bodies into the engine and results out of it.
 *
 * Bodies go to memory (tmpfs) while their sum fits a budget, otherwise to the data folder. Results
 * go to the data folder: their size is not known before. Nothing here is synced, as a body is
 * only committed by the engine. Every file is removed by whoever took it; what a killed process
 * left is removed when the next one starts, which is safe as a folder has one engine.
 */
import { createHash, randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { copyFile, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from './errors.ts';

/** A body on disk or in memory; `remove` is safe to call twice. */
export interface SpooledBody {
  path: string;
  bytes: number;
  remove(): Promise<void>;
}

/** Bounds. */
const limits = {
  /** Bytes of bodies in memory at once; more go to the data folder. */
  memoryBytesMax: 512 * 1024 * 1024,
  /** Share of the free tmpfs that bodies may take. */
  memoryShare: 0.25,
  /** Bytes of all bodies at once; over it a request is answered 503. */
  bodyBytesTotalMax: 4 * 1024 * 1024 * 1024,
  /** Bytes gathered before one write; bounds what a slow sender holds. */
  writeBytes: 1024 * 1024,
} as const;

/** The spool of one data folder. */
export class Spool {
  readonly #disk: string;
  readonly #memory: string | null;
  readonly #memoryBudget: number;
  #memoryBytes = 0;
  #totalBytes = 0;

  /** Makes the folders and removes what an earlier process left in them. */
  constructor(dataFolder: string) {
    this.#disk = emptied(join(dataFolder, 'spool'));
    this.#memory = memoryFolder(dataFolder);
    this.#memoryBudget = this.#memory === null ? 0 : budgetOf(this.#memory);
  }

  /** A path for a result; the file does not exist yet. */
  resultPath(): string {
    return join(this.#disk, randomUUID());
  }

  /**
   * Writes a whole body to a file.
   *
   * @param chunks the body, already decompressed and bounded.
   */
  async write(chunks: AsyncIterable<Buffer>): Promise<SpooledBody> {
    const file = new BodyFile(this.#memory ?? this.#disk);
    try {
      await file.open();
      for await (const part of gathered(chunks)) {
        await this.#append(file, part);
      }
      await file.close();
      return { path: file.path, bytes: file.bytes, remove: () => this.#release(file) };
    } catch (error) {
      await this.#release(file);
      throw error;
    }
  }

  /** Removes both folders' contents. */
  clear(): void {
    emptied(this.#disk);
    if (this.#memory !== null) {
      rmSync(this.#memory, { recursive: true, force: true });
    }
  }

  async #append(file: BodyFile, part: Buffer[]): Promise<void> {
    const bytes = part.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#totalBytes + bytes > limits.bodyBytesTotalMax) {
      const message = 'Too many request bodies at once. Retry later.';
      throw new EngineError(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', message, 503);
    }
    if (file.folder === this.#memory && this.#memoryBytes + bytes > this.#memoryBudget) {
      await file.moveTo(this.#disk);
      this.#memoryBytes -= file.bytes;
    }
    this.#totalBytes += bytes;
    this.#memoryBytes += file.folder === this.#memory ? bytes : 0;
    await file.append(part, bytes);
  }

  async #release(file: BodyFile): Promise<void> {
    if (file.removed) {
      return;
    }
    this.#totalBytes -= file.bytes;
    this.#memoryBytes -= file.folder === this.#memory ? file.bytes : 0;
    await file.remove();
  }
}

class BodyFile {
  folder: string;
  path: string;
  bytes = 0;
  removed = false;
  #handle: FileHandle | null = null;

  constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, randomUUID());
  }

  async open(): Promise<void> {
    this.#handle = await open(this.path, 'ax', 0o600);
  }

  async append(part: Buffer[], bytes: number): Promise<void> {
    this.bytes += bytes;
    const written = await this.#handle?.writev(part).catch(diskFull);
    if (written?.bytesWritten !== bytes) {
      diskFull(null);
    }
  }

  async moveTo(folder: string): Promise<void> {
    await this.close();
    const target = join(folder, randomUUID());
    await copyFile(this.path, target);
    await unlink(this.path);
    this.folder = folder;
    this.path = target;
    this.#handle = await open(target, 'a', 0o600);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }

  async remove(): Promise<void> {
    this.removed = true;
    await this.close();
    await unlink(this.path).catch(() => undefined);
  }
}

function diskFull(error: unknown): never {
  const cause = error instanceof Error ? error.message : 'the disk took only a part of it';
  throw new EngineError(243, 'NOT_ENOUGH_SPACE', `Cannot keep the request body: ${cause}.`);
}

async function* gathered(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer[]> {
  let part: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    part.push(chunk);
    bytes += chunk.length;
    if (bytes >= limits.writeBytes) {
      yield part;
      part = [];
      bytes = 0;
    }
  }
  if (bytes > 0) {
    yield part;
  }
}

/** A folder of ours on tmpfs, null where there is none that only we can write. */
function memoryFolder(dataFolder: string): string | null {
  const name = createHash('sha256').update(realpathSync(dataFolder)).digest('hex').slice(0, 16);
  const folder = join('/dev/shm', `binnacle-${name}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    const ours = found.isDirectory() && found.uid === process.getuid?.();
    return ours ? emptied(folder) : null;
  } catch {
    return null;
  }
}

function budgetOf(folder: string): number {
  const disk = statfsSync(folder);
  return Math.min(limits.memoryBytesMax, disk.bavail * disk.bsize * limits.memoryShare);
}

function emptied(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  return folder;
}
