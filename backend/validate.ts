// A backend's configuration with the files that it names, as `binnacle validate --backend` sees
// them: everything but what only the store can tell.

import { ConfigError, type ConfigProblem } from '../config/errors.ts';
import { createCounters } from '../runtime/counters.ts';
import { SILENT_LOG } from '../runtime/log.ts';
import { createWorld } from '../runtime/world.ts';
import { openAlertingFile } from './alerting_file.ts';
import { readBackendConfig, shortestKeptMs, type BackendSources } from './main.ts';
import { createRuleFiles } from './rules/rule_files.ts';

/** Throws ConfigError with all that is wrong. */
export async function validateBackend(sources: BackendSources): Promise<void> {
  const { config } = await readBackendConfig(sources);
  const { files, clock } = createWorld();
  const shared = { files, clock, log: SILENT_LOG, counters: createCounters() };
  const { rules: patterns, thresholds_file: thresholdsFile, config_file: path } = config.alerting;
  const found: ConfigProblem[] = [];
  await openAlertingFile({ ...shared, path, env: sources.env }).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    found.push(...error.problems);
  });
  const ruleFiles = createRuleFiles({ ...shared, patterns, thresholdsFile,
    retentionMs: shortestKeptMs(config), check: async () => null, others: () => [] });
  await ruleFiles.read();
  found.push(...ruleFiles.problems());
  if (found.length > 0) throw new ConfigError(found);
}
