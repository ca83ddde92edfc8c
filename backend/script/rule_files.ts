// The rules of files: YAML, or JSON of thresholds.

import type { ConfigProblem } from '../../config/errors.ts';
import type { Source } from '../../config/source.ts';
import { readRules } from '../rules/file/rules.ts';
import { readThresholds } from '../rules/file/thresholds.ts';
import type { RuleGroup } from '../rules/model.ts';

/** Rules of scripts may look back so far. */
const RETENTION_MS = 400 * 86_400_000;

export interface ReadFiles {
  readonly groups: readonly RuleGroup[];
  readonly problems: readonly ConfigProblem[];
}

/** Composites may name rules of any of the files. */
export function readRuleFiles(sources: readonly Source[], retentionMs = RETENTION_MS): ReadFiles {
  const read = (source: Source) => (source.file.endsWith('.json') ? readThresholds : readRules);
  const first = sources.map((source) => read(source)(source, { retentionMs }).groups);
  const all = sources.map((source, index) => read(source)(source, { retentionMs,
    others: first.filter((_, other) => other !== index).flat() }));
  return { groups: all.flatMap(({ groups }) => groups),
    problems: all.flatMap(({ problems }) => problems) };
}
