// One file that is written to: chunks go behind each other in the order in which they came, whole
// or not at all, and those that wait go in one call.
//
// Promises:
// - `write` answers null when the chunk is in the file (what a process wrote survives its death),
//   or why it could not be written; then the next one overwrites what there is of it.
// - What was written is synced to the disk at each `sync`, before the file is put aside, and at
//   `close`. With `syncsEach` a chunk is synced before its write is answered.
// - A chunk is never cut: a file is put aside before the chunk that would make it too large.

import { dirname } from 'node:path';
import { systemCause } from '../../../runtime/errors.ts';
import type { OpenFile } from '../../../runtime/files.ts';
import type { World } from '../../../runtime/world.ts';
import { backupPath, prune, type RotationOptions } from './rotation.ts';

export interface TargetOptions {
  readonly path: string;
  readonly world: World;
  /** Null: the file grows for ever. */
  readonly rotation: RotationOptions | null;
  /** Keep what is in the file. */
  readonly appends: boolean;
  readonly syncsEach: boolean;
  /** Null: the folder must be there. */
  readonly folderPermissions: number | null;
}

interface Waiting {
  readonly chunk: Uint8Array;
  readonly done: (failure: string | null) => void;
}

export class Target {
  private readonly options: TargetOptions;
  private file: OpenFile | null = null;
  private wasOpened = false;
  private position = 0;
  private isDirty = false;
  /** The time in the name of the file that was put aside last. */
  private rotatedMs = 0;
  private waiting: Waiting[] = [];
  private running: Promise<void> | null = null;

  constructor(options: TargetOptions) {
    this.options = options;
  }

  /** Opens the file; throws the system's error. */
  async open(): Promise<void> {
    const { path, world: { files }, appends, rotation, folderPermissions } = this.options;
    if (folderPermissions !== null && await files.stat(dirname(path)) === null) {
      await files.makeFolder(dirname(path), folderPermissions);
    }
    const file = await files.open(path, 'write');
    if (file === null) throw new Error('it does not exist');
    this.file = file;
    if (!appends && rotation === null && !this.wasOpened) await file.truncate(0);
    this.wasOpened = true;
    this.position = (await file.stat()).sizeBytes;
  }

  write(chunk: Uint8Array): Promise<string | null> {
    return new Promise((done) => {
      this.waiting.push({ chunk, done });
      this.running ??= this.run();
    });
  }

  /** Makes durable what was written; answers why it could not. */
  async sync(): Promise<string | null> {
    if (!this.isDirty || this.file === null) return null;
    this.isDirty = false;
    try {
      await this.file.sync();
      return null;
    } catch (error) {
      this.isDirty = true;
      return systemCause(error);
    }
  }

  /** Writes what waits and makes it durable. Legal more than once; answers why it could not. */
  async close(): Promise<string | null> {
    await this.running;
    const failure = await this.sync();
    await this.release();
    return failure;
  }

  private async release(): Promise<void> {
    const { file } = this;
    this.file = null;
    await file?.close();
  }

  private async run(): Promise<void> {
    // What comes in the same turn goes in the same call.
    await null;
    while (this.waiting.length > 0) {
      const group = this.nextGroup();
      const failure = await this.writeGroup(group.map(({ chunk }) => chunk));
      for (const { done } of group) done(failure);
    }
    this.running = null;
  }

  /** As many as fit into the file, at least one. */
  private nextGroup(): Waiting[] {
    const bytesMax = this.options.rotation?.bytesMax ?? Infinity;
    let size = this.position;
    let count = 0;
    for (const { chunk } of this.waiting) {
      size += chunk.length;
      if (count > 0 && (size > bytesMax || count >= GROUP_MAX)) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  private async writeGroup(chunks: readonly Uint8Array[]): Promise<string | null> {
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    try {
      await this.makeRoom(size);
      if (this.file === null) await this.open();
      await this.file!.writeParts(chunks, this.position);
      this.isDirty = true;
      const failure = this.options.syncsEach ? await this.sync() : null;
      if (failure === null) {
        this.position += size;
        return null;
      }
      await this.forget();
      return failure;
    } catch (error) {
      await this.forget();
      return systemCause(error);
    }
  }

  /** Cuts off what was written in part; where that fails, the next chunk overwrites it. */
  private async forget(): Promise<void> {
    await this.file?.truncate(this.position).catch(() => {});
  }

  /** Puts the file aside when it would become too large. */
  private async makeRoom(size: number): Promise<void> {
    const { rotation, path, world: { files, clock } } = this.options;
    if (rotation === null || this.position === 0) return;
    if (this.position + size <= rotation.bytesMax) return;
    const failure = await this.sync();
    if (failure !== null) throw new Error(failure);
    await this.release();
    // Names are in the order of the files, also of several in one millisecond.
    const fromMs = Math.max(clock.nowMs(), this.rotatedMs + 1);
    const { backup, ms } = await backupPath(files, path, fromMs, rotation.isLocal);
    this.rotatedMs = ms;
    await files.rename(path, backup);
    await this.open();
    await files.syncFolder(dirname(path));
    await prune(files, path, clock.nowMs(), rotation);
  }
}

/** Chunks that are written by one call; more wait for the next. */
const GROUP_MAX = 256;
