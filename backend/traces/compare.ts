// Two traces side by side. Spans are matched by their path: service and operation of the span and
// of all its ancestors, so that each line says how often, how long, and how much of that was its
// own, in either trace.

import type { Trace } from './trace.ts';

export const limits = {
  /** Paths of an answer; further ones are left out, and `truncated` says so. */
  pathsMax: 5000,
} as const;

export interface Amounts {
  readonly count: number;
  readonly errors: number;
  /** Of all these spans together. */
  readonly durationNs: number;
  readonly selfNs: number;
  readonly criticalNs: number;
}

export interface PathComparison {
  readonly service: string;
  readonly operation: string;
  readonly depth: number;
  /** Index of the path of the parent in `paths`; null for a root. */
  readonly parent: number | null;
  /** Null: the trace has no such span. */
  readonly a: Amounts | null;
  readonly b: Amounts | null;
  /** b without a, an absent one being nothing. */
  readonly difference: Amounts;
}

export interface ComparedTrace {
  readonly traceId: string;
  readonly start: string;
  readonly durationNs: number;
  readonly spanCount: number;
  readonly errorCount: number;
  readonly services: readonly string[];
}

export interface Comparison {
  readonly a: ComparedTrace;
  readonly b: ComparedTrace;
  readonly durationDifferenceNs: number;
  readonly spanDifference: number;
  /** How many paths are in one of them only, and in both. */
  readonly onlyInA: number;
  readonly onlyInB: number;
  readonly inBoth: number;
  readonly truncated: boolean;
  /** Parents before children. */
  readonly paths: readonly PathComparison[];
}

export function compareTraces(a: Trace, b: Trace): Comparison {
  const roots: Path['children'] = new Map();
  addPaths(roots, a, 'a');
  addPaths(roots, b, 'b');
  const paths = ordered(roots);
  const only = (side: Side, other: Side): number =>
    paths.filter((path) => path[side] !== null && path[other] === null).length;
  return {
    a: summaryOf(a),
    b: summaryOf(b),
    durationDifferenceNs: b.durationNs - a.durationNs,
    spanDifference: b.spanCount - a.spanCount,
    onlyInA: only('a', 'b'),
    onlyInB: only('b', 'a'),
    inBoth: paths.filter((path) => path.a !== null && path.b !== null).length,
    truncated: paths.length > limits.pathsMax,
    paths: paths.slice(0, limits.pathsMax),
  };
}

type Side = 'a' | 'b';
type Sum = { -readonly [Key in keyof Amounts]: Amounts[Key] };

interface Path {
  readonly service: string;
  readonly operation: string;
  readonly depth: number;
  readonly children: Map<string, Path>;
  a: Sum | null;
  b: Sum | null;
}

function addPaths(roots: Path['children'], { spans }: Trace, side: Side): void {
  const ofSpan: Path[] = [];
  for (const span of spans) {
    const parent = span.parent === null ? null : ofSpan[span.parent]!;
    const siblings = parent === null ? roots : parent.children;
    const path = pathIn(siblings, span.service, span.name, span.depth);
    ofSpan.push(path);
    const sum = path[side] ??= { ...NOTHING };
    sum.count += 1;
    sum.errors += span.status === 'Error' ? 1 : 0;
    sum.durationNs += span.durationNs;
    sum.selfNs += span.selfNs;
    sum.criticalNs += span.criticalNs;
  }
}

const NOTHING: Amounts = { count: 0, errors: 0, durationNs: 0, selfNs: 0, criticalNs: 0 };

function pathIn(
  siblings: Path['children'],
  service: string,
  operation: string,
  depth: number,
): Path {
  const key = JSON.stringify([service, operation]);
  const known = siblings.get(key);
  if (known !== undefined) return known;
  const path = { service, operation, depth, children: new Map(), a: null, b: null };
  siblings.set(key, path);
  return path;
}

/** Depth first, without recursion: paths may be thousands deep. */
function ordered(roots: Path['children']): PathComparison[] {
  const answer: PathComparison[] = [];
  const next: Array<{ path: Path; parent: number | null }> = [...roots.values()].reverse()
    .map((path) => ({ path, parent: null }));
  for (let one = next.pop(); one !== undefined; one = next.pop()) {
    const { path: { children, ...path }, parent } = one;
    const place = answer.length;
    answer.push({ ...path, parent, difference: differenceOf(path.a, path.b) });
    for (const child of [...children.values()].reverse()) next.push({ path: child, parent: place });
  }
  return answer;
}

function differenceOf(a: Amounts | null, b: Amounts | null): Amounts {
  const keys = Object.keys(NOTHING) as Array<keyof Amounts>;
  return Object.fromEntries(keys.map((key) =>
    [key, (b ?? NOTHING)[key] - (a ?? NOTHING)[key]])) as unknown as Amounts;
}

const summaryOf = (trace: Trace): ComparedTrace => ({
  traceId: trace.traceId,
  start: trace.start,
  durationNs: trace.durationNs,
  spanCount: trace.spanCount,
  errorCount: trace.errorCount,
  services: trace.services.map(({ service }) => service),
});
