// How the evaluation's memory is written to the journal, and what is made of it after a pause:
// after a restart, or when another backend takes over.
//
// An alert that fires goes on to fire, and one that is over stays over, until the next evaluation
// says otherwise: they are known entirely. For one that is pending the time without evaluations is
// not held against anybody (Prometheus, RestoreForState):
//
//     pause > 1 h, or `for` < 10 min          it begins anew
//     what is left of `for` <= 0              as it is
//     what is left of `for` < 10 min          10 min are left
//     otherwise                               as much is left as before

import * as z from 'zod';
import type { Draft, Entry } from '../journal/journal.ts';
import type { Rule } from './model.ts';
import { forOf, limits as stateLimits, type RuleAlert } from './state.ts';

export const limits = {
  /** After a longer pause nobody knows what was between: what was pending begins anew. */
  outageMs: 60 * 60_000,
  /** Time for records to come in after a pause, before anything that was pending fires. */
  graceMs: 10 * 60_000,
  /** While alerts are pending, the journal learns so often that they were evaluated. */
  markMs: 60_000,
} as const;

/** The alert after a pause from `downAtMs`; null when it is forgotten. */
export function afterPause(
  alert: RuleAlert,
  rule: Rule,
  { downAtMs, nowMs }: { readonly downAtMs: number; readonly nowMs: number },
): RuleAlert | null {
  if (alert.state === 'inactive') {
    return nowMs - (alert.resolvedAtMs ?? nowMs) > stateLimits.resolvedMs ? null : alert;
  }
  const forMs = forOf(rule, alert.severity);
  const leftMs = forMs - (downAtMs - alert.activeAtMs);
  if (alert.state === 'firing') return alert;
  if (forMs < limits.graceMs || nowMs - downAtMs > limits.outageMs) return null;
  if (leftMs <= 0) return alert;
  const activeAtMs = leftMs < limits.graceMs ? nowMs + limits.graceMs - forMs
    : alert.activeAtMs + (nowMs - downAtMs);
  return { ...alert, activeAtMs };
}

/** Key of the one thing of kind `evaluation`. */
const MARK = 'last';

export const markDraft = (atMs: number): Draft =>
  ({ kind: 'evaluation', key: MARK, atMs, data: { atMs } });

const MARK_SCHEMA = z.object({ atMs: z.number() });

/** When alerts were evaluated last, as far as the entries tell; 0 when they do not. */
export function lastMark(entries: readonly Entry[]): number {
  const mark = entries.find(({ kind, key }) => kind === 'evaluation' && key === MARK);
  return MARK_SCHEMA.safeParse(mark?.data).data?.atMs ?? 0;
}

export const keyOf = (ruleId: string, fingerprint: string): string => `${ruleId}/${fingerprint}`;

/** `gone`: it is forgotten, and only the history keeps it, with a note why. */
export function alertDraft(
  { id, name }: { readonly id: string; readonly name: string },
  alert: RuleAlert,
  { atMs, gone }: { readonly atMs: number; readonly gone?: Gone },
): Draft {
  const { fingerprint, labels, severity, state, value, lastSentAtMs: _, ...kept } = alert;
  return {
    kind: 'alert', key: keyOf(id, fingerprint), atMs, deleted: gone !== undefined, name,
    state: gone?.state ?? (state === 'inactive' ? 'resolved' : state), note: gone?.note ?? '',
    severity: labels['severity'] ?? '', labels, value,
    // JSON has no NaN.
    data: { ...kept, ruleId: id, fingerprint, labels, severity, state, value: String(value) },
  };
}

/** `resolved` is news to people, `inactive` is not. */
export interface Gone {
  readonly state: 'resolved' | 'inactive';
  readonly note: string;
}

const INSTANT = z.number().nullable();
const TEXTS = z.record(z.string(), z.string());
const ALERT_SCHEMA = z.object({
  ruleId: z.string(), fingerprint: z.string(), labels: TEXTS, annotations: TEXTS,
  severity: z.string(), state: z.enum(['pending', 'firing', 'inactive']),
  value: z.string().transform(Number), activeAtMs: z.number(), firedAtMs: INSTANT,
  resolvedAtMs: INSTANT, keepFiringSinceMs: INSTANT,
  evidence: z.object({ traces: z.array(z.string()),
    logs: z.array(z.object({ atMs: z.number(), body: z.string() })) }),
});

export interface StoredAlert {
  readonly ruleId: string;
  readonly alert: RuleAlert;
}

/** What an entry of kind `alert` holds; null for one of another making. It was never sent. */
export function alertOf({ data }: Pick<Entry, 'data'>): StoredAlert | null {
  const parsed = ALERT_SCHEMA.safeParse(data);
  if (!parsed.success) return null;
  const { ruleId, ...alert } = parsed.data;
  return { ruleId, alert: { ...alert, lastSentAtMs: null } };
}
