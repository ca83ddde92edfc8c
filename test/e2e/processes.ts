// Agents and backends as processes that a test kills and starts again in the same folder, and the
// engine process of a backend, which is a child of that.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildMessage } from '../../runtime/lifecycle.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

export interface Process {
  readonly pid: number;
  readonly addresses: Readonly<Record<string, string>>;
  /** Resolves with how it ended: a signal or `exit code 0`. */
  readonly exited: Promise<string>;
  /** Sends the signal and waits for the end. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface Processes {
  /** Resolves when it is ready; throws what it says when it cannot start. */
  run(name: 'agent' | 'backend', config: unknown): Promise<Process>;
  /** Sends the signal to all that run, those that are starting too, and waits for their end. */
  endAll(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface ProcessesOptions {
  /** Of their configurations and, unless `dataFolder` says another one, their data. */
  readonly folder: string;
  readonly dataFolder?: (name: string) => string;
  /** A file that is open, for what they write. */
  readonly output?: (name: string) => number;
}

export function createProcesses({ folder, dataFolder, output }: ProcessesOptions): Processes {
  const running = new Map<ChildProcess, Promise<string>>();
  return {
    run: async (name, config) => {
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, JSON.stringify(config));
      const target = output?.(name) ?? 'inherit';
      const child = spawn(process.execPath, [join(ROOT, 'binnacle.mjs'), name, '--config', file], {
        stdio: ['ignore', target, target, 'ipc'],
        env: { ...process.env, BINNACLE_DATA_DIR: dataFolder?.(name) ?? folder },
      });
      const exited = new Promise<string>((resolve) => child.once('exit', (code, signal) => {
        running.delete(child);
        resolve(signal ?? `exit code ${code}`);
      }));
      running.set(child, exited);
      const addresses = await ready(child, name, exited);
      return { pid: child.pid!, addresses, exited, end: async (signal) => {
        child.kill(signal);
        await exited;
      } };
    },
    endAll: async (signal) => {
      for (const child of running.keys()) child.kill(signal);
      await Promise.all(running.values());
    },
  };
}

function ready(
  child: ChildProcess, name: string, exited: Promise<string>,
): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: ChildMessage) => {
      if (message.event === 'ready') resolve(message.addresses);
      else reject(new Error(`the ${name} cannot start: ${message.message}`));
    });
    void exited.then((how) => reject(new Error(`the ${name} ended before it was ready: ${how}`)));
  });
}

/** Why engine processes cannot be found on this machine, or false. */
export const noEngineProcesses: string | false =
  existsSync('/proc') ? false : 'there is no /proc to find the engine process in';

/** Engines whose data is below `folder`: that of a backend that was killed may live on a while. */
export function enginePids(folder: string): number[] {
  if (noEngineProcesses !== false) return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((id) => {
    const commandLine = readText(`/proc/${id}/cmdline`);
    return commandLine.includes('binnacle.mjs\0engine') && commandLine.includes(folder);
  }).map(Number);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
