// A whole trace: its spans in the order of a waterfall, where its time went, and its log records.
// Times are shown as they were sent; see tree.ts and times.ts for what is made of them.

import { isoOfNs } from './rows.ts';
import { criticalPath, selfTimes, type PathSegment } from './times.ts';
import { buildTree, withoutDuplicates, type SpanFlag, type Tree, type TreeSpan } from './tree.ts';

export type Attributes = Readonly<Record<string, string>>;

/** A span as the store answers it; see `spansSql` in read.ts. */
export interface SpanRow {
  /** Nanoseconds since 1970, as text. */
  readonly start: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: string;
  readonly service: string;
  readonly resource: Attributes;
  readonly scopeName: string;
  readonly scopeVersion: string;
  readonly attributes: Attributes;
  readonly duration: number;
  readonly status: string;
  readonly statusMessage: string;
  /** Time as `start`, name, attributes. */
  readonly events: ReadonlyArray<readonly [string, string, Attributes]>;
  /** Trace id, span id, trace state, attributes. */
  readonly links: ReadonlyArray<readonly [string, string, string, Attributes]>;
  readonly weight: number;
}

export interface TraceSpan {
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  readonly kind: string;
  readonly start: string;
  /** Since the start of the trace. */
  readonly offsetNs: number;
  readonly durationNs: number;
  /** Without the time in which a child ran. */
  readonly selfNs: number;
  /** Time on the critical path that is this span's own. */
  readonly criticalNs: number;
  readonly depth: number;
  /** Index of the parent in `spans`; null at depth 0. */
  readonly parent: number | null;
  readonly childCount: number;
  readonly status: string;
  readonly statusMessage: string;
  readonly flags: readonly SpanFlag[];
  readonly attributes: Attributes;
  /** Index in the trace's `resources`. */
  readonly resource: number;
  readonly scope: { readonly name: string; readonly version: string };
  readonly traceState: string;
  /** How many spans of its sender it stands for. */
  readonly weight: number;
  readonly events: ReadonlyArray<{
    readonly time: string;
    readonly offsetNs: number;
    readonly name: string;
    readonly attributes: Attributes;
  }>;
  readonly links: ReadonlyArray<{
    readonly traceId: string;
    readonly spanId: string;
    readonly traceState: string;
    readonly attributes: Attributes;
  }>;
}

export interface Trace {
  readonly traceId: string;
  readonly start: string;
  readonly end: string;
  readonly durationNs: number;
  /** Index of the span that the trace begins with. */
  readonly root: number;
  readonly isRootMissing: boolean;
  readonly services: ReadonlyArray<{
    readonly service: string;
    readonly spans: number;
    readonly errors: number;
    readonly selfNs: number;
    readonly criticalNs: number;
  }>;
  readonly spanCount: number;
  readonly errorCount: number;
  readonly depthMax: number;
  /** Spans that were stored again and are left out. */
  readonly duplicateCount: number;
  readonly orphanCount: number;
  /** Spans that begin before or end after their parent. */
  readonly outsideCount: number;
  /** Of the root, see times.ts; times since the start of the trace, `span` an index of `spans`. */
  readonly criticalPath: readonly PathSegment[];
  readonly resources: readonly Attributes[];
  /** In the order of a waterfall. */
  readonly spans: readonly TraceSpan[];
}

/** Null without rows. */
export function assembleTrace(traceId: string, rows: readonly SpanRow[]): Trace | null {
  if (rows.length === 0) return null;
  const baseNs = rows.reduce((least, { start }) =>
    (BigInt(start) < least ? BigInt(start) : least), BigInt(rows[0]!.start));
  const measured = rows.map((row) => measure(row, baseNs));
  const spans = withoutDuplicates(measured);
  const tree = buildTree(spans);
  const root = tree.root!;
  const durationNs = spans.reduce((most, { endNs }) => Math.max(most, endNs), 0);
  const path = criticalPath(spans, tree, root);
  const places = placesOf(tree);
  const resources = resourcesOf(spans);
  const shown = describe({ spans, tree, places, path, resources, baseNs });
  return {
    traceId,
    start: isoOfNs(baseNs),
    end: isoOfNs(baseNs + BigInt(durationNs)),
    durationNs,
    root: places[root]!,
    isRootMissing: tree.isRootMissing,
    services: servicesOf(shown),
    spanCount: shown.length,
    errorCount: shown.filter(({ status }) => status === 'Error').length,
    depthMax: shown.reduce((most, { depth }) => Math.max(most, depth), 0),
    duplicateCount: rows.length - spans.length,
    orphanCount: shown.filter(({ flags }) => flags.includes('orphan')).length,
    outsideCount: shown.filter(({ flags }) => flags.some((flag) => OUTSIDE.has(flag))).length,
    criticalPath: path.map((segment) => ({ ...segment, span: places[segment.span]! })),
    resources: [...resources.values()].map(({ attributes }) => attributes),
    spans: shown,
  };
}

const OUTSIDE: ReadonlySet<SpanFlag> = new Set(['starts_before_parent', 'ends_after_parent']);

interface Measured extends TreeSpan {
  readonly row: SpanRow;
  readonly resourceKey: string;
}

function measure(row: SpanRow, baseNs: bigint): Measured {
  const { spanId, parentSpanId, service, name, kind } = row;
  const startNs = Number(BigInt(row.start) - baseNs);
  const endNs = startNs + row.duration;
  const resourceKey = JSON.stringify(row.resource);
  return { spanId, parentSpanId, service, name, kind, startNs, endNs, row, resourceKey };
}

/** Where each span stands in the waterfall. */
function placesOf({ order }: Tree): number[] {
  const places = order.map(() => 0);
  order.forEach((index, place) => void (places[index] = place));
  return places;
}

type Resources = ReadonlyMap<string, { readonly index: number; readonly attributes: Attributes }>;

function resourcesOf(spans: readonly Measured[]): Resources {
  const found = new Map<string, { index: number; attributes: Attributes }>();
  for (const { resourceKey, row } of spans) {
    if (found.has(resourceKey)) continue;
    found.set(resourceKey, { index: found.size, attributes: row.resource });
  }
  return found;
}

interface Assembled {
  readonly spans: readonly Measured[];
  readonly tree: Tree;
  readonly places: readonly number[];
  readonly path: readonly PathSegment[];
  readonly resources: Resources;
  readonly baseNs: bigint;
}

function describe({ spans, tree, places, path, resources, baseNs }: Assembled): TraceSpan[] {
  const selfNs = selfTimes(spans, tree);
  const criticalNs = spans.map(() => 0);
  for (const { span, fromNs, toNs } of path) criticalNs[span]! += toNs - fromNs;
  return tree.order.map((index) => {
    const { row, startNs, resourceKey } = spans[index]!;
    const parent = tree.parents[index]!;
    return {
      spanId: row.spanId,
      parentSpanId: row.parentSpanId,
      service: row.service,
      name: row.name,
      kind: row.kind,
      start: isoOfNs(BigInt(row.start)),
      offsetNs: startNs,
      durationNs: row.duration,
      selfNs: selfNs[index]!,
      criticalNs: criticalNs[index]!,
      depth: tree.depths[index]!,
      parent: parent === null ? null : places[parent]!,
      childCount: tree.children[index]!.length,
      status: row.status,
      statusMessage: row.statusMessage,
      flags: tree.flags[index]!,
      attributes: row.attributes,
      resource: resources.get(resourceKey)!.index,
      scope: { name: row.scopeName, version: row.scopeVersion },
      traceState: row.traceState,
      weight: row.weight,
      events: row.events.map(([time, name, attributes]) => ({
        time: isoOfNs(BigInt(time)), offsetNs: Number(BigInt(time) - baseNs), name, attributes,
      })),
      links: row.links.map(([traceId, spanId, traceState, attributes]) =>
        ({ traceId, spanId, traceState, attributes })),
    };
  });
}

/** Those with most time on the critical path first. */
function servicesOf(spans: readonly TraceSpan[]): Trace['services'] {
  const found = new Map<string, { -readonly [Key in keyof Trace['services'][number]]:
    Trace['services'][number][Key] }>();
  for (const { service, status, selfNs, criticalNs } of spans) {
    const one = found.get(service) ?? { service, spans: 0, errors: 0, selfNs: 0, criticalNs: 0 };
    found.set(service, one);
    one.spans += 1;
    one.errors += status === 'Error' ? 1 : 0;
    one.selfNs += selfNs;
    one.criticalNs += criticalNs;
  }
  return [...found.values()].sort((a, b) => b.criticalNs - a.criticalNs || b.selfNs - a.selfNs);
}
