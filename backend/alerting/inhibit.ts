// Alerts that hide others: a target is hidden while a source fires that has the same values for
// the labels of `equal` (a label that is missing is empty). An alert that fits both sides of a rule
// is not hidden by one that fits both sides, too (Alertmanager 0.34).
//
// Built in: of alerts of rules that differ in nothing but `severity`, the most severe one that
// fires hides the others (critical, error, warning, info). So a rule with several levels tells of
// the worst alone.

import { sorted, type Labels } from '../labels/labels.ts';
import type { InhibitRule } from './config.ts';
import { compileMatchers } from './matchers.ts';
import type { Alert } from './model.ts';

export const SEVERITY = 'severity';

/** The least severe first. */
export const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const;

export interface Inhibitor {
  /** To be told of every alert as it becomes something else. */
  update(alert: Alert): void;
  remove(alert: Alert): void;
  /** Fingerprints of what fires and hides it, one for each rule; empty when nothing does. */
  inhibitedBy(alert: Alert, fires: (other: Alert) => boolean): string[];
}

export function createInhibitor(rules: readonly InhibitRule[]): Inhibitor {
  const parts = [...rules.map(createPart), createSeverities()];
  return {
    update: (alert) => parts.forEach((part) => part.update(alert)),
    remove: (alert) => parts.forEach((part) => part.remove(alert)),
    inhibitedBy: (alert, fires) => [...new Set(parts.flatMap((part) => {
      const source = part.sourceOf(alert, fires);
      return source === null ? [] : [source.fingerprint];
    }))],
  };
}

interface Part {
  update(alert: Alert): void;
  remove(alert: Alert): void;
  sourceOf(alert: Alert, fires: (other: Alert) => boolean): Alert | null;
}

function createPart(rule: InhibitRule): Part {
  const isSource = compileMatchers(rule.source);
  const isTarget = compileMatchers(rule.target);
  const sources = createIndex((labels) => JSON.stringify(rule.equal.map((name) =>
    (Object.hasOwn(labels, name) ? labels[name] : ''))));
  return {
    update: (alert) => void (isSource(alert.labels) && sources.set(alert)),
    remove: sources.remove,
    sourceOf: (alert, fires) => {
      if (!isTarget(alert.labels)) return null;
      const both = isSource(alert.labels);
      return sources.find(alert, (source) => fires(source)
        && !(both && isTarget(source.labels)));
    },
  };
}

function createSeverities(): Part {
  const others = createIndex(withoutSeverity);
  return {
    update: (alert) => void (rankOf(alert) > 0 && others.set(alert)),
    remove: others.remove,
    sourceOf: (alert, fires) => {
      const rank = rankOf(alert);
      if (rank < 0) return null;
      return others.find(alert, (other) => rankOf(other) > rank && fires(other));
    },
  };
}

/** -1 for what takes no part. */
const rankOf = ({ origin, labels }: Alert): number =>
  (origin === 'rule' ? (SEVERITIES as readonly string[]).indexOf(labels[SEVERITY] ?? '') : -1);

const withoutSeverity = (labels: Labels): string =>
  JSON.stringify(sorted(labels).filter(([name]) => name !== SEVERITY));

/** Alerts by what they must have in common. */
function createIndex(keyOf: (labels: Labels) => string) {
  const known = new Map<string, Map<string, Alert>>();
  return {
    set: (alert: Alert) => {
      const key = keyOf(alert.labels);
      const same = known.get(key) ?? new Map<string, Alert>();
      known.set(key, same.set(alert.fingerprint, alert));
    },
    remove: (alert: Alert) => {
      const key = keyOf(alert.labels);
      const same = known.get(key);
      same?.delete(alert.fingerprint);
      if (same?.size === 0) known.delete(key);
    },
    find: (alert: Alert, counts: (other: Alert) => boolean): Alert | null => {
      for (const other of known.get(keyOf(alert.labels))?.values() ?? []) {
        if (counts(other)) return other;
      }
      return null;
    },
  };
}
