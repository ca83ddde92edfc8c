// Routes and receivers, read from their file, and read again when it changes.
//
// Promises:
// - A file that is wrong at the start keeps the backend from starting: nobody would be woken, and
//   nobody would know. One that becomes wrong later changes nothing; the log says why, by line.
// - A change counts when the file has rested for one look, so that nothing half written is read.

import { ConfigError, describeProblem, type ConfigProblem } from '../config/errors.ts';
import type { Environment } from '../config/substitution.ts';
import type { Component } from '../proto/contract/component.ts';
import type { Clock, Timer } from '../runtime/clock.ts';
import type { Counters } from '../runtime/counters.ts';
import type { Files } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import type { AlertingConfig } from './alerting/config.ts';
import { DEFAULT_ALERTING, readAlertingFile, type AlertingFile as Read }
  from './alerting/file.ts';
import { lifeSchemas } from './alerting/life/settings.ts';
import { NOTIFIERS } from './alerting/notifiers/notifiers.ts';

export const limits = {
  /** The file is looked at so often. */
  lookMs: 1000,
} as const;

export interface AlertingFileOptions {
  /** '' for the default: everything is shown, and nobody is told. */
  readonly path: string;
  readonly env: Environment;
  readonly files: Pick<Files, 'readText'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
}

export interface AlertingFile extends Component {
  /** What is in force. */
  config(): AlertingConfig;
  /** What is wrong with the file now. */
  problems(): readonly ConfigProblem[];
  /** Calls `changed` with what is in force from then on. */
  follow(changed: (config: AlertingConfig) => void): void;
}

/** Throws ConfigError. Nothing is watched before `start`. */
export async function openAlertingFile(options: AlertingFileOptions): Promise<AlertingFile> {
  const { path, clock, log, counters } = options;
  const followers = new Set<(config: AlertingConfig) => void>();
  let text = await textOf(options);
  let seen = text;
  const first = parse(options, text);
  if (first.config === null) throw new ConfigError(first.problems);
  for (const warning of first.warnings) log.warn(describeProblem(warning));
  let { config } = first;
  let problems: readonly ConfigProblem[] = [];
  let timer: Timer | null = null;
  const reloads = (result: string) => counters.counter('binnacle_alerting_reload_total',
    'Times that the file of routes and receivers was read again.', { result }).add(1);
  const take = (next: string | null) => {
    text = next;
    const read = parse(options, next);
    problems = read.problems;
    for (const problem of [...problems, ...read.warnings]) log.warn(describeProblem(problem));
    if (read.config === null) {
      log.error(`the routes and receivers stay as they were: ${path} is wrong`);
      return reloads('refused');
    }
    config = read.config;
    log.info(`the routes and receivers are those of ${path} as it is now`);
    reloads('changed');
    for (const changed of followers) changed(config);
  };
  const look = async () => {
    const now = await textOf(options).catch(() => text);
    const rested = now === seen;
    seen = now;
    if (rested && now !== text) take(now);
  };
  return {
    config: () => config,
    problems: () => problems,
    follow: (changed) => void followers.add(changed),
    start: async () => {
      if (path !== '') timer ??= clock.every(limits.lookMs, () => void look());
    },
    stop: async () => timer?.cancel(),
  };
}

const textOf = async ({ path, files }: AlertingFileOptions): Promise<string | null> =>
  (path === '' ? null : files.readText(path));

function parse({ path, env }: AlertingFileOptions, text: string | null): Read {
  if (path !== '' && text === null) {
    const problem = { file: path, line: 0, column: 0, path: 'alerting.config_file',
      why: 'there is no such file', hint: 'write its path, or nothing' };
    return { config: null, problems: [problem], warnings: [] };
  }
  const source = text === null ? DEFAULT_ALERTING : { file: path, text };
  return readAlertingFile(source, env, NOTIFIERS, { life: lifeSchemas() });
}
