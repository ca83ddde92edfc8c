// Who a process is: what becomes attributes of its resource. Names, command lines and owners
// hardly ever change, so they are read when a process is first seen, when its name changes (it
// became another program) and again every few scrapes.
//
// What a process may hide (its executable, from other users) is left out; the failure is given to
// `hidden`, which decides whether anybody wants to know.

import type { Attributes } from '../../../proto/otlp/model.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Host } from './host.ts';
import type { ProcessStat } from './process_table.ts';
import { int, text } from '../readings/readings.ts';

/** All attributes that a process resource can have, and whether it has them unless told. */
export const processAttributes: Readonly<Record<string, boolean>> = {
  'process.pid': true,
  'process.parent_pid': true,
  'process.executable.name': true,
  'process.executable.path': true,
  'process.command': true,
  'process.command_line': true,
  'process.owner': true,
  'process.cgroup': false,
};

export type Hidden = (what: 'name' | 'exe' | 'user' | 'cgroup', pid: number, why: string) => void;

export interface Identity {
  readonly name: string;
  readonly attributes: Attributes;
}

export interface Identities {
  of(process: ProcessStat, hidden: Hidden): Promise<Identity>;
  /** Forgets all processes but these; to be called once per scrape. */
  keep(processes: readonly ProcessStat[]): Promise<void>;
}

/** An identity is read again after this many scrapes, and the list of users too. */
const SCRAPES_BETWEEN = 30;
/** A longer command line is cut: arguments can be megabytes. */
const COMMAND_LINE_CHARS_MAX = 4096;
/** The kernel cuts a process's own name here; a longer one is taken from the command line. */
const NAME_BYTES_MAX = 15;

interface Known {
  readonly startSeconds: number;
  readonly ownName: string;
  readonly parentPid: number;
  readonly untilScrape: number;
  readonly identity: Identity;
}

export function createIdentities(host: Host, enabled: ReadonlySet<string>): Identities {
  const known = new Map<number, Known>();
  let users: ReadonlyMap<string, string> = new Map();
  let scrape = 0;
  return {
    of: async (process, hidden) => {
      const { pid, startSeconds, name: ownName, parentPid } = process;
      const before = known.get(pid);
      const same = before?.startSeconds === startSeconds && before.ownName === ownName
        && before.parentPid === parentPid && before.untilScrape > scrape;
      if (same) return before.identity;
      const identity = await readIdentity(host, process, enabled, users, hidden);
      // Spread, so that not all are read again in the same scrape.
      const untilScrape = scrape + SCRAPES_BETWEEN + (pid % SCRAPES_BETWEEN);
      known.set(pid, { startSeconds, ownName, parentPid, untilScrape, identity });
      return identity;
    },
    keep: async (processes) => {
      if (enabled.has('process.owner') && scrape % SCRAPES_BETWEEN === 0) {
        users = parseUsers(await host.readIfThere('/etc/passwd') ?? '');
      }
      scrape += 1;
      const alive = new Set(processes.map(({ pid }) => pid));
      for (const pid of known.keys()) if (!alive.has(pid)) known.delete(pid);
    },
  };
}

async function readIdentity(
  host: Host,
  process: ProcessStat,
  enabled: ReadonlySet<string>,
  users: ReadonlyMap<string, string>,
  hidden: Hidden,
): Promise<Identity> {
  const { pid } = process;
  const folder = `/proc/${pid}`;
  const tell = (what: Parameters<Hidden>[0]) => (error: unknown) => {
    hidden(what, pid, errorMessage(error));
    return null;
  };
  const wants = (...names: string[]): boolean => names.some((name) => enabled.has(name));
  const cut = Buffer.byteLength(process.name) >= NAME_BYTES_MAX;
  const commandLine = cut || wants('process.command', 'process.command_line')
    ? parseCommandLine(await host.readIfThere(`${folder}/cmdline`).catch(tell('name')) ?? '')
    : [];
  const name = fullName(process.name, commandLine);
  const values: Record<string, string | number> = {
    'process.pid': pid,
    'process.parent_pid': process.parentPid,
    'process.executable.name': name,
    'process.command': commandLine[0] ?? '',
    'process.command_line': commandLine.join(' ').slice(0, COMMAND_LINE_CHARS_MAX),
  };
  if (wants('process.executable.path')) {
    // Threads of the kernel have no executable, and the link is not there.
    values['process.executable.path'] =
      await host.readLink(`${folder}/exe`).catch(tell('exe')) ?? '';
  }
  if (wants('process.owner')) {
    const id = parseUserId(readStatus(host, folder, tell('user')));
    values['process.owner'] = users.get(id) ?? id;
  }
  if (wants('process.cgroup')) {
    const groups = await host.readIfThere(`${folder}/cgroup`).catch(tell('cgroup')) ?? '';
    values['process.cgroup'] = groups.trimEnd();
  }
  return { name, attributes: toAttributes(values, enabled) };
}

/** The kernel answers it from memory, unlike what the process itself may have written over. */
function readStatus(host: Host, folder: string, tell: (error: unknown) => null): string {
  try {
    return host.readNowIfThere(`${folder}/status`) ?? '';
  } catch (error) {
    return tell(error) ?? '';
  }
}

/** In the order of the table; what is empty is left out. */
function toAttributes(
  values: Readonly<Record<string, string | number>>,
  enabled: ReadonlySet<string>,
): Attributes {
  return Object.keys(processAttributes).flatMap((key) => {
    const value = values[key];
    if (!enabled.has(key) || value === undefined || value === '') return [];
    return [typeof value === 'number' ? int(key, value) : text(key, value)];
  });
}

/** Arguments end with a zero byte; a process may also have written over them what it likes. */
export function parseCommandLine(cmdline: string): string[] {
  const trimmed = cmdline.replace(/[\0\s]+$/, '');
  return trimmed === '' ? [] : trimmed.split('\0');
}

/** The program's whole name, where the kernel kept only the beginning. */
export function fullName(name: string, commandLine: readonly string[]): string {
  if (Buffer.byteLength(name) < NAME_BYTES_MAX) return name;
  const program = commandLine[0]?.split('/').at(-1) ?? '';
  return program.startsWith(name) ? program : name;
}

/** The real user id in /proc/<pid>/status, '' when there is none. */
export function parseUserId(status: string): string {
  return /^Uid:\s+(\d+)/m.exec(status)?.[1] ?? '';
}

/** Names by user id, from /etc/passwd; users that only a directory service knows are not in it. */
export function parseUsers(passwd: string): Map<string, string> {
  const users = new Map<string, string>();
  for (const line of passwd.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id !== undefined && /^\d+$/.test(id) && !users.has(id)) users.set(id, name);
  }
  return users;
}
