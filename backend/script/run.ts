// Runs one script on a virtual clock: does what it says, looks when it says so, and tells what was
// otherwise. What is run is what a backend runs (stage.ts); only time, receivers and, for rules in
// `measure`, questions are the script's.

import type { ConfigProblem } from '../../config/errors.ts';
import type { Environment } from '../../config/substitution.ts';
import type { Files } from '../../runtime/files.ts';
import { errorMessage } from '../../runtime/errors.ts';
import { failed, judgeAlerts, judgeMessages, type Failure } from './judge.ts';
import type { Action, Expectation, Script, Step } from './model.ts';
import { parseScript } from './parse.ts';
import { matches, timeText } from './seen.ts';
import { createStage, ScriptProblems, type Stage } from './stage.ts';
import type { ScriptStore } from './store.ts';

export interface RunOptions {
  readonly files: Pick<Files, 'readText'>;
  readonly store: ScriptStore;
  readonly env: Environment;
}

export interface ScriptResult {
  readonly file: string;
  readonly ok: boolean;
  /** Why it could not be run; then there is nothing else. */
  readonly problems: readonly ConfigProblem[];
  readonly failures: readonly Failure[];
  /** What happened, in order of time. */
  readonly timeline: readonly Happened[];
}

export interface Happened {
  readonly atMs: number;
  readonly text: string;
}

/** Never throws for what a script says. */
export async function runScript(file: string, options: RunOptions): Promise<ScriptResult> {
  const text = await options.files.readText(file);
  const refused = (problems: readonly ConfigProblem[]): ScriptResult =>
    ({ file, ok: false, problems, failures: [], timeline: [] });
  const whole = (why: string, hint = '') =>
    refused([{ file, line: 1, column: 1, path: '', why, hint }]);
  if (text === null) return whole('there is no such file');
  const parsed = parseScript({ file, text });
  if (!parsed.ok) return refused(parsed.problems);
  try {
    return await perform(parsed.script, options);
  } catch (error) {
    if (error instanceof ScriptProblems) return refused(error.problems);
    return whole(`it cannot be run: ${errorMessage(error)}`);
  }
}

async function perform(script: Script, options: RunOptions): Promise<ScriptResult> {
  const stage = await createStage(script, options);
  const failures: Failure[] = [];
  try {
    await stage.start();
    for (const step of script.steps) {
      await stage.runTo(step.atMs);
      const failure = isExpectation(step.what) ? look(step, step.what, stage)
        : await act(step, step.what, stage);
      if (failure !== null) failures.push(failure);
    }
    await stage.runTo(script.endMs);
  } finally {
    await stage.stop();
  }
  failures.push(...judgeMessages(script, stage.messages()));
  failures.sort((one, other) => one.atMs - other.atMs || one.place.line - other.place.line);
  return { file: script.file, ok: failures.length === 0, problems: [], failures,
    timeline: stage.timeline() };
}

const EXPECTED: ReadonlySet<string> =
  new Set(['alerts', 'notify', 'group', 'missed', 'rule', 'silence_state', 'dead']);

const isExpectation = (what: Step['what']): what is Expectation => EXPECTED.has(what.type);

async function act(step: Step, action: Action, stage: Stage): Promise<Failure | null> {
  stage.note(step.text.replace(/^at \S+ /, ''));
  try {
    await stage.act(action);
    return null;
  } catch (error) {
    if (error instanceof ScriptProblems) throw error;
    return failed(step, `it cannot be done: ${errorMessage(error)}`, { expected: [], got: [] });
  }
}

function look(step: Step, what: Expectation, stage: Stage): Failure | null {
  switch (what.type) {
    case 'alerts':
      return judgeAlerts(step, what, stage.alerts());
    case 'notify':
      return null; // All of them are looked at in the end.
    case 'group':
      return lookAtGroup(step, what, stage);
    case 'missed':
      return same(step, 'missed evaluations', what.count, stage.missed(what.group));
    case 'rule':
      return lookAtRule(step, what, stage);
    case 'silence_state':
      return same(step, `silence ${what.name}`, what.state, stage.silenceState(what.name));
    case 'dead':
      return same(step, 'dead letters', what.count, stage.deadLetters(what.receiver));
  }
}

function same<T extends string | number>(step: Step, what: string, wanted: T, got: T | string) {
  if (wanted === got) return null;
  return failed(step, `${what} differ`, { expected: [String(wanted)], got: [String(got)] });
}

function lookAtGroup(
  step: Step,
  { receiver, matchers, count }: Expectation & { type: 'group' },
  stage: Stage,
): Failure | null {
  const own = stage.groups().filter((group) => group.receiver === receiver);
  const found = own.find(({ labels }) => matchers.every((matcher) => matches(matcher, labels)));
  if (found !== undefined && (count === null || found.alerts.length === count)) return null;
  const got = own.map(({ labels, alerts }) => `${JSON.stringify(labels)} alerts=${alerts.length}`);
  return failed(step, found === undefined ? 'there is no such group' : 'it has other alerts',
    { expected: [step.text], got: got.length === 0 ? ['no groups'] : got });
}

function lookAtRule(
  step: Step,
  { name, failed: fails, reason }: Expectation & { type: 'rule' },
  stage: Stage,
): Failure | null {
  const error = stage.ruleError(name);
  const got = error === null ? `no rule ${name}` : error === '' ? 'ok' : `error "${error}"`;
  if (error !== null && fails === (error !== '') && error.includes(reason)) return null;
  return failed(step, 'the rule is otherwise', { expected: [step.text], got: [got] });
}

/** For reports: what happened around an instant. */
export const around = (timeline: readonly Happened[], atMs: number, count: number): Happened[] => {
  const before = timeline.filter((one) => one.atMs <= atMs).slice(-count);
  return [...before, ...timeline.filter((one) => one.atMs > atMs).slice(0, 2)];
};

export const happenedText = ({ atMs, text }: Happened): string =>
  `${timeText(atMs).padStart(10)}  ${text}`;
