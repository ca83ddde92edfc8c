// The program's own log: one JSON object per line on standard error, or short coloured lines for a
// terminal. Nothing of what users send is ever logged, only names, counts and causes.

import { pino } from 'pino';
import type { Clock } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Record<string, unknown>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `json` for machines, `text` for a person at a terminal. */
  readonly format: 'json' | 'text';
  /** Called with one line each, with its line end. */
  readonly write: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const write = options.format === 'json' ? options.write : (line: string) =>
    options.write(textLine(JSON.parse(line)));
  const settings = {
    level: options.level,
    base: undefined,
    messageKey: 'message',
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return wrap(pino(settings, { write }));
}

/**
 * The log of a whole process on standard error; each line names the process. `auto` writes text to
 * a terminal and JSON elsewhere.
 */
export function createProcessLog(
  process: string,
  { level, format }: { readonly level: LogLevel; readonly format: 'auto' | LogOptions['format'] },
): Log {
  const { stderr } = globalThis.process;
  const automatic = stderr.isTTY === true ? 'text' : 'json';
  const write = (line: string) => void stderr.write(line);
  return createLog({ level, format: format === 'auto' ? automatic : format, write })
    .child({ process });
}

/** A log that says nothing, for tests of parts whose log does not matter. */
export const SILENT_LOG: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT_LOG,
};

/** Wraps `log` so that each distinct message is written at most once per `intervalMs`. */
export function rateLimited(log: Log, clock: Clock, intervalMs: number): Log {
  const MESSAGES_MAX = 1000; // Beyond it the oldest memory is dropped: a message may repeat early.
  const lastMs = new Map<string, number>();
  const limited = (level: LogLevel) => (message: string, fields?: LogFields) => {
    const now = clock.monotonicMs();
    const last = lastMs.get(message);
    if (last !== undefined && now - last < intervalMs) return;
    if (lastMs.size >= MESSAGES_MAX) lastMs.delete(lastMs.keys().next().value!);
    lastMs.set(message, now);
    log[level](message, fields);
  };
  return {
    debug: limited('debug'),
    info: limited('info'),
    warn: limited('warn'),
    error: limited('error'),
    child: (fields) => rateLimited(log.child(fields), clock, intervalMs),
  };
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}

function textLine(entry: Record<string, unknown>): string {
  const { level, time, message, ...fields } = entry;
  const details = Object.entries(fields).map(([key, value]) =>
    `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)}`;
  return `${[head, message, ...details].join(' ')}\n`;
}
