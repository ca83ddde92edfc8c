// What a script runs on: rules, alerting and life as a backend puts them together, with a journal
// in memory and a clock that is moved by hand. A restart makes all of it anew but for the journal.

import { dirname, isAbsolute, join } from 'node:path';
import type { ConfigProblem } from '../../config/errors.ts';
import type { Source } from '../../config/source.ts';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { createManualClock } from '../../runtime/manual_clock.ts';
import { KINDS, type Entry } from '../journal/journal.ts';
import { createMemoryJournal } from '../journal/memory.ts';
import { NOTIFIERS } from '../alerting/notifiers/notifiers.ts';
import type { ShownGroup } from '../alerting/model.ts';
import { createDeskMeasurer } from '../measurer.ts';
import { createCrew, type Crew } from './crew.ts';
import { doAction } from './doing.ts';
import { createScriptMeasurer } from './measured.ts';
import type { Action, Piece, Script } from './model.ts';
import { createScriptReceivers } from './receivers.ts';
import type { Happened, RunOptions } from './run.ts';
import { alertText, messageText, type SeenAlert, type SeenMessage } from './seen.ts';
import { seenAlerts, seenNotified } from './sight.ts';
import { SCRIPT_CALLER } from './store.ts';

/** The script's 0m: 2026-01-01T00:00:00Z. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

/** What is wrong with what a script brings along: rules, receivers. */
export class ScriptProblems extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super('the script has problems');
    this.problems = problems;
  }
}

/** All times are milliseconds since 0m. */
export interface Stage {
  /** Begins just before the script's start, so that this is the first instant. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Everything that falls due until then has happened. */
  runTo(ms: number): Promise<void>;
  act(action: Action): Promise<void>;
  note(text: string): void;
  alerts(): SeenAlert[];
  groups(): readonly ShownGroup[];
  messages(): readonly SeenMessage[];
  timeline(): readonly Happened[];
  missed(group: string): number;
  /** '' when it went well; null when there is no such rule. */
  ruleError(name: string): string | null;
  silenceState(name: string): string;
  deadLetters(receiver: string): number;
}

/** What lives as long as the script. */
export type Ground = Awaited<ReturnType<typeof createGround>>;

/** Throws ScriptProblems, and what the store throws. */
export async function createStage(script: Script, options: RunOptions): Promise<Stage> {
  const ground = await createGround(script, options);
  const { clock, happened, measurer, counters, messages, silences, letters } = ground;
  let crew: Crew | null = await createCrew(ground);
  // What is wrong with the rules is told before a store is started for them.
  await ground.load();
  let upMs: number | null = null;
  const elapsed = () => clock.nowMs() - EPOCH_MS;
  const up = (): Crew => {
    if (crew === null) throw new Error('nothing runs now');
    return crew;
  };
  const begin = async () => {
    crew ??= await createCrew(ground);
    await crew.start();
    await measurer.quiet();
  };
  const end = async () => {
    await crew?.stop();
    crew = null;
  };
  const moveTo = async (ms: number) => {
    if (ms > elapsed()) await clock.advance(ms - elapsed());
  };
  return {
    start: begin,
    stop: end,
    runTo: async (ms) => {
      if (upMs !== null && ms >= upMs) {
        await moveTo(upMs - 1);
        upMs = null;
        await begin();
      }
      await moveTo(ms);
    },
    act: async (action) => {
      if (action.type === 'restart') {
        await end();
        await begin();
      } else if (action.type === 'down') {
        await end();
        upMs = elapsed() + action.forMs;
      } else if (action.type === 'pause') clock.stall(action.forMs);
      else if (action.type === 'slow') measurer.take(action.takesMs);
      else await doAction(action, ground, up());
      await measurer.quiet();
    },
    note: (text) => void happened.push({ atMs: elapsed(), text }),
    alerts: () => (crew === null ? [] : seenAlerts(crew, clock.nowMs(), EPOCH_MS)),
    groups: () => crew?.alerting.groups() ?? [],
    messages: () => messages,
    timeline: () => happened,
    missed: (group) => counters.series()
      .filter(({ name, labels }) => name === 'binnacle_rule_group_iterations_missed_total'
        && (group === '' || labels['group']?.endsWith(`;${group}`) === true))
      .reduce((sum, { value }) => sum + value, 0),
    ruleError: (name) => {
      const found = up().evaluator.status().flatMap(({ rules }) => rules)
        .filter(({ rule }) => rule.name === name);
      if (found.length === 0) return null;
      return found.find(({ lastError }) => lastError !== '')?.lastError ?? '';
    },
    silenceState: (name) => {
      const found = up().alerting.silences().find(({ id }) => id === silences.get(name));
      if (found === undefined) return 'unknown';
      if (found.endsAtMs <= clock.nowMs()) return 'expired';
      return found.startsAtMs > clock.nowMs() ? 'pending' : 'active';
    },
    deadLetters: (receiver) => [...letters.values()]
      .filter((entry) => receiver === '' || entry.labels['receiver'] === receiver
        || JSON.stringify(entry.data).includes(`"receiver":${JSON.stringify(receiver)}`)).length,
  };
}

async function createGround(script: Script, { files, store, env }: RunOptions) {
  const quiet = () => measurer.quiet();
  const clock = createManualClock(EPOCH_MS + script.startMs - 1, quiet);
  const measurer = createScriptMeasurer({ script, epochMs: EPOCH_MS, clock: () => clock });
  const journal = createMemoryJournal(clock);
  const happened: Happened[] = [];
  const messages: SeenMessage[] = [];
  const letters = new Map<string, Entry>();
  const elapsed = () => clock.nowMs() - EPOCH_MS;
  const receivers = createScriptReceivers(NOTIFIERS, (channel, notification) => {
    const message = { atMs: elapsed(), channel, notification,
      alerts: notification.alerts.map((alert) => seenNotified(alert, EPOCH_MS)) };
    messages.push(message);
    happened.push({ atMs: elapsed(), text: messageText(message).join('; ') });
  });
  journal.follow(KINDS, (entries) => {
    for (const entry of entries) {
      if (entry.kind === 'dead_letter') {
        if (entry.deleted) letters.delete(entry.key);
        else letters.set(entry.key, entry);
      }
      const text = entryText(entry);
      if (text !== '') happened.push({ atMs: elapsed(), text });
    }
  });
  const read = (piece: Piece) => sourceOf(piece, script.file, files);
  return {
    script, clock, journal, measurer, receivers, happened, messages, letters, read,
    env: { ...env, ...script.env },
    /** Brings what the script loads to where rules are measured. */
    load: async () => {
      if (script.metrics.length + script.records.length === 0) return;
      measurer.ask(createDeskMeasurer({ ...await store.fill(script, EPOCH_MS),
        caller: SCRIPT_CALLER, counters: createCounters(), log: SILENT_LOG }));
    },
    silences: new Map<string, string>(),
    counters: createCounters(),
    /** Of rules and alerting; a reload replaces them, and a restart reads the new ones. */
    sources: {
      rules: await Promise.all(script.rules.map(read)),
      alerting: script.alerting === null ? NOBODY : await read(script.alerting),
    },
  };
}

/** Nobody is told of anything. */
const NOBODY: Source = { file: 'no alerting block',
  text: 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n' };

async function sourceOf(piece: Piece, script: string, files: RunOptions['files']): Promise<Source> {
  if (piece.type === 'text') return { file: script, text: piece.text };
  const file = isAbsolute(piece.file) ? piece.file : join(dirname(script), piece.file);
  const text = await files.readText(file);
  if (text !== null) return { file, text };
  throw new ScriptProblems([{ file: script, ...piece.place, path: '',
    why: `there is no file ${file}`, hint: 'it is looked for beside the script' }]);
}

function entryText({ kind, name, state, labels, value, note }: Entry): string {
  if (kind !== 'alert' && kind !== 'posted') return '';
  if (state === '') return '';
  const alert: SeenAlert = { labels: { alertname: name, ...labels }, annotations: {},
    state: state as 'firing', value: Number.isNaN(value) ? null : value, sinceMs: null, flags: [] };
  const origin = kind === 'posted' ? 'posted ' : '';
  return `${origin}${alertText(alert)}${note === '' ? '' : `: ${note}`}`;
}
