// Searches of traces on a real engine: what is found, in which order and on which page, against a
// straightforward computation over the spans that were made; while further spans come in.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isoOfNs } from '../../../backend/traces/rows.ts';
import { searchTraces, type Place, type Selector, type Sort, type TraceSearch, type TraceSummary }
  from '../../../backend/traces/search.ts';
import type { Chain } from '../../../backend/traces/structure.ts';
import { byTrace, makeTraces } from './made.ts';
import { BASE_MS, startTraceStore, traceIdOf, type MadeSpan, type TraceStore } from './store.ts';

const HOUR_MS = 3_600_000;
const PERIOD = { fromMs: BASE_MS + 0.25 * HOUR_MS, toMs: BASE_MS + 1.75 * HOUR_MS };

let store: TraceStore;
const spans = makeTraces(3, 600);

before(async () => {
  store = await startTraceStore('traces_search');
  await store.insert(spans);
});

after(() => store?.stop());

type Matcher = (span: MadeSpan) => boolean;
interface Asked {
  readonly sql: string;
  readonly isMatch: Matcher;
}

const FAILED: Asked = { sql: "StatusCode = 'Error'", isMatch: ({ status }) => status === 'Error' };
const ROOT: Asked =
  { sql: "ParentSpanId = ''", isMatch: ({ parentSpanId }) => parentSpanId === '' };
const ANY: Asked = { sql: 'true', isMatch: () => true };
const of = (service: string): Asked =>
  ({ sql: `ServiceName = '${service}'`, isMatch: (span) => span.service === service });

const selectorsOf = (asked: readonly Asked[]): Selector[] =>
  asked.map(({ sql }) => ({ sql, params: {} }));

const keyOf = (span: MadeSpan, sort: Sort): bigint =>
  (sort === 'duration' ? BigInt(span.durationNs) : startOf(span));
const startOf = ({ startNs }: MadeSpan): bigint => BigInt(BASE_MS) * 1_000_000n + BigInt(startNs);
const isWithin = (span: MadeSpan): boolean => startOf(span) >= BigInt(PERIOD.fromMs) * 1_000_000n
  && startOf(span) < BigInt(PERIOD.toMs) * 1_000_000n;

/** Every combination of spans, one after the other. */
function isChain(own: readonly MadeSpan[], asked: readonly Asked[], chain: Chain): boolean {
  const below = (span: MadeSpan, relation: string): MadeSpan[] => {
    const children = own.filter(({ parentSpanId }) => parentSpanId === span.spanId);
    return relation === 'child' ? children
      : children.flatMap((child) => [child, ...below(child, relation)]);
  };
  const goesOn = (span: MadeSpan, step: number): boolean => {
    const next = chain.steps[step];
    return next === undefined || below(span, next.relation)
      .some((one) => asked[next.selector]!.isMatch(one) && goesOn(one, step + 1));
  };
  return own.some((span) => asked[chain.first]!.isMatch(span) && goesOn(span, 0));
}

function expected(asked: readonly Asked[], chains: readonly Chain[], sort: Sort): string[] {
  return [...byTrace(spans)].flatMap(([traceId, own]) => {
    const keys = own.filter((span) => asked[0]!.isMatch(span) && isWithin(span))
      .map((span) => keyOf(span, sort));
    if (keys.length === 0 || !chains.every((chain) => isChain(own, asked, chain))) return [];
    return [{ traceId, key: keys.reduce((most, key) => (key > most ? key : most)) }];
  }).sort((a, b) => (a.key !== b.key ? (a.key < b.key ? 1 : -1) : a.traceId < b.traceId ? 1 : -1))
    .map(({ traceId }) => traceId);
}

async function pages(search: Omit<TraceSearch, 'after'>): Promise<TraceSummary[]> {
  const items: TraceSummary[] = [];
  let next: Place | null = null;
  do {
    const page = await searchTraces(store.ask, { ...search, after: next });
    assert.ok(page.items.length <= search.limit);
    items.push(...page.items);
    next = page.next;
  } while (next !== null);
  return items;
}

async function check(
  asked: readonly Asked[],
  { chains = [], sort = 'recent', limit = 17 }: Partial<TraceSearch> = {},
): Promise<TraceSummary[]> {
  const found = await pages({ period: PERIOD, selectors: selectorsOf(asked), chains, sort, limit });
  assert.deepEqual(found.map(({ traceId }) => traceId), expected(asked, chains, sort));
  return found;
}

test('search: traces by one of their spans, the latest and the longest first', async () => {
  for (const sort of ['recent', 'duration'] as const) {
    assert.ok((await check([ROOT], { sort, limit: 100 })).length > 300);
    assert.ok((await check([of('stock')], { sort })).length > 50);
    assert.ok((await check([FAILED], { sort, limit: 200 })).length > 100);
    await check([{ sql: 'Duration > 40000000 AND SpanKind = \'Client\'',
      isMatch: ({ durationNs, kind }) => durationNs > 40e6 && kind === 'Client' }], { sort });
    await check([{ sql: 'false', isMatch: () => false }], { sort });
  }
});

test('search: summaries say what is in the whole trace', async () => {
  const found = await check([of('cart')], { limit: 200 });
  const traces = byTrace(spans);
  for (const summary of found) {
    const own = traces.get(summary.traceId)!;
    const starts = own.map(startOf);
    const ends = own.map((span) => startOf(span) + BigInt(span.durationNs));
    const start = starts.reduce((least, one) => (one < least ? one : least));
    const end = ends.reduce((most, one) => (one > most ? one : most));
    const root = own.find(ROOT.isMatch) ?? own[starts.indexOf(start)]!;
    assert.deepEqual(summary, {
      traceId: summary.traceId,
      start: isoOfNs(start),
      durationNs: Number(end - start),
      root: { service: root.service, operation: root.name, kind: root.kind, status: root.status,
        durationNs: root.durationNs },
      isRootMissing: !own.some(ROOT.isMatch),
      spanCount: own.length,
      errorCount: own.filter(FAILED.isMatch).length,
      matchCount: own.filter((span) => span.service === 'cart' && isWithin(span)).length,
      services: Object.fromEntries(own.map(({ service }) => [service,
        own.filter((one) => one.service === service).length])),
    });
  }
});

const chain = (first: number, ...steps: Chain['steps']): Chain => ({ first, steps });

test('search: by children, descendants and other spans of the trace', async () => {
  const child = chain(0, { relation: 'child', selector: 1 });
  const descendant = chain(0, { relation: 'descendant', selector: 1 });
  const sizes = [];
  for (const sort of ['recent', 'duration'] as const) {
    sizes.push((await check([ROOT, FAILED], { chains: [child], sort })).length,
      (await check([ROOT, FAILED], { chains: [descendant], sort })).length);
    await check([of('web'), of('stock'), FAILED], { sort, chains: [chain(0,
      { relation: 'descendant', selector: 1 }, { relation: 'child', selector: 2 })] });
    await check([FAILED, of('cart'), ANY], { sort, limit: 5,
      chains: [chain(0), chain(1, { relation: 'child', selector: 2 })] });
    await check([ANY, { sql: 'false', isMatch: () => false }], { sort, chains: [child] });
  }
  assert.ok(sizes[0]! > 10 && sizes[1]! > sizes[0]!, sizes.join());
});

test('search: what comes in meanwhile moves nothing and brings nothing twice', async () => {
  for (const sort of ['recent', 'duration'] as const) {
    const search = { period: PERIOD, selectors: selectorsOf([of('mail')]), chains: [], sort,
      limit: 9 };
    const wanted = expected([of('mail')], [], sort);
    const first = await searchTraces(store.ask, { ...search, after: null });
    const listed = first.items.map(({ traceId }) => traceId);
    assert.deepEqual(listed, wanted.slice(0, 9));
    const number = sort === 'recent' ? 90_000_000 : 91_000_000;
    const late = { ...spans[0]!, service: 'mail', name: 'late', startNs: 1.74 * HOUR_MS * 1e6,
      durationNs: 99e6 };
    await store.insert([
      ...Array.from({ length: 30 }, (_, index) =>
        ({ ...late, traceId: traceIdOf(number + index) })),
      // An older and shorter span of a trace that was listed.
      { ...late, traceId: listed[3]!, startNs: 0.3 * HOUR_MS * 1e6, durationNs: 1 },
    ]);
    const rest: string[] = [];
    for (let after = first.next; after !== null;) {
      const page = await searchTraces(store.ask, { ...search, after });
      rest.push(...page.items.map(({ traceId }) => traceId));
      after = page.next;
    }
    assert.deepEqual(rest, wanted.slice(9));
    await store.rows("DELETE FROM otel_traces WHERE SpanName = 'late'");
  }
});
