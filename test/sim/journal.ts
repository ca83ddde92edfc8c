// What happened, as one running hash and the last lines. Two runs of one seed must have the same
// hash; a failure shows the lines.

import type { Log, LogFields } from '../../runtime/log.ts';
import type { Time } from './time.ts';

/** Unless more are wanted; older lines are forgotten. */
export const LINES_MAX = 60;

export interface Journal {
  note(line: string): void;
  /** A law is broken; only the first times are kept. */
  broken(law: string): void;
  laws(): readonly string[];
  hash(): string;
  lines(): readonly string[];
}

export function createJournal(time: Time, linesMax: number): Journal {
  const lines: string[] = [];
  const laws: string[] = [];
  let low = 0x811c9dc5;
  let high = 0x01000193;
  const note = (text: string) => {
    const line = `${(time.nowMs() / 1000).toFixed(6)} ${text}`;
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ (code + index), 0x85ebca6b);
    }
    lines.push(line);
    if (lines.length > linesMax) lines.shift();
  };
  return {
    note,
    broken: (law) => {
      note(`BROKEN ${law}`);
      if (laws.length < 5) laws.push(`at ${(time.nowMs() / 1000).toFixed(3)} s: ${law}`);
    },
    laws: () => laws,
    hash: () => [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join(''),
    lines: () => lines,
  };
}

/** A log that becomes part of what happened. */
export function createJournalLog(journal: Journal, name: string): Log {
  const at = (level: string) => (message: string, fields: LogFields = {}) => {
    const details = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
    journal.note(`${name} ${level}: ${message}${details}`);
  };
  const log: Log = {
    debug: () => {},
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}
