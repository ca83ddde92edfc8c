// Whether a backend alerts, and where its rules and its receivers are written. Both are files of
// their own, which are read again when they change (docs/rules.md, docs/routing.md).

import { isAbsolute, join, dirname } from 'node:path';
import * as z from 'zod';
import { count, duration, fault, section } from './schema.ts';

/** Globs; each may find many files. */
const PATTERNS_MAX = 100;

export const alerting = () => section({
  enabled: z.boolean().describe('Whether rules are evaluated and notifications sent.')
    .default(true),
  rules: z.array(z.string().min(1)).max(PATTERNS_MAX)
    .describe('Files of rules; * and ** stand for any names.').default([]),
  thresholds_file: z.string().describe('Simple thresholds, JSON; empty: none.').default(''),
  config_file: z.string()
    .describe('Routes and receivers, as Alertmanager has them; empty: alerts are only shown.')
    .default(''),
  external_url: z.string().superRefine(checkUrl)
    .describe('Where people reach this backend, for links in messages; empty: its own address.')
    .default(''),
  max_concurrent: count({ min: 1, max: 100 })
    .describe('Queries of rules at the same time, beside those of people.').default(2),
  lease: duration({ min: '5s', max: '5m' })
    .describe('Of several backends one alerts; another takes over when it is silent for so long.')
    .prefault('15s'),
});

type AlertingConfig = z.output<ReturnType<typeof alerting>>;

/** With every path from the folder of the last configuration file, unless it is absolute. */
export function located(config: AlertingConfig, files: readonly string[]): AlertingConfig {
  const folder = dirname(files.at(-1) ?? '.');
  const from = (path: string) =>
    (path === '' || isAbsolute(path) ? path : join(folder, path));
  return { ...config, rules: config.rules.map(from), config_file: from(config.config_file),
    thresholds_file: from(config.thresholds_file) };
}

function checkUrl(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  if (text === '' || (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))) return;
  fault(ctx, 'is not an http or https URL', 'write https://binnacle.example.com');
}
