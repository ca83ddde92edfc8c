// The rules of a script, of one file or several.

import type { ConfigProblem } from '../../config/errors.ts';
import type { Source } from '../../config/source.ts';
import { readRules as readFile } from '../rules/file/rules.ts';
import type { RuleGroup } from '../rules/model.ts';

/** Rules of scripts may look back so far. */
const RETENTION_MS = 400 * 86_400_000;

export interface ReadFiles {
  readonly groups: readonly RuleGroup[];
  readonly problems: readonly ConfigProblem[];
}

/** Composites may name rules of any of the files. */
export function readRuleFiles(sources: readonly Source[], retentionMs = RETENTION_MS): ReadFiles {
  const first = sources.map((source) => readFile(source, { retentionMs }).groups);
  const all = sources.map((source, index) => readFile(source, { retentionMs,
    others: first.filter((_, other) => other !== index).flat() }));
  return { groups: all.flatMap(({ groups }) => groups),
    problems: all.flatMap(({ problems }) => problems) };
}
