// `binnacle rules check`: what is wrong with files of rules, each with its line and column.

import { describeProblem } from '../../config/errors.ts';
import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { readRuleFiles } from '../script/rule_files.ts';
import type { Target } from './ask.ts';

export interface CheckFlags extends Partial<Target> {
  readonly json: boolean;
}

/** Composites may name rules of all the files. Throws OperatorError for one that is not there. */
export async function checkRules(files: readonly string[], flags: CheckFlags): Promise<void> {
  const world = createWorld();
  const sources = await Promise.all(files.map(async (file) => {
    const text = await world.files.readText(file);
    if (text === null) throw new OperatorError(`cannot read ${file}: it does not exist`, '');
    return { file, text };
  }));
  const { groups, problems } = readRuleFiles(sources);
  const rules = groups.reduce((sum, group) => sum + group.rules.length, 0);
  if (flags.json) {
    const answer = { ok: problems.length === 0, rules, problems };
    process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  } else if (problems.length === 0) {
    process.stdout.write(`nothing is wrong with ${rules} rules\n`);
  } else {
    process.stdout.write(`${problems.map((one) => `${describeProblem(one)}\n`).join('')}`);
  }
  if (problems.length > 0) process.exitCode = EXIT.failed;
}
