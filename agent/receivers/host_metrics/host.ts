// The host's own files as the scrapers see them: `/proc`, `/sys` and `/etc` below `root_path`, so
// that an agent in a container can watch the machine that it runs on. And the few words in which
// the kernel's text files are written.

import { systemCause } from '../../../runtime/errors.ts';
import type { FileSystemSpace, FolderEntry } from '../../../runtime/files.ts';
import type { World } from '../../../runtime/world.ts';

/**
 * USER_HZ, the ticks per second in which the kernel tells CPU times to user space. It is part of
 * the kernel's interface and 100 on all platforms that Node.js runs on; the kernel's own HZ is
 * something else.
 */
export const TICKS_PER_SECOND = 100;

/** Paths begin with `/` and mean the host's. Failures are sentences with the path as it is seen. */
export interface Host {
  /** Wall time, nanoseconds since the Unix epoch. */
  nowNs(): bigint;
  /** Fails when the file is not there. For what may make the reader wait. */
  read(path: string): Promise<string>;
  /** Null when the file is not there. For what may make the reader wait. */
  readIfThere(path: string): Promise<string | null>;
  /** As `read`, for what the kernel always answers from memory; see `Files.readKernelText`. */
  readNow(path: string): string;
  /** As `readIfThere`, for what the kernel always answers from memory. */
  readNowIfThere(path: string): string | null;
  /**
   * True when /proc/<pid>/io can be read at once: before Linux 5.11 the reader waits for a process
   * that is starting a program, and so perhaps for the disk that the program is on.
   */
  readonly ioNow: boolean;
  list(path: string): Promise<FolderEntry[] | null>;
  readLink(path: string): Promise<string | null>;
  /** The path, on the host, with all links resolved; null when it is not there. */
  realPath(path: string): Promise<string | null>;
  space(path: string): Promise<FileSystemSpace>;
  /** Where the network of the host is found: `/proc/net`, or that of its first process. */
  networkFolder(): Promise<string>;
  /** Nanoseconds since the Unix epoch; read once, so that start times never change. */
  bootNs(): bigint;
  /** Bytes in a page of memory. */
  pageBytes(): Promise<number>;
}

export interface HostOptions {
  /** `root_path`; '' for the root itself. */
  readonly rootPath: string;
  /** Of the kernel: `6.1.0-13-amd64`. */
  readonly release: string;
}

export function createHost({ files, clock }: World, { rootPath, release }: HostOptions): Host {
  const root = rootPath.replace(/\/+$/, '');
  const at = (path: string): string => `${root}${path}`;
  const failed = (path: string, error: unknown): Error =>
    new Error(`cannot read ${at(path)}: ${systemCause(error)}`);
  const told = async <T>(path: string, what: Promise<T>): Promise<T> => {
    try {
      return await what;
    } catch (error) {
      throw failed(path, error);
    }
  };
  const there = (path: string, content: string | null): string => {
    if (content === null) throw new Error(`cannot read ${at(path)}: it does not exist`);
    return content;
  };
  const readIfThere = (path: string) => told(path, files.readText(at(path)));
  const readNowIfThere = (path: string): string | null => {
    try {
      return files.readKernelText(at(path));
    } catch (error) {
      throw failed(path, error);
    }
  };
  const readNow = (path: string): string => there(path, readNowIfThere(path));
  let boot: bigint | undefined;
  let page: number | undefined;
  return {
    nowNs: () => clock.nowNs(),
    read: async (path) => there(path, await readIfThere(path)),
    readIfThere,
    readNow,
    readNowIfThere,
    ioNow: isAtLeast(release, 5, 11),
    list: (path) => told(path, files.list(at(path))),
    readLink: (path) => told(path, files.readLink(at(path))),
    realPath: async (path) => {
      const real = await told(path, files.realPath(at(path)));
      return real?.startsWith(`${root}/`) ? real.slice(root.length) : real;
    },
    space: (path) => told(path, files.space(path === '/' && root !== '' ? root : at(path))),
    networkFolder: async () => {
      // /proc/net is that of the process that reads it, so with a root of its own the agent would
      // see its container's network.
      if (root === '') return '/proc/net';
      const first = await files.stat(at('/proc/1/net/dev')).catch(() => null);
      return first === null ? '/proc/net' : '/proc/1/net';
    },
    bootNs: () => (boot ??= parseBootNs(readNow('/proc/stat'))),
    // The kernel is the same for everybody on the machine, whatever the root.
    pageBytes: async () => (page ??= parsePageBytes(await files.read('/proc/self/auxv'))),
  };
}

function isAtLeast(release: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return first > major || (first === major && second >= minor);
}

/** `btime` of /proc/stat, in nanoseconds. */
export function parseBootNs(stat: string): bigint {
  const match = /^btime (\d+)$/m.exec(stat);
  if (match === null) throw new Error('cannot read the boot time: /proc/stat has no btime');
  return BigInt(match[1]!) * 1_000_000_000n;
}

/** AT_PAGESZ of the auxiliary vector (pairs of 64-bit words, getauxval(3)); 4096 when unknown. */
export function parsePageBytes(vector: Buffer | null): number {
  const AT_PAGESZ = 6n;
  const PAGE_BYTES_USUAL = 4096;
  if (vector === null) return PAGE_BYTES_USUAL;
  const words = new BigUint64Array(vector.length >> 3);
  vector.copy(new Uint8Array(words.buffer), 0, 0, words.byteLength);
  for (let index = 0; index + 1 < words.length; index += 2) {
    if (words[index] === AT_PAGESZ) return Number(words[index + 1]);
  }
  return PAGE_BYTES_USUAL;
}

/** The words of a line, whatever blanks are between and before them. */
export function fields(line: string): string[] {
  return line.trim().split(/\s+/);
}

/** A whole number as the kernel prints it; NaN for anything else, also for an absent field. */
export function number(field: string | undefined): number {
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : NaN;
}

/** Lines `name value` or `name: value unit` as a map; lines of another form are left out. */
export function namedNumbers(content: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const match of content.matchAll(/^([^\s:]+):?[ \t]+(\d+)(?: kB)?$/gm)) {
    numbers.set(match[1]!, Number(match[2]));
  }
  return numbers;
}
