// Rules over the states of other rules. Nothing is asked of the store: what was known of the
// children when their turn came is what counts (D-056).

import type { Labels } from '../labels/labels.ts';
import type { Composite, Measured, RuleSource, Sample } from './model.ts';

export const limits = {
  /** A child that was not evaluated for so many of its intervals is stale. */
  staleIntervals: 3,
  /** Groups of labels; with more the rule fails. */
  groupsMax: 10_000,
} as const;

/** A rule of the name that an expression asks for; there may be several of a name. */
export interface Child {
  readonly intervalMs: number;
  /** When it was last evaluated without a failure; null for never. */
  readonly evaluatedAtMs: number | null;
  readonly alerts: ReadonlyArray<{ readonly labels: Labels; readonly state: string }>;
}

type CompositeSource = Extract<RuleSource, { readonly type: 'composite' }>;

/**
 * For each group of the labels `on` that an alert of a child has: 1 where the expression is true
 * and 0 elsewhere. A label that an alert does not have is empty. Without `on` there is one group.
 */
export function measureComposite(
  { composite, on, stale }: CompositeSource,
  childrenOf: (name: string) => readonly Child[],
  atMs: number,
): Measured {
  const verdicts = new Map<string, Verdict>();
  const groups = new Map<string, Labels>(on.length === 0 ? [['', {}]] : []);
  for (const name of namesIn(composite)) {
    const children = childrenOf(name);
    if (children.length === 0) return { ok: false, reason: `there is no rule ${name}` };
    verdicts.set(name, verdictOf(children, on, { stale, atMs }));
    if (on.length === 0) continue;
    for (const { alerts } of children) {
      for (const { labels } of alerts) groups.set(groupKey(labels, on), projection(labels, on));
    }
  }
  if (groups.size > limits.groupsMax) {
    return { ok: false, reason: `its children have more than ${limits.groupsMax} groups` };
  }
  return { ok: true, samples: [...groups].map(([key, labels]) =>
    sampleOf(composite, labels, (name) => verdicts.get(name)!(key))) };
}

/** Names of rules that the expression asks for, each once. */
export function namesIn(composite: Composite): string[] {
  switch (composite.type) {
    case 'rule': return [composite.name];
    case 'not': return namesIn(composite.part);
    case 'and': case 'or': return [...new Set(composite.parts.flatMap(namesIn))];
  }
}

type Verdict = (group: string) => boolean;

function verdictOf(
  children: readonly Child[],
  on: readonly string[],
  { stale, atMs }: { readonly stale: CompositeSource['stale']; readonly atMs: number },
): Verdict {
  const firing = new Set<string>();
  for (const { intervalMs, evaluatedAtMs, alerts } of children) {
    const isStale = atMs - (evaluatedAtMs ?? -Infinity) > limits.staleIntervals * intervalMs;
    if (isStale && stale === 'true') return () => true;
    if (isStale && stale === 'false') continue;
    for (const { labels, state } of alerts) {
      if (state === 'firing') firing.add(groupKey(labels, on));
    }
  }
  return (group) => firing.has(group);
}

function sampleOf(composite: Composite, labels: Labels, fires: (name: string) => boolean): Sample {
  const firing = namesIn(composite).filter(fires).join(', ');
  return { labels, value: isTrue(composite, fires) ? 1 : 0, extra: { firing } };
}

function isTrue(composite: Composite, fires: (name: string) => boolean): boolean {
  switch (composite.type) {
    case 'rule': return fires(composite.name);
    case 'not': return !isTrue(composite.part, fires);
    case 'and': return composite.parts.every((part) => isTrue(part, fires));
    case 'or': return composite.parts.some((part) => isTrue(part, fires));
  }
}

const projection = (labels: Labels, on: readonly string[]): Labels =>
  Object.fromEntries(on.flatMap((name) => labels[name] ? [[name, labels[name]]] : []));

const groupKey = (labels: Labels, on: readonly string[]): string =>
  on.length === 0 ? '' : JSON.stringify(on.map((name) => labels[name] ?? ''));
