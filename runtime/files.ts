// Files as a dependency. Only what the program needs, with the durable forms (write, sync, rename,
// sync the folder) in one place so that nobody writes them a second time.
//
// "Not there" is a value (null); every other failure throws the system's error.

import { constants, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './errors.ts';

export interface FileStat {
  readonly sizeBytes: number;
  /** Device and inode number: together they name a file whatever its path. */
  readonly device: number;
  readonly inode: number;
  readonly modifiedMs: number;
  /** When the file came to be; 0 where the file system does not know. */
  readonly createdMs: number;
  readonly kind: 'file' | 'folder' | 'other';
  /** Who may read, write and execute it, as chmod counts; absent where the system has no such. */
  readonly permissions?: number;
  /** Whose it is; absent where the system has no such. */
  readonly userId?: number;
  readonly groupId?: number;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

/** An open file. The opener owns it and must close it; `close` is safe to call twice. */
export interface OpenFile {
  /** Fills `target` from `position` on; returns the bytes read, fewer only at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes all of `source` at `position`. */
  write(source: Uint8Array, position: number): Promise<void>;
  /** Writes all of them one after the other, the first at `position`. */
  writeParts(sources: readonly Uint8Array[], position: number): Promise<void>;
  /** Returns when the content is on stable storage (fdatasync). */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

export interface Files {
  /** `read` needs an existing file; `write` makes one, and keeps what is in it. */
  open(path: string, mode: 'read' | 'write'): Promise<OpenFile | null>;
  /** The whole file, or null. For small files and for /proc, where sizes are not known. */
  read(path: string): Promise<Buffer | null>;
  readText(path: string): Promise<string | null>;
  /**
   * Replaces the file as a whole, durably: after a crash it holds the old or the new content.
   * `permissions` are those of the new one, at no moment more.
   */
  replace(path: string, content: string | Uint8Array, permissions?: number): Promise<void>;
  /** Follows links. Null when it is not there. */
  stat(path: string): Promise<FileStat | null>;
  /** Null when it is not there. */
  list(folder: string): Promise<FolderEntry[] | null>;
  /** The path with all links resolved; null when it is not there. */
  realPath(path: string): Promise<string | null>;
  /** What a link says, as it is written; null when it is not there. */
  readLink(path: string): Promise<string | null>;
  /**
   * A small file that the kernel makes up when it is read (/proc/<pid>/stat), read at once on the
   * calling thread, at about a tenth of what the thread pool costs. Never for a file that
   * can make the reader wait. Null when it is not there or its process has ended.
   */
  readKernelText(path: string): string | null;
  /** Also those above it. `permissions` are set on it, whether it was there or not. */
  makeFolder(folder: string, permissions?: number): Promise<void>;
  rename(source: string, target: string): Promise<void>;
  /** Removes a file or a whole folder; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in this folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** Space of the file system that `path` is on. */
  space(path: string): Promise<FileSystemSpace>;
}

export interface FileSystemSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What an ordinary user may still write. */
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export function createFiles(): Files {
  return {
    open: (path, mode) => orNull(openFile(path, mode)),
    read: (path) => orNull(fs.readFile(path)),
    readText: (path) => orNull(fs.readFile(path, 'utf8')),
    replace: replaceFile,
    stat: async (path) => {
      const stat = await orNull(fs.stat(path));
      return stat === null ? null : fileStat(stat);
    },
    list: async (folder) => {
      const entries = await orNull(fs.readdir(folder, { withFileTypes: true }));
      return entries === null ? null : entries.map(folderEntry);
    },
    realPath: (path) => orNull(fs.realpath(path)),
    readLink: (path) => orNull(fs.readlink(path)),
    readKernelText,
    makeFolder: async (folder, permissions) => {
      await fs.mkdir(folder, { recursive: true });
      if (permissions !== undefined) await fs.chmod(folder, permissions);
    },
    rename: (source, target) => fs.rename(source, target),
    remove: (path) => fs.rm(path, { recursive: true, force: true }),
    syncFolder,
    space: async (path) => {
      const space = await fs.statfs(path);
      return {
        totalBytes: space.blocks * space.bsize,
        freeBytes: space.bfree * space.bsize,
        availableBytes: space.bavail * space.bsize,
        inodes: space.files,
        inodesFree: space.ffree,
      };
    },
  };
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

function readKernelText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ESRCH'].includes(errorCode(error))) return null;
    throw error;
  }
}

async function openFile(path: string, mode: 'read' | 'write'): Promise<OpenFile> {
  const flags = mode === 'read' ? constants.O_RDONLY : constants.O_RDWR | constants.O_CREAT;
  const handle = await fs.open(path, flags, 0o640);
  let open = true;
  return {
    read: (target, position) => readAll(handle, target, position),
    write: (source, position) => writeAll(handle, source, position),
    writeParts: (sources, position) => writeParts(handle, sources, position),
    sync: () => handle.datasync(),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    stat: async () => fileStat(await handle.stat()),
    close: async () => {
      if (!open) return;
      open = false;
      await handle.close();
    },
  };
}

async function readAll(file: fs.FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function writeAll(file: fs.FileHandle, source: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < source.length) {
    const left = source.length - done;
    const { bytesWritten } = await file.write(source, done, left, position + done);
    done += bytesWritten;
  }
}

async function writeParts(
  file: fs.FileHandle, sources: readonly Uint8Array[], position: number,
): Promise<void> {
  const { bytesWritten } = await file.writev([...sources], position);
  let start = 0;
  for (const source of sources) {
    // A short write is rare: what is left of each goes by itself.
    const written = Math.min(source.length, Math.max(0, bytesWritten - start));
    if (written < source.length) {
      await writeAll(file, source.subarray(written), position + start + written);
    }
    start += source.length;
  }
}

async function replaceFile(
  path: string,
  content: string | Uint8Array,
  permissions?: number,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.new`);
  const handle = await fs.open(temporary, 'w', permissions ?? 0o640);
  try {
    // One that a crash has left has the permissions that it had.
    if (permissions !== undefined) await handle.chmod(permissions);
    await handle.writeFile(content);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await fs.rename(temporary, path);
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fileStat(stat: Awaited<ReturnType<typeof fs.stat>>): FileStat {
  return {
    sizeBytes: Number(stat.size),
    device: Number(stat.dev),
    inode: Number(stat.ino),
    modifiedMs: Number(stat.mtimeMs),
    createdMs: Number(stat.birthtimeMs),
    kind: stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other',
    ...(process.platform === 'win32' ? {} : {
      permissions: Number(stat.mode) & 0o777,
      userId: Number(stat.uid),
      groupId: Number(stat.gid),
    }),
  };
}

function folderEntry(entry: import('node:fs').Dirent): FolderEntry {
  const { name } = entry;
  if (entry.isFile()) return { name, kind: 'file' };
  if (entry.isDirectory()) return { name, kind: 'folder' };
  return { name, kind: entry.isSymbolicLink() ? 'link' : 'other' };
}
