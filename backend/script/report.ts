// Results of scripts, for people and for programs.

import { describeProblem } from '../../config/errors.ts';
import type { Failure } from './judge.ts';
import { around, happenedText, type ScriptResult } from './run.ts';
import { timeText } from './seen.ts';

export const limits = {
  /** Lines of what happened before a failure. */
  timelineLines: 8,
} as const;

export interface ReportOptions {
  /** With what happened: all of it when the script holds, around each failure when not. */
  readonly verbose: boolean;
}

/** Several lines with a line feed at the end. */
export function reportText(result: ScriptResult, { verbose }: ReportOptions): string {
  const { file, ok, problems, failures, timeline } = result;
  if (problems.length > 0) {
    return `failed  ${file}\n${problems.map((one) => `  ${describeProblem(one)}\n`).join('')}`;
  }
  if (ok) {
    const happened = verbose ? timeline.map((one) => `  ${happenedText(one)}\n`).join('') : '';
    return `ok      ${file}\n${happened}`;
  }
  const texts = failures.map((failure) => {
    const happened = verbose ? around(timeline, failure.atMs, limits.timelineLines)
      .map((one) => `    ${happenedText(one)}\n`).join('') : '';
    return failureText(file, failure) + (happened === '' ? '' : `    what happened\n${happened}`);
  });
  return `failed  ${file}\n${texts.join('')}`;
}

function failureText(file: string, { place, statement, why, expected, got }: Failure): string {
  const side = (name: string, lines: readonly string[]) => lines
    .map((line, index) => `    ${(index === 0 ? name : '').padEnd(10)}${line}\n`).join('');
  return `  ${file}:${place.line}: ${statement}: ${why}\n`
    + side('expected', expected) + side('got', got);
}

/** One object for each script; times as a script writes them. */
export function reportJson(results: readonly ScriptResult[]): string {
  const scripts = results.map(({ file, ok, problems, failures, timeline }) => ({
    file, ok, problems,
    failures: failures.map(({ place, atMs, ...failure }) =>
      ({ ...place, at: timeText(atMs), ...failure })),
    timeline: timeline.map(({ atMs, text }) => ({ at: timeText(atMs), text })),
  }));
  return `${JSON.stringify({ ok: results.every(({ ok }) => ok), scripts }, null, 2)}\n`;
}
