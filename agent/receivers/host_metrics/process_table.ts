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
  readNumbers(content, close + 4);
  const pid = number(content.slice(0, open).trim());
  // A line of a process of the kernel's is 0 in most fields, but they are there.
  if (!Number.isFinite(pid) || !Number.isFinite(at[24]!)) return null;
  return {
    pid,
    name: content.slice(open + 1, close),
    state: content[close + 2]!,
    parentPid: at[4]!,
    minorFaults: at[10]!,
    majorFaults: at[12]!,
    userSeconds: at[14]! / TICKS_PER_SECOND,
    systemSeconds: at[15]! / TICKS_PER_SECOND,
    waitSeconds: Number.isFinite(at[42]!) ? at[42]! / TICKS_PER_SECOND : 0,
    threads: at[20]!,
    startSeconds: at[22]! / TICKS_PER_SECOND,
    virtualBytes: at[23]!,
    residentPages: at[24]!,
  };
}

const FIRST = 4; // The number of the first field behind the state.
const LAST = 42;
/** The numbers of the line that was read last, by field; NaN for those that it does not have. */
const at = new Float64Array(LAST + 1);

/** Reads without making texts of the fields: there are fifty of them, for each process. */
function readNumbers(line: string, start: number): void {
  at.fill(NaN);
  let field = FIRST;
  let value = NaN;
  let sign = 1;
  for (let index = start; index < line.length && field <= LAST; index++) {
    const code = line.charCodeAt(index);
    if (code >= 0x30 && code <= 0x39) {
      value = (Number.isNaN(value) ? 0 : value * 10) + (code - 0x30);
    } else if (code === 0x2d && Number.isNaN(value)) {
      sign = -1;
    } else {
      at[field++] = sign * value;
      value = NaN;
      sign = 1;
      if (code !== 0x20) return;
    }
  }
  if (field <= LAST) at[field] = sign * value;
}
