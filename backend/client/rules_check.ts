// `binnacle rules check`: what is wrong with files of rules, each with its line and column.

import { describeProblem, type ConfigProblem } from '../../config/errors.ts';
import type { Source } from '../../config/source.ts';
import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { readRuleFiles } from '../script/rule_files.ts';
import { asking } from './alerts.ts';
import { sendJson, type Target } from './ask.ts';

export interface CheckFlags extends Partial<Target> {
  readonly json: boolean;
}

/** Composites may name rules of all the files. Throws OperatorError for one that is not there. */
export async function checkRules(files: readonly string[], flags: CheckFlags): Promise<void> {
  const { files: disk } = createWorld();
  const sources = await Promise.all(files.map(async (file): Promise<Source> => {
    const text = await disk.readText(file);
    if (text === null) throw new OperatorError(`cannot read ${file}: it does not exist`, '');
    return { file, text };
  }));
  const read = readRuleFiles(sources);
  const { url, token } = flags;
  const problems = read.problems.length > 0 || url === undefined ? read.problems
    : await problemsThere(sources, { url, token });
  const rules = read.groups.reduce((sum, group) => sum + group.rules.length, 0);
  const ok = problems.length === 0;
  process.stdout.write(flags.json ? `${JSON.stringify({ ok, rules, problems }, null, 2)}\n`
    : ok ? `nothing is wrong with ${rules} rules\n`
      : problems.map((one) => `${describeProblem(one)}\n`).join(''));
  if (!ok) process.exitCode = EXIT.failed;
}

/** As `/api/rules/check` tells it. */
interface Place extends Omit<ConfigProblem, 'file' | 'why'> {
  readonly message: string;
}

/** The backend knows how long records are kept, and whether the store can answer. */
async function problemsThere(sources: readonly Source[], target: Target): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  await asking(async () => {
    for (const { file, text } of sources) {
      if (file.endsWith('.json')) continue;
      const answer = await sendJson<{ problems: Place[] }>(target, '/api/rules/check', text);
      problems.push(...answer.problems.map(({ message: why, ...one }) => ({ ...one, file, why })));
    }
  });
  return problems;
}
