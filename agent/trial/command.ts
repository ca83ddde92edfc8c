// `binnacle agent test` as a command: reads the files, says what differs, or writes what is
// expected. Exit code 1 when something differs.

import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { parseDuration } from '../../config/schema.ts';
import { differences } from './compare.ts';
import { runTrial } from './trial.ts';

export interface TrialFlags {
  readonly config: readonly string[];
  readonly input: string;
  readonly expect?: string;
  readonly update: boolean;
  readonly for: string;
}

/** Throws ConfigError and OperatorError. */
export async function trial(flags: TrialFlags): Promise<void> {
  const { files } = createWorld();
  const read = async (file: string) => {
    const text = await files.readText(file);
    if (text === null) throw new OperatorError(`cannot read ${file}: it does not exist`, '');
    return text.split('\n').filter((line) => line.trim() !== '');
  };
  const forMs = parseDuration(flags.for);
  if (forMs === null) throw new OperatorError(`${flags.for} is not a time span`, 'write 1m or 30s');
  const { output, refused } = await runTrial({
    files: flags.config, env: process.env, input: await read(flags.input), forMs,
  });
  for (const line of refused) process.stderr.write(`${line}\n`);
  const text = output.map((line) => `${line}\n`).join('');
  if (flags.expect === undefined) return void process.stdout.write(text);
  if (flags.update) {
    await files.replace(flags.expect, text);
    process.stdout.write(`${flags.expect} has ${output.length} lines\n`);
    return;
  }
  const told = differences(await read(flags.expect), output);
  if (told.length === 0) {
    process.stdout.write(`as expected: ${output.length} lines\n`);
    return;
  }
  process.stdout.write(`${told.join('\n')}\n`);
  process.exitCode = EXIT.failed;
}
