// A program of the system that a component runs for what it prints, such as journalctl. It gets no
// input, and ends when it is asked to; it does not outlive an orderly stop of ours, and the kernel
// closes its pipe when we are killed, at which programs that print end by themselves.

import { spawn } from 'node:child_process';
import { createLines } from './lines.ts';

export interface ProgramOptions {
  /** A path, or a name that is looked for in PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** Gets what it prints. Nothing comes between `pause` and `resume`. */
  readonly output: (chunk: Buffer) => void;
  /** Gets what it complains of, a line each, cut to `limits.complaintBytesMax`. */
  readonly complaint: (line: string) => void;
}

export const limits = {
  /** Of a line of its standard error; the rest of a longer one is left out. */
  complaintBytesMax: 4096,
} as const;

export interface ProgramEnd {
  /** `exit code 1`, `SIGKILL`. */
  readonly how: string;
  readonly ok: boolean;
}

export interface Program {
  /** Resolves when it has ended and all that it printed was given out. Never rejects. */
  readonly ended: Promise<ProgramEnd>;
  pause(): void;
  resume(): void;
  /** Asks it to end, and ends it when `deadline` fires. Resolves when it has. Safe twice. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** Resolves when it runs. Rejects with the system's error when it cannot be started. */
export function startProgram(options: ProgramOptions): Promise<Program> {
  const child = spawn(options.command, [...options.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // So that Ctrl-C at a terminal reaches us alone, and we stop it in order.
    detached: true,
  });
  const { stdout, stderr } = child;
  const complaints = createLines({
    bytesMax: limits.complaintBytesMax,
    line: (line) => options.complaint(line.toString('utf8')),
  });
  stdout.on('data', options.output);
  stderr.on('data', complaints.add);
  let over = false;
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once('close', (code, signal) => {
      over = true;
      complaints.end();
      resolve({ how: signal ?? `exit code ${code}`, ok: code === 0 });
    });
  });
  const stop = async (deadline: AbortSignal): Promise<void> => {
    const kill = () => child.kill('SIGKILL');
    if (!over) {
      child.kill('SIGTERM');
      // What is not taken any more would keep its pipe open.
      stdout.off('data', options.output).resume();
      if (deadline.aborted) kill();
      deadline.addEventListener('abort', kill, { once: true });
    }
    await ended;
    deadline.removeEventListener('abort', kill);
  };
  const program: Program = {
    ended, stop, pause: () => void stdout.pause(), resume: () => void stdout.resume(),
  };
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(program));
  });
}
