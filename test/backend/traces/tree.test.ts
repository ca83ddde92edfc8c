// Trees, self times and critical paths of traces: by hand for what is odd, and for a thousand
// random traces against computations that look at every instant and every span.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { criticalPath, selfTimes, type PathSegment } from '../../../backend/traces/times.ts';
import { buildTree, withoutDuplicates, type Tree, type TreeSpan }
  from '../../../backend/traces/tree.ts';
import { seededRandom } from '../../proto/generate.ts';

type Told = readonly [id: string, parent: string, startNs: number, endNs: number,
  more?: Partial<TreeSpan>];

const spansOf = (...told: Told[]): TreeSpan[] => told.map(([spanId, parentSpanId, startNs, endNs,
  more]) => ({ spanId, parentSpanId, startNs, endNs, service: 's', name: spanId, kind: 'Internal',
  ...more }));

/** `id>id>id` for each root, depth first. */
function shape(spans: readonly TreeSpan[], { order, depths }: Tree): string {
  return order.map((index) => '.'.repeat(depths[index]!) + spans[index]!.name).join(' ');
}

const flagsOf = (spans: readonly TreeSpan[], tree: Tree): Record<string, readonly string[]> =>
  Object.fromEntries(spans.map(({ name }, index) => [name, tree.flags[index]!] as const)
    .filter(([, flags]) => flags.length > 0));

test('tree: parents before children, siblings by their start, whatever order they came in', () => {
  const spans = spansOf(['d', 'b', 4, 5], ['c', 'a', 6, 9], ['b', 'a', 2, 5], ['a', '', 0, 10],
    ['e', 'b', 3, 4]);
  const tree = buildTree(spans);
  assert.equal(shape(spans, tree), 'a .b ..e ..d .c');
  assert.equal(spans[tree.root!]!.name, 'a');
  assert.equal(tree.isRootMissing, false);
  assert.deepEqual(flagsOf(spans, tree), {});
});

test('tree: orphans stand beside the root, and a trace may have none', () => {
  const some = spansOf(['a', '', 5, 9], ['c', 'lost', 1, 2], ['d', 'c', 1, 2]);
  const tree = buildTree(some);
  assert.equal(shape(some, tree), 'c .d a');
  assert.equal(some[tree.root!]!.name, 'a');
  assert.deepEqual(flagsOf(some, tree), { c: ['orphan'] });
  const none = spansOf(['x', 'lost', 3, 4], ['y', 'lost', 1, 2]);
  const rootless = buildTree(none);
  assert.deepEqual([none[rootless.root!]!.name, rootless.isRootMissing], ['y', true]);
  assert.equal(buildTree([]).root, null);
});

test('tree: rings are cut at their earliest span', () => {
  const spans = spansOf(['a', 'c', 5, 6], ['b', 'a', 3, 4], ['c', 'b', 4, 9],
    ['self', 'self', 1, 2], ['d', 'c', 6, 7]);
  const tree = buildTree(spans);
  assert.equal(shape(spans, tree), 'self b .c ..a ..d');
  assert.deepEqual(tree.flags[1]!.includes('cycle'), true);
  assert.deepEqual(tree.flags[3], ['cycle']);
  assert.equal(tree.isRootMissing, true);
});

test('tree: repeated deliveries count once; a client and a server may share an id', () => {
  const twice = spansOf(['a', '', 0, 10], ['b', 'a', 1, 2], ['b', 'a', 1, 2], ['b', 'a', 1, 3]);
  assert.deepEqual(withoutDuplicates(twice).map(({ endNs }) => endNs), [10, 2, 3]);
  const shared = spansOf(['a', '', 0, 10],
    ['x', 'a', 1, 9, { kind: 'Client', name: 'call' }],
    ['x', 'a', 2, 8, { kind: 'Server', name: 'answer', service: 't' }],
    ['y', 'x', 3, 4, { service: 't', name: 'work' }], ['z', 'x', 8, 9, { name: 'read' }]);
  const tree = buildTree(shared);
  assert.equal(shape(shared, tree), 'a .call ..answer ...work ..read');
  assert.deepEqual(flagsOf(shared, tree), { call: ['shared_id'], answer: ['shared_id'] });
});

test('tree: spans outside of their parents are flagged and stay where they are', () => {
  const spans = spansOf(['a', '', 10, 20], ['early', 'a', 8, 12], ['late', 'a', 15, 25],
    ['both', 'a', 5, 30]);
  const tree = buildTree(spans);
  assert.deepEqual(flagsOf(spans, tree), {
    early: ['starts_before_parent'], late: ['ends_after_parent'],
    both: ['starts_before_parent', 'ends_after_parent'],
  });
  assert.deepEqual(selfTimes(spans, tree), [0, 4, 10, 25]);
});

const pathText = (spans: readonly TreeSpan[], path: readonly PathSegment[]): string =>
  path.map(({ span, fromNs, toNs }) => `${spans[span]!.name}:${fromNs}-${toNs}`).join(' ');

test('critical path: back from the end over what finished last', () => {
  const check = (want: string, ...told: Told[]) => {
    const spans = spansOf(...told);
    const tree = buildTree(spans);
    assert.equal(pathText(spans, criticalPath(spans, tree, tree.root!)), want);
  };
  check('a:0-10', ['a', '', 0, 10]);
  check('', ['a', '', 5, 5]);
  check('a:0-2 b:2-5 a:5-10', ['a', '', 0, 10], ['b', 'a', 2, 5]);
  // Two at once: the one that ended first was not waited for.
  check('a:0-1 c:1-8 a:8-10', ['a', '', 0, 10], ['b', 'a', 1, 5], ['c', 'a', 1, 8]);
  // One after the other, and one beside both.
  check('a:0-1 b:1-3 a:3-4 d:4-9 a:9-10', ['a', '', 0, 10], ['b', 'a', 1, 3], ['c', 'a', 2, 6],
    ['d', 'a', 4, 9]);
  check('a:0-1 b:1-2 c:2-4 b:4-5 a:5-6', ['a', '', 0, 6], ['b', 'a', 1, 5], ['c', 'b', 2, 4]);
  // What goes on after its parent counts as long as that; what begins after it, not at all.
  check('a:0-4 b:4-10', ['a', '', 0, 10], ['b', 'a', 4, 30], ['c', 'a', 10, 20]);
  check('b:10-12 a:12-20', ['a', '', 10, 20], ['b', 'a', 5, 12]);
});

function randomTrace(random: () => number): TreeSpan[] {
  const count = 1 + Math.floor(random() * 12);
  return Array.from({ length: count }, (_, index) => {
    const startNs = Math.floor(random() * 30);
    const isLost = index > 0 && random() < 0.05;
    const parent = index === 0 ? '' : isLost ? 'lost' : `s${Math.floor(random() * index)}`;
    const endNs = index === 0 ? 40 : startNs + Math.floor(random() * 15);
    return { spanId: `s${index}`, parentSpanId: parent, startNs, endNs, service: 's',
      name: `s${index}`, kind: 'Internal' };
  });
}

/** Instants of the span's own, each looked at by itself. */
function selfByInstants(spans: readonly TreeSpan[], index: number): number {
  const { spanId, startNs, endNs } = spans[index]!;
  let own = 0;
  for (let at = startNs; at < endNs; at++) {
    own += spans.some((one) => one.parentSpanId === spanId && one.startNs <= at && at < one.endNs)
      ? 0 : 1;
  }
  return own;
}

/** Who is on the path at each instant, by the definition and with recursion. */
function pathByDefinition(
  spans: readonly TreeSpan[],
  index: number,
  fromNs: number,
  toNs: number,
  owners: Map<number, number>,
): void {
  const waited = spans.map((span, child) => ({ child, ...span }))
    .filter(({ parentSpanId }) => parentSpanId === spans[index]!.spanId)
    .map(({ child, ...span }) => ({ child, startNs: span.startNs,
      cutFromNs: Math.max(span.startNs, fromNs), cutToNs: Math.min(span.endNs, toNs) }))
    .filter(({ cutFromNs, cutToNs }) => cutFromNs < cutToNs);
  let atNs = toNs;
  while (atNs > fromNs) {
    const finished = waited.filter(({ cutToNs }) => cutToNs <= atNs)
      .sort((a, b) => b.cutToNs - a.cutToNs || a.startNs - b.startNs || a.child - b.child)[0];
    const ownFromNs = finished === undefined ? fromNs : finished.cutToNs;
    for (let instant = ownFromNs; instant < atNs; instant++) owners.set(instant, index);
    if (finished === undefined) return;
    pathByDefinition(spans, finished.child, finished.cutFromNs, finished.cutToNs, owners);
    atNs = finished.cutFromNs;
  }
}

test('times: a thousand random traces agree with looking at every instant', () => {
  const random = seededRandom(5);
  for (let round = 0; round < 1000; round++) {
    const spans = randomTrace(random);
    const tree = buildTree(spans);
    assert.deepEqual([...tree.order].sort((a, b) => a - b), spans.map((_, index) => index));
    for (const [index, { parentSpanId }] of spans.entries()) {
      const parent = spans.findIndex(({ spanId }) => spanId === parentSpanId);
      assert.equal(tree.parents[index], parent === -1 ? null : parent);
    }
    assert.deepEqual(selfTimes(spans, tree), spans.map((_, index) => selfByInstants(spans, index)));
    const owners = new Map<number, number>();
    pathByDefinition(spans, 0, spans[0]!.startNs, spans[0]!.endNs, owners);
    const found = new Map<number, number>();
    let untilNs = spans[0]!.startNs;
    for (const { span, fromNs, toNs } of criticalPath(spans, tree, 0)) {
      assert.equal(fromNs, untilNs);
      untilNs = toNs;
      for (let instant = fromNs; instant < toNs; instant++) found.set(instant, span);
    }
    assert.equal(untilNs, spans[0]!.endNs);
    assert.deepEqual([...found].sort(byFirst), [...owners].sort(byFirst));
  }
});

const byFirst = (a: readonly [number, number], b: readonly [number, number]): number => a[0] - b[0];

test('tree: a chain of 20,000 spans, and a span with 20,000 children', () => {
  const chain = spansOf(...Array.from({ length: 20_000 }, (_, index): Told =>
    [`s${index}`, index === 0 ? '' : `s${index - 1}`, index, 40_000 - index]));
  const tree = buildTree(chain);
  assert.equal(tree.depths.at(-1), 19_999);
  assert.equal(criticalPath(chain, tree, 0).length, 39_999);
  const wide = spansOf(['root', '', 0, 20_000], ...Array.from({ length: 20_000 },
    (_, index): Told => [`s${index}`, 'root', index, index + 1]));
  const wideTree = buildTree(wide);
  assert.equal(criticalPath(wide, wideTree, 0).length, 20_000);
  assert.equal(selfTimes(wide, wideTree)[0], 0);
});
