// What was asked at the prompt, in a file of the user's own: `binnacle/query_history` in the folder
// for state (XDG Base Directory Specification), a statement in each line, the newest at the end.
//
// Promises:
// - Only its owner can read it.
// - It is bounded; the oldest go first. Prompts at the same time add to what the others wrote.
// - Statements that begin with a blank are not kept.

import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { Files } from '../../runtime/files.ts';

export const limits = {
  /** Beyond them the oldest go. */
  entriesMax: 1000,
  /** A longer statement is not kept. */
  entryCharactersMax: 16 * 1024,
  /** Of a file that is read; more was not written by us, and only its end is taken. */
  fileCharactersMax: 4 * 1024 * 1024,
} as const;

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export interface History {
  /** The newest first, as readline has it. */
  readonly entries: string[];
  /** One line. Rejects when it cannot be written; `entries` has it all the same. */
  add(entry: string): Promise<void>;
}

export function historyPath(env: NodeJS.ProcessEnv): string {
  const { XDG_STATE_HOME: state = '' } = env;
  // The specification has relative paths ignored.
  const folder = isAbsolute(state) ? state : join(homedir(), '.local', 'state');
  return join(folder, 'binnacle', 'query_history');
}

/** A file that cannot be read is as none. */
export async function openHistory(files: Files, path: string): Promise<History> {
  const entries = (await linesIn(files, path).catch(() => [])).reverse();
  return {
    entries,
    add: async (entry) => {
      if (/^\s/.test(entry) || entry.length > limits.entryCharactersMax) return;
      if (entries[0] === entry) return;
      entries.unshift(entry);
      entries.length = Math.min(entries.length, limits.entriesMax);
      await files.makeFolder(dirname(path), FOLDER_MODE);
      const kept = [...await linesIn(files, path), entry].slice(-limits.entriesMax);
      await files.replace(path, `${kept.join('\n')}\n`, FILE_MODE);
    },
  };
}

async function linesIn(files: Files, path: string): Promise<string[]> {
  const text = (await files.readText(path) ?? '').slice(-limits.fileCharactersMax);
  return text.split('\n')
    .filter((line) => line !== '' && line.length <= limits.entryCharactersMax)
    .slice(-limits.entriesMax);
}
