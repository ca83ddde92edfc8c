// `binnacle rules test`: runs scripts one after another and says what was otherwise. Exit code 1
// when something was.

import { EXIT } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { reportJson, reportText } from './report.ts';
import { runScript, type ScriptResult } from './run.ts';
import { createScriptStore } from './store.ts';

export interface TestFlags {
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Throws OperatorError when the embedded engine cannot be started. */
export async function testRules(files: readonly string[], flags: TestFlags): Promise<void> {
  const world = createWorld();
  const store = createScriptStore(world);
  const results: ScriptResult[] = [];
  try {
    for (const file of files) {
      const result = await runScript(file, { files: world.files, store, env: process.env });
      results.push(result);
      if (!flags.json) process.stdout.write(reportText(result, flags));
    }
  } finally {
    await store.stop();
  }
  if (flags.json) process.stdout.write(reportJson(results));
  else process.stdout.write(summary(results));
  if (results.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
}

function summary(results: readonly ScriptResult[]): string {
  const failed = results.filter(({ ok }) => !ok).length;
  const scripts = results.length === 1 ? '1 script' : `${results.length} scripts`;
  return failed === 0 ? `${scripts} as expected\n` : `${failed} of ${scripts} failed\n`;
}
