// How the spans of one trace hang together, whatever reached us of it.
//
// Invariants: every span that is handed in has exactly one place; `order` is a waterfall's, parents
// before children, siblings by their start; nothing is moved in time. What is odd is flagged:
//
//   orphan                its parent was never stored; it stands at depth 0
//   cycle                 it is its own ancestor; the chain is cut here
//   shared_id             another span of the trace has the same id
//   starts_before_parent  clocks of hosts differ, or it was made with a time of its own
//   ends_after_parent     the same, or work that its parent did not wait for
//
// Spans that share an id as Zipkin's do, a client's and its server's, become parent and child.

export interface TreeSpan {
  readonly spanId: string;
  /** '' for a root. */
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  /** Nanoseconds since any one instant. */
  readonly startNs: number;
  readonly endNs: number;
}

export type SpanFlag =
  | 'orphan' | 'cycle' | 'shared_id' | 'starts_before_parent' | 'ends_after_parent';

/** Spans are told by their index in what was handed in. */
export interface Tree {
  readonly parents: ReadonlyArray<number | null>;
  /** By start. */
  readonly children: ReadonlyArray<readonly number[]>;
  readonly depths: readonly number[];
  readonly flags: ReadonlyArray<readonly SpanFlag[]>;
  readonly order: readonly number[];
  /** Everything at depth 0, by start. */
  readonly roots: readonly number[];
  /** The first span without a parent id, or the first of depth 0; null without spans. */
  readonly root: number | null;
  /** No span says that it has no parent. */
  readonly isRootMissing: boolean;
}

/** The first of spans that say the same, as deliveries that were repeated leave them. */
export function withoutDuplicates<Span extends TreeSpan>(spans: readonly Span[]): Span[] {
  const seen = new Set<string>();
  return spans.filter((span) => {
    const { spanId, parentSpanId, service, name, kind, startNs, endNs } = span;
    const key = JSON.stringify([spanId, parentSpanId, service, name, kind, startNs, endNs]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

export function buildTree(spans: readonly TreeSpan[]): Tree {
  const byId = groupById(spans);
  const parents = spans.map((_, index) => parentOf(spans, byId, index));
  const cut = cutCycles(spans, parents);
  const byStart = (a: number, b: number): number => spans[a]!.startNs - spans[b]!.startNs || a - b;
  const children: number[][] = spans.map(() => []);
  const roots: number[] = [];
  for (const [index, parent] of parents.entries()) {
    (parent === null ? roots : children[parent]!).push(index);
  }
  for (const list of [...children, roots]) list.sort(byStart);
  const flags = spans.map((span, index) =>
    flagsOf(span, spans[parents[index] ?? -1], cut.has(index), byId.get(span.spanId)!.length > 1));
  const first = roots.find((index) => spans[index]!.parentSpanId === '');
  return {
    ...{ parents, children, flags, roots }, ...walk(roots, children),
    root: first ?? roots[0] ?? null,
    isRootMissing: first === undefined,
  };
}

function groupById(spans: readonly TreeSpan[]): Map<string, number[]> {
  const byId = new Map<string, number[]>();
  spans.forEach(({ spanId }, index) => {
    const found = byId.get(spanId);
    if (found === undefined) byId.set(spanId, [index]);
    else found.push(index);
  });
  return byId;
}

const isCalled = ({ kind }: TreeSpan): boolean => kind === 'Server' || kind === 'Consumer';
const isCaller = ({ kind }: TreeSpan): boolean => kind === 'Client' || kind === 'Producer';

function parentOf(
  spans: readonly TreeSpan[],
  byId: ReadonlyMap<string, readonly number[]>,
  index: number,
): number | null {
  const span = spans[index]!;
  const twins = byId.get(span.spanId)!;
  const caller = twins.find((one) => isCaller(spans[one]!));
  if (isCalled(span) && caller !== undefined) return caller;
  const holders = byId.get(span.parentSpanId) ?? [];
  const own = holders.filter((one) => spans[one]!.service === span.service);
  const candidates = own.length > 0 ? own : holders;
  return candidates.find((one) => isCalled(spans[one]!)) ?? candidates[0] ?? null;
}

/** Makes the earliest span of each ring a root, and says which these are. */
function cutCycles(spans: readonly TreeSpan[], parents: Array<number | null>): Set<number> {
  const cut = new Set<number>();
  const isDone = new Uint8Array(spans.length);
  for (let start = 0; start < spans.length; start++) {
    const path: number[] = [];
    const onPath = new Set<number>();
    let at: number | null = start;
    while (at !== null && isDone[at] === 0 && !onPath.has(at)) {
      path.push(at);
      onPath.add(at);
      at = parents[at]!;
    }
    if (at !== null && onPath.has(at)) {
      const first = path.slice(path.indexOf(at)).reduce((best, one) =>
        (spans[one]!.startNs < spans[best]!.startNs ? one : best));
      parents[first] = null;
      cut.add(first);
    }
    for (const index of path) isDone[index] = 1;
  }
  return cut;
}

function flagsOf(
  span: TreeSpan,
  parent: TreeSpan | undefined,
  isCut: boolean,
  isShared: boolean,
): SpanFlag[] {
  const flags: SpanFlag[] = [];
  if (isCut) flags.push('cycle');
  else if (parent === undefined && span.parentSpanId !== '') flags.push('orphan');
  if (isShared) flags.push('shared_id');
  if (parent !== undefined && span.startNs < parent.startNs) flags.push('starts_before_parent');
  if (parent !== undefined && span.endNs > parent.endNs) flags.push('ends_after_parent');
  return flags;
}

/** Depth first, without recursion: a trace may be a chain of thousands. */
function walk(
  roots: readonly number[],
  children: ReadonlyArray<readonly number[]>,
): Pick<Tree, 'order' | 'depths'> {
  const order: number[] = [];
  const depths: number[] = children.map(() => 0);
  const next = [...roots].reverse();
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    order.push(index);
    for (const child of [...children[index]!].reverse()) {
      depths[child] = depths[index]! + 1;
      next.push(child);
    }
  }
  return { order, depths };
}
