// Where the time of a trace went: what each span did itself, and the chain of work that its root
// waited for.
//
// The critical path is found as CRISP does it (Zhang and others, "CRISP: Critical Path Analysis of
// Large-Scale Microservice Architectures", USENIX ATC 2022), and as Jaeger shows it: from the end
// of the root backwards, the child that finished last is what was waited for; before it began, the
// child that had finished last until then, and so on, in each of these again. What no child covers
// is the span's own. Children are cut to the time of their parent, as far as the path goes: time
// that a parent did not wait for explains nothing.
//
// Invariant: the segments are in order, without gaps and overlaps, and cover the root exactly.

import type { Tree, TreeSpan } from './tree.ts';

export interface PathSegment {
  /** Index of the span. */
  readonly span: number;
  readonly fromNs: number;
  readonly toNs: number;
}

/** Duration of each span without the time in which at least one of its children ran. */
export function selfTimes(spans: readonly TreeSpan[], { children }: Tree): number[] {
  return spans.map((span, index) => {
    let coveredNs = 0;
    let untilNs = span.startNs;
    for (const child of children[index]!) {
      const fromNs = Math.max(spans[child]!.startNs, untilNs);
      const toNs = Math.min(spans[child]!.endNs, span.endNs);
      if (toNs <= fromNs) continue;
      coveredNs += toNs - fromNs;
      untilNs = toNs;
    }
    return span.endNs - span.startNs - coveredNs;
  });
}

interface Visit {
  readonly span: number;
  /** The part of the span that the path covers. */
  readonly fromNs: number;
  readonly toNs: number;
  /** The path is known from here to `toNs`. */
  atNs: number;
  /** By end, the last first. */
  readonly children: readonly number[];
  next: number;
}

/** The critical path of `root`, empty for one without duration. */
export function criticalPath(
  spans: readonly TreeSpan[],
  { children }: Tree,
  root: number,
): PathSegment[] {
  const visit = (span: number, fromNs: number, toNs: number): Visit => {
    const endOf = (index: number): number => Math.min(spans[index]!.endNs, toNs);
    const byEnd = (a: number, b: number): number =>
      endOf(b) - endOf(a) || spans[a]!.startNs - spans[b]!.startNs || a - b;
    return { span, fromNs, toNs, atNs: toNs, next: 0, children: [...children[span]!].sort(byEnd) };
  };
  const segments: PathSegment[] = [];
  const open = [visit(root, spans[root]!.startNs, spans[root]!.endNs)];
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const { span, fromNs, toNs, atNs } = at;
    const child = at.children[at.next];
    if (child === undefined) {
      if (atNs > fromNs) segments.push({ span, fromNs, toNs: atNs });
      open.pop();
      continue;
    }
    at.next += 1;
    const childFromNs = Math.max(spans[child]!.startNs, fromNs);
    const childToNs = Math.min(spans[child]!.endNs, toNs);
    if (childToNs > atNs || childToNs <= childFromNs) continue;
    if (childToNs < atNs) segments.push({ span, fromNs: childToNs, toNs: atNs });
    at.atNs = childFromNs;
    open.push(visit(child, childFromNs, childToNs));
  }
  return segments.reverse();
}
