// A disk in memory that forgets what was not synced, tears writes, is full, and fails on demand.
//
// What a crash leaves: everything that was synced, a random part of the writes that were not (each
// kept, torn or lost), and a random beginning of the creations, renames and removals whose folder
// was not synced. A sync that fails forgets what it should have written: the next one succeeds
// without it, while reads still see it, as Linux does it.
//
// Every call counts as an operation, the steps of `replace` one by one. `failAt` makes one of them
// throw; `crashAt` makes it and all later ones never come back, as if the process had died there.

import { basename, dirname, join } from 'node:path';
import type { Files, OpenFile } from '../../runtime/files.ts';
import { createSeededRandom } from '../../runtime/random.ts';

export interface FaultyFiles {
  /** As the process of now sees it: after a crash or a kill, what it asks for never comes back. */
  readonly files: Files;
  /** Operations so far. */
  operations(): number;
  /** Operation `number` (from 0) throws `code`. */
  failAt(number: number, code: string): void;
  /** Every write throws ENOSPC while more than this is stored; Infinity for a disk without end. */
  capacity(bytes: number): void;
  /** Syncs throw EIO while it is set. */
  failSyncs(fail: boolean): void;
  /** From operation `number` on nothing comes back, until `crash`. */
  crashAt(number: number): void;
  /** True when the operation of `crashAt` was reached. */
  crashed(): boolean;
  /** What is on the disk when the machine is back; handles of before are dead. */
  crash(): void;
  /** Only the process has died: handles are dead, but what was written is still to be read. */
  kill(): void;
  /** Changes bytes as a broken disk would. */
  damage(path: string, change: (bytes: Buffer) => Buffer): void;
  paths(): string[];
  content(path: string): Buffer | null;
}

interface Inode {
  readonly number: number;
  content: Buffer;
  durable: Buffer;
  unsynced: Change[];
}

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly size: number };

interface Move {
  readonly folder: string;
  readonly path: string;
  readonly inode: Inode | null;
}

/** `before` runs before every operation: it may take its time, throw, or never come back. */
export function createFaultyFiles(
  seed: number,
  before?: (isWrite: boolean) => Promise<void>,
): FaultyFiles {
  const random = createSeededRandom(seed);
  let entries = new Map<string, Inode>();
  let durableEntries = new Map<string, Inode>();
  let moves: Move[] = [];
  let operations = 0;
  let failing: { number: number; code: string } | null = null;
  let crashing = Number.POSITIVE_INFINITY;
  let capacityBytes = Number.POSITIVE_INFINITY;
  let syncsFail = false;
  let life = 0;
  let inodes = 0;

  const operation = async (isWrite = false): Promise<void> => {
    const born = life;
    const number = operations++;
    if (number >= crashing) await new Promise(() => {});
    await (before === undefined ? Promise.resolve() : before(isWrite));
    if (born !== life) await new Promise(() => {});
    if (failing?.number === number) throw failure(failing.code);
    if (isWrite && stored() >= capacityBytes) throw failure('ENOSPC');
  };
  const stored = () => [...entries.values()].reduce((sum, { content }) => sum + content.length, 0);
  const move = (path: string, inode: Inode | null) => {
    if (inode === null) entries.delete(path);
    else entries.set(path, inode);
    moves.push({ folder: dirname(path), path, inode });
  };
  const create = (path: string): Inode => {
    const inode: Inode = {
      number: ++inodes, content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [],
    };
    move(path, inode);
    return inode;
  };
  const write = (inode: Inode, change: Change) => {
    inode.content = apply(inode.content, change);
    inode.unsynced.push(change);
  };
  const sync = (inode: Inode, fail: boolean) => {
    const written = inode.unsynced;
    inode.unsynced = [];
    if (fail) throw failure('EIO');
    inode.durable = written.reduce(apply, inode.durable);
  };
  const handle = (inode: Inode): OpenFile => {
    const born = life;
    const step = async (isWrite = false) => {
      if (born !== life) await new Promise(() => {});
      await operation(isWrite);
    };
    const writeBytes: OpenFile['write'] = async (source, position) => {
      const room = Math.max(0, capacityBytes - stored());
      const bytes = Buffer.from(source);
      if (bytes.length > room) {
        await step();
        write(inode, { at: position, bytes: bytes.subarray(0, room) });
        throw failure('ENOSPC');
      }
      await step(true);
      write(inode, { at: position, bytes });
    };
    return {
      read: async (target, position) => {
        await step();
        const part = inode.content.subarray(position, position + target.length);
        target.set(part);
        return part.length;
      },
      write: writeBytes,
      writeParts: (sources, position) => writeBytes(Buffer.concat(sources), position),
      sync: async () => {
        await step().catch((error: unknown) => {
          inode.unsynced = [];
          throw error;
        });
        sync(inode, syncsFail);
      },
      truncate: async (size) => {
        await step();
        write(inode, { size });
      },
      stat: async () => {
        await step();
        return statOf(inode);
      },
      close: () => (born === life ? operation() : new Promise(() => {})),
    };
  };
  const syncFolder = async (folder: string) => {
    await operation();
    if (syncsFail) throw failure('EIO');
    for (const one of moves.filter((each) => each.folder === folder)) settle(durableEntries, one);
    moves = moves.filter((each) => each.folder !== folder);
  };
  const files: Files = {
    open: async (path, mode) => {
      await operation();
      const inode = entries.get(path);
      if (inode === undefined && mode === 'read') return null;
      return handle(inode ?? create(path));
    },
    read: async (path) => {
      await operation();
      const inode = entries.get(path);
      return inode === undefined ? null : Buffer.from(inode.content);
    },
    readText: async (path) => (await files.read(path))?.toString() ?? null,
    replace: async (path, content) => {
      const temporary = join(dirname(path), `.${basename(path)}.new`);
      const file = (await files.open(temporary, 'write'))!;
      await file.truncate(0);
      await file.write(Buffer.from(content), 0);
      await file.sync();
      await file.close();
      await files.rename(temporary, path);
      await syncFolder(dirname(path));
    },
    stat: async (path) => {
      await operation();
      const inode = entries.get(path);
      return inode === undefined ? null : statOf(inode);
    },
    list: async (folder) => {
      await operation();
      const names = [...entries.keys()].filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1));
      const direct = names.filter((name) => !name.includes('/'));
      return direct.map((name) => ({ name, kind: 'file' as const }));
    },
    realPath: async (path) => path,
    readLink: async () => null,
    readKernelText: () => null,
    makeFolder: () => operation(),
    rename: async (source, target) => {
      await operation();
      const inode = entries.get(source);
      if (inode === undefined) throw failure('ENOENT');
      move(target, inode);
      move(source, null);
    },
    remove: async (path) => {
      await operation();
      for (const one of [...entries.keys()]) {
        if (one === path || one.startsWith(`${path}/`)) move(one, null);
      }
    },
    syncFolder,
    space: async () => {
      const totalBytes = Number.isFinite(capacityBytes) ? capacityBytes : 2 ** 40;
      const freeBytes = Math.max(0, totalBytes - stored());
      return { totalBytes, freeBytes, availableBytes: freeBytes, inodes: 1000, inodesFree: 900 };
    },
  };
  return {
    get files() {
      return boundTo(files, () => life);
    },
    operations: () => operations,
    failAt: (number, code) => {
      failing = { number, code };
    },
    capacity: (bytes) => {
      capacityBytes = bytes;
    },
    failSyncs: (fail) => {
      syncsFail = fail;
    },
    crashAt: (number) => {
      crashing = number;
    },
    crashed: () => operations > crashing,
    kill: () => {
      life += 1;
      crashing = Number.POSITIVE_INFINITY;
    },
    crash: () => {
      life += 1;
      const kept = Math.floor(random.float() * (moves.length + 1));
      for (const one of moves.slice(0, kept)) settle(durableEntries, one);
      moves = [];
      for (const inode of new Set(durableEntries.values())) {
        inode.content = inode.unsynced.reduce((content, change) =>
          survive(content, change, random.float), inode.durable);
        inode.durable = inode.content;
        inode.unsynced = [];
      }
      entries = new Map(durableEntries);
      durableEntries = new Map(entries);
      crashing = Number.POSITIVE_INFINITY;
      failing = null;
      syncsFail = false;
    },
    damage: (path, change) => {
      const inode = entries.get(path)!;
      inode.content = change(Buffer.from(inode.content));
      inode.durable = inode.content;
    },
    paths: () => [...entries.keys()].sort(),
    content: (path) => entries.get(path)?.content ?? null,
  };
}

/** What a process asks for after its end never comes back. */
function boundTo(files: Files, life: () => number): Files {
  const born = life();
  const bound = Object.entries(files).map(([name, call]: [string, (...args: never[]) => unknown]) =>
    [name, (...args: never[]) => (born === life() ? call(...args) : new Promise(() => {}))]);
  return Object.fromEntries(bound) as Files;
}

const failure = (code: string) => Object.assign(new Error(`injected ${code}`), { code });

function settle(target: Map<string, Inode>, { path, inode }: Move): void {
  if (inode === null) target.delete(path);
  else target.set(path, inode);
}

function apply(content: Buffer, change: Change): Buffer {
  if ('size' in change) {
    const resized = Buffer.alloc(change.size);
    content.copy(resized);
    return resized;
  }
  const grown = Buffer.alloc(Math.max(content.length, change.at + change.bytes.length));
  content.copy(grown);
  change.bytes.copy(grown, change.at);
  return grown;
}

/** A write that was not synced: kept, lost, or torn at a sector, with zeros or not behind it. */
function survive(content: Buffer, change: Change, chance: () => number): Buffer {
  const fate = chance();
  if (fate < 0.3) return content;
  if (fate < 0.6 || 'size' in change) return apply(content, change);
  const sectors = Math.floor(chance() * (change.bytes.length / 512 + 1));
  const torn = change.bytes.subarray(0, sectors * 512);
  const zeros = fate < 0.8 ? Buffer.alloc(change.bytes.length - torn.length) : Buffer.alloc(0);
  return apply(content, { at: change.at, bytes: Buffer.concat([torn, zeros]) });
}

const statOf = ({ number, content }: Inode) => ({
  sizeBytes: content.length, device: 1, inode: number, modifiedMs: 0, createdMs: 0,
  kind: 'file' as const,
});
