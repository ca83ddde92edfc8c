// Structural searches: what is read out of the text, what is refused and where, and which trees are
// as the chains say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasStructure, isStructure, parseStructure, StructureError }
  from '../../../backend/traces/structure.ts';

test('structure: selectors, chains and their order', () => {
  assert.equal(isStructure('service:shop'), false);
  assert.equal(isStructure('  {service:shop}'), true);
  assert.deepEqual(parseStructure(' {service:shop} > {status:error}>>{ } && {name:"a } \\" b"} '), {
    selectors: [{ text: 'service:shop', position: 2 }, { text: 'status:error', position: 19 },
      { text: ' ', position: 35 }, { text: 'name:"a } \\" b"', position: 42 }],
    chains: [{ first: 0, steps: [{ relation: 'child', selector: 1 },
      { relation: 'descendant', selector: 2 }] }, { first: 3, steps: [] }],
  });
});

test('structure: what cannot be read is refused at its place', () => {
  const check = (text: string, position: number, message: RegExp) =>
    assert.throws(() => parseStructure(text), (error) => error instanceof StructureError
      && error.position === position && message.test(error.message), text);
  check('{a', 0, /not closed/);
  check('{a:"x}', 0, /" is not closed/);
  check('{a} {b}', 4, />, >> or &&/);
  check('{a} > ', 6, /must begin a span/);
  check('{a} > b', 6, /must begin a span/);
  check('{a} || {b}', 4, />, >> or &&/);
  check(Array.from({ length: 9 }, () => '{}').join('&&'), 32, /at most 8/);
});

test('structure: children, descendants, both', () => {
  // a(0) - b(1) - c(2), a - d(2)
  const spans = [['a', '', 0], ['b', 'a', 1], ['c', 'b', 2], ['d', 'a', 2]].map(
    ([spanId, parentSpanId, selector]) => ({ spanId: spanId as string,
      parentSpanId: parentSpanId as string, matches: 1 << (selector as number) }));
  const check = (want: boolean, text: string, more = spans) =>
    assert.equal(hasStructure(more, parseStructure(text)), want, text);
  check(true, '{} > {}');
  check(false, '{} > {} > {} > {}');
  check(true, '{} > {} > {}');
  const chain = (...steps: Array<['child' | 'descendant', number]>) => [{ first: 0,
    steps: steps.map(([relation, selector]) => ({ relation, selector })) }];
  const has = (chains: ReturnType<typeof chain>) => hasStructure(spans, { chains });
  assert.equal(has(chain(['child', 1], ['child', 2])), true);
  assert.equal(has(chain(['child', 2])), true);
  assert.equal(has(chain(['descendant', 2])), true);
  assert.equal(has(chain(['child', 2], ['descendant', 1])), false);
  assert.equal(has(chain(['child', 3])), false);
  assert.equal(has([...chain(['child', 1]), ...chain(['descendant', 2])]), true);
  assert.equal(has([...chain(['child', 1]), { first: 3, steps: [] }]), false);
  const deep = Array.from({ length: 20_000 }, (_, index) => ({ spanId: `${index}`,
    parentSpanId: index === 0 ? 'lost' : `${index - 1}`,
    matches: index === 0 ? 1 : index === 19_999 ? 2 : 0 }));
  check(true, '{} >> {}', deep);
  check(false, '{} > {}', deep);
  const ring = [{ spanId: 'x', parentSpanId: 'y', matches: 2 },
    { spanId: 'y', parentSpanId: 'x', matches: 2 }];
  check(false, '{} >> {}', ring);
});
