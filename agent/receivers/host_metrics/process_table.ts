// The processes of the host, read once for all scrapers of a collection.
//
// Each process is one read of /proc/<pid>/stat (proc_pid_stat(5)), and the second field, the name
// in brackets, may itself have blanks and brackets:
//
//     1234 (a (b) c) S 1 1234 1234 0 -1 4194304 minflt cminflt majflt cmajflt utime stime …
//
// A process that ends while it is looked at is left out without a word. The lists below go by the
// numbers of the manual page, counted from 1.

import { number, TICKS_PER_SECOND, type Host } from './host.ts';

export interface ProcessStat {
  readonly pid: number;
  /** At most 15 bytes of the name of its program, or what it calls itself. */
  readonly name: string;
  /** One letter: R running, S sleeping, D waiting for disk, Z zombie, T stopped, I idle, … */
  readonly state: string;
  readonly parentPid: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Time it waited for disk; 0 unless the kernel accounts delays. */
  readonly waitSeconds: number;
  readonly threads: number;
  /** Seconds from the boot of the host to its start. */
  readonly startSeconds: number;
  readonly virtualBytes: number;
  /** Pages in memory. */
  readonly residentPages: number;
}

export interface ProcessTable {
  /** All processes, by pid. The same list until `renew`. */
  read(): Promise<readonly ProcessStat[]>;
  /** Forgets the list: the next `read` reads again. */
  renew(): void;
}

/** Processes read before other work gets its turn. */
const READS_AT_ONCE = 200;

export function createProcessTable(host: Host): ProcessTable {
  let current: Promise<readonly ProcessStat[]> | undefined;
  return {
    read: () => (current ??= readProcesses(host)),
    renew: () => {
      current = undefined;
    },
  };
}

async function readProcesses(host: Host): Promise<readonly ProcessStat[]> {
  const entries = await host.list('/proc') ?? [];
  const pids = entries.map(({ name }) => number(name)).filter(Number.isFinite);
  const processes: ProcessStat[] = [];
  for (const [index, pid] of pids.sort((a, b) => a - b).entries()) {
    const content = host.readNowIfThere(`/proc/${pid}/stat`);
    const stat = content === null ? null : parseProcessStat(content);
    if (stat !== null) processes.push(stat);
    if (index % READS_AT_ONCE === READS_AT_ONCE - 1) await new Promise(setImmediate);
  }
  return processes;
}

/** Null when the line is not one of a process. */
export function parseProcessStat(content: string): ProcessStat | null {
  const open = content.indexOf('(');
  const close = content.lastIndexOf(')');
  if (open === -1 || close < open) return null;
  const rest = content.slice(close + 2).trimEnd().split(' ');
  const FIRST = 3; // The number of the field after the name.
  const at = (field: number): number => Number(rest[field - FIRST] ?? NaN);
  const stat: ProcessStat = {
    pid: number(content.slice(0, open).trim()),
    name: content.slice(open + 1, close),
    state: rest[0] ?? '',
    parentPid: at(4),
    minorFaults: at(10),
    majorFaults: at(12),
    userSeconds: at(14) / TICKS_PER_SECOND,
    systemSeconds: at(15) / TICKS_PER_SECOND,
    waitSeconds: rest.length > 42 - FIRST ? at(42) / TICKS_PER_SECOND : 0,
    threads: at(20),
    startSeconds: at(22) / TICKS_PER_SECOND,
    virtualBytes: at(23),
    residentPages: at(24),
  };
  const complete = Number.isFinite(stat.pid) && Number.isFinite(stat.residentPages);
  return complete ? stat : null;
}
