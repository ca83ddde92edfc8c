// Runs journalctl for as long as the receiver runs, and gives out the lines that it prints. When it
// ends it is started again behind the last line that was read, later and later while it fails.
//
// What it complains of goes to the log (a missing permission, a journal that it cannot read); when
// it does not know the cursor any more, the journal is read from its beginning.

import { OperatorError, systemCause } from '../../../runtime/errors.ts';
import { createLines } from '../../../runtime/lines.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import { startProgram, type Program } from '../../../runtime/program.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import type { World } from '../../../runtime/world.ts';
import { followCommand, newestCommand, type Command } from './command.ts';
import type { JournaldConfig } from './config.ts';
import { cursorOf } from './entry.ts';

export const limits = {
  /** Of an entry as a line of JSON; a longer one cannot be read and is counted. */
  lineBytesMax: 16 * 1024 * 1024,
} as const;

const LOG_INTERVAL_MS = 60_000;
/** One that ran for so long has not failed at its start. */
const WELL_MS = 60_000;
const RESTART = {
  initialIntervalMs: 1000, maxIntervalMs: 30_000, multiplier: 2, randomizationFactor: 0.2,
};

export interface FollowerOptions {
  readonly config: JournaldConfig;
  readonly id: string;
  readonly world: World;
  readonly log: Log;
  readonly stopping: AbortSignal;
  /** The cursor of the last line that was given out; empty for the beginning. */
  readonly cursor: () => string;
  /** Hears that this cursor is not known to the journal. */
  readonly cursorLost: () => void;
  readonly line: (line: Buffer, cut: boolean) => void;
  /** Resolves when more may be read, with false when it is over. */
  readonly room: () => Promise<boolean>;
  readonly full: () => boolean;
  readonly restarted: () => void;
}

export interface Follower {
  /** Resolves when journalctl runs. Throws OperatorError when it cannot be started at all. */
  start(): Promise<void>;
  /** Ends it, at once when `deadline` fires; to be called when `stopping` has fired. */
  stop(deadline: AbortSignal): Promise<void>;
}

export function createFollower(options: FollowerOptions): Follower {
  const { world: { clock, random }, stopping } = options;
  const log = rateLimited(options.log, clock, LOG_INTERVAL_MS);
  let program: Program | undefined;
  let loop: Promise<void> = Promise.resolve();

  const launch = (): Promise<Program> => launchJournalctl(options, log, () => program);
  const watch = async (): Promise<void> => {
    let startMs = clock.monotonicMs();
    for (let attempt = 0; ; attempt++) {
      const how = await program?.ended;
      if (stopping.aborted) return;
      if (clock.monotonicMs() - startMs > WELL_MS) attempt = 0;
      const cause = how?.how ?? 'it cannot be started';
      log.warn('journalctl has ended and is started again', { cause });
      options.restarted();
      await clock.sleep(retryDelayMs(RESTART, attempt, 0, random), stopping);
      if (stopping.aborted) return;
      startMs = clock.monotonicMs();
      program = undefined;
      program = await launch().catch((error: unknown) => {
        log.error(`cannot start ${options.config.journalctl_path}: ${systemCause(error)}`);
        return undefined;
      });
    }
  };
  return {
    start: async () => {
      try {
        program = await launch();
      } catch (error) {
        throw cannotStart(options, error);
      }
      loop = watch();
    },
    stop: async (deadline) => {
      await program?.stop(deadline);
      await loop;
      // One that was being started when the stop began.
      await program?.stop(deadline);
    },
  };
}

async function launchJournalctl(
  options: FollowerOptions, log: Log, current: () => Program | undefined,
): Promise<Program> {
  const { config, full, room, stopping } = options;
  const lines = createLines({ bytesMax: limits.lineBytesMax, line: options.line });
  let waiting = false;
  const output = (chunk: Buffer): void => {
    if (stopping.aborted) return;
    lines.add(chunk);
    if (!full() || waiting) return;
    waiting = true;
    program?.pause();
    void room().then(() => {
      waiting = false;
      program?.resume();
    });
  };
  let program = current();
  program = await startProgram({
    ...followCommand(config, options.cursor()),
    output,
    complaint: (line) => {
      log.warn(`journalctl: ${line}`);
      if (/seek to cursor/i.test(line)) options.cursorLost();
    },
  });
  return program;
}

/** The cursor of the newest entry; empty when there is none. Throws OperatorError. */
export async function newestCursor(
  options: Pick<FollowerOptions, 'config' | 'id' | 'log'>, abort: AbortSignal,
): Promise<string> {
  let cursor = '';
  const lines = createLines({
    bytesMax: limits.lineBytesMax,
    line: (line) => {
      cursor = cursorOf(line) ?? cursor;
    },
  });
  const complaints: string[] = [];
  const how = await runOnce(newestCommand(options.config), lines.add, (line) => {
    if (complaints.length < 10) complaints.push(line);
  }, abort).catch((error: unknown) => {
    throw cannotStart(options, error);
  });
  lines.end();
  if (how.ok) return cursor;
  throw new OperatorError(
    `cannot read the journal for ${options.id}: ${complaints.at(-1) ?? how.how}`,
    `check receivers.${options.id}, and that this user may read the journal: `
      + 'usermod -a -G systemd-journal USER');
}

async function runOnce(
  command: Command,
  output: (chunk: Buffer) => void,
  complaint: (line: string) => void,
  abort: AbortSignal,
): ReturnType<typeof waitFor> {
  return waitFor(await startProgram({ ...command, output, complaint }), abort);
}

async function waitFor(program: Program, abort: AbortSignal): Promise<Awaited<Program['ended']>> {
  const stop = () => void program.stop(abort);
  if (abort.aborted) stop();
  abort.addEventListener('abort', stop, { once: true });
  const how = await program.ended;
  abort.removeEventListener('abort', stop);
  return how;
}

function cannotStart(
  { id, config }: Pick<FollowerOptions, 'config' | 'id'>, error: unknown,
): OperatorError {
  const { root_path: root, journalctl_path: path } = config;
  const what = root === undefined ? path : `chroot ${root} ${path}`;
  return new OperatorError(`cannot start ${what} for ${id}: ${systemCause(error)}`,
    `install systemd's journalctl, set receivers.${id}.journalctl_path to where it is, `
      + 'or remove the receiver on hosts without a journal');
}
