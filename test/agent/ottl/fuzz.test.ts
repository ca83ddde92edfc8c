// Proves that no text and no record does more harm than it may: whatever is written, compiling
// gives a statement or throws OttlFault; whatever is in view, running it gives a result or throws
// OttlFailure, and the records that came in stay as they were. Statements are made of the functions
// there are, with arguments that mostly do not fit. fast-check prints the seed of what it finds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FIELDS, VISIBLE } from '../../../agent/ottl/contexts.ts';
import { OttlFailure, OttlFault } from '../../../agent/ottl/fault.ts';
import type { FunctionSpec } from '../../../agent/ottl/functions/function.ts';
import { FUNCTIONS } from '../../../agent/ottl/functions/registry.ts';
import {
  compileStatement, compileValue, conditionProblem, statementProblem,
} from '../../../agent/ottl/ottl.ts';
import { OTTL_CONTEXTS, type OttlContextName } from '../../../agent/ottl/view.ts';
import { HISTOGRAM, LOG, METRIC, settings, SPAN, viewOfAll } from './records.ts';

const pathsOf = (context: OttlContextName): string[] => VISIBLE[context].flatMap((seen) =>
  Object.keys(FIELDS[seen]).filter((path) => path !== '').map((path) => `${seen}.${path}`));

const mapsOf = (context: OttlContextName): string[] => [
  ...VISIBLE[context].filter((seen) => seen !== 'metric').map((seen) => `${seen}.attributes`),
  `${context}.cache`, ...(context === 'log' ? ['log.body', 'log.attributes["nested"]'] : []),
];

const VALUES = ['nil', 'true', '1', '-1', '2.5', '0x0102', '""', '"a"', '"1h"', '"a=b c=\'d\'"',
  'SPAN_KIND_SERVER', '[]', '{}', '["a", 1, nil]', '{"a": [1], "b": "c"}', '[2, 1.5, 3]', 'Now()',
  'Duration("1h")', 'TraceID(0x00000000000000000000000000000000)', 'Unix(1)',
  '"{\\"a\\":[1,{\\"b\\":null}]}"', '"1.2.3.4"', '"http://u:p@h:1/a.b?q#f"'];

/** What mostly fits to a parameter, by its type; now and then anything. */
function argument(type: string, context: OttlContextName, depth: number): fc.Arbitrary<string> {
  const anything = value(context, depth);
  const fitting: Record<string, fc.Arbitrary<string>> = {
    path: fc.constantFrom(...pathsOf(context), ...mapsOf(context).map((map) => `${map}["k"]`)),
    'map path': fc.constantFrom(...mapsOf(context)),
    bool: fc.constantFrom('true', 'false'),
    'int from 0 on': fc.constantFrom('0', '1', '2', '10'),
    int: fc.constantFrom('0', '1', '16', '-3', 'Len("abc")'),
    'list of strings': fc.constantFrom('[]', '["a"]', '["http.path", "nested"]'),
    list: fc.constantFrom('[]', '[1, "a", nil]', '["a", "b"]', '[{"a": "k"}]'),
    map: fc.constantFrom('{}', '{"a": 1}', '{"info": [{"range": "2xx"}]}', ...mapsOf(context)),
    'regular expression': fc.constantFrom('"a"', '"(?P<n>\\\\w)"', '"^.*$"', '"(e)|(x)"', '"("'),
    glob: fc.constantFrom('"*"', '"/user/*"', '"[a-z]?"', '"["'),
    converter: fc.constantFrom('SHA256', 'ToUpperCase', 'Trim', 'Nope'),
    'string with %s': fc.constantFrom('"<%s>"', '"none"'),
    'layout of a time': fc.constantFrom('"%Y-%m-%d"', '"2006-01-02"', '"%"'),
    'format of a time': fc.constantFrom('"%Y %c %k"', '"2006"', '"%E"'),
    'time zone': fc.constantFrom('"UTC"', '"Europe/Berlin"', '"Nowhere"'),
    locale: fc.constantFrom('"en"', '"it"'),
    encoding: fc.constantFrom('"base64"', '"utf-8"', '"nope"'),
    'grok pattern': fc.constantFrom('"%{WORD:a} %{NUMBER:b:int}"', '"%{DATA}"', '"%{X}"'),
    'list of networks': fc.constantFrom('["10.0.0.0/8"]', '["x"]'),
    time: fc.constantFrom('Now()', 'Unix(5)', `${context}.time`),
    duration: fc.constantFrom('Duration("1h")', 'Duration("0s")'),
    string: fc.constantFrom('"a b"', '"x=1"', '"%d %s"', 'log.body', 'String(5)', '"7"'),
  };
  const words = [...type.matchAll(/"\w[\w-]*"/g)].map(([word]) => word);
  const own = words.length > 0 ? fc.constantFrom(...words) : fitting[type] ?? anything;
  return fc.oneof({ weight: 9, arbitrary: own }, { weight: 1, arbitrary: anything });
}

function call(spec: FunctionSpec, context: OttlContextName, depth: number): fc.Arbitrary<string> {
  const parameters = Object.values(spec.parameters);
  const required = parameters.filter(({ optional }) => !optional).length;
  return fc.tuple(fc.integer({ min: required, max: parameters.length }),
    fc.tuple(...parameters.map(({ type }) => argument(type, context, depth - 1))))
    .map(([count, found]) => `${spec.name}(${found.slice(0, count).join(', ')})`);
}

const CONVERTERS = FUNCTIONS.filter(({ kind }) => kind === 'converter');
const EDITORS = FUNCTIONS.filter(({ kind }) => kind === 'editor');

function value(context: OttlContextName, depth: number): fc.Arbitrary<string> {
  const atom = fc.constantFrom(...VALUES, ...pathsOf(context));
  if (depth <= 0) return atom;
  const inner = fc.nat(7).chain((kind) => {
    if (kind > 1) return fc.constantFrom(...CONVERTERS).chain((one) => call(one, context, depth));
    const pair = fc.tuple(value(context, depth - 1), value(context, depth - 1));
    return kind === 0 ? pair.map((items) => `[${items.join(', ')}]`)
      : fc.tuple(fc.constantFrom('+', '-', '*', '/'), pair)
        .map(([operator, [left, right]]) => `(${left} ${operator} ${right})`);
  });
  return fc.oneof({ weight: 1, arbitrary: atom }, { weight: 2, arbitrary: inner });
}

const statement = fc.constantFrom(...OTTL_CONTEXTS).chain((context) => fc.tuple(
  fc.constant(context),
  fc.constantFrom(...EDITORS).chain((one) => call(one, context, 2)),
  fc.option(fc.tuple(value(context, 2), fc.constantFrom('==', '!=', '<', '<=', '>', '>='),
    value(context, 1)), { freq: 3 }),
));

/** Runs it; what may happen is a result, a fault of the text or a failure on the record. */
function attempt(run: () => void): 'ran' | 'fault' | 'failure' {
  try {
    run();
    return 'ran';
  } catch (error) {
    if (error instanceof OttlFault) return 'fault';
    if (error instanceof OttlFailure) return 'failure';
    throw error;
  }
}

const before = JSON.stringify([LOG, SPAN, METRIC, HISTOGRAM], (_key, one) =>
  (typeof one === 'bigint' ? String(one) : one));

test('ottl fuzz: statements run, fail or are refused, and records stay as they were', () => {
  const seen = { ran: 0, fault: 0, failure: 0 };
  fc.assert(fc.property(statement, fc.boolean(), ([context, editor, condition], histogram) => {
    const text = condition === null ? editor : `${editor} where ${condition.join(' ')}`;
    const view = viewOfAll(histogram ? { dataPoint: HISTOGRAM } : {});
    seen[attempt(() => compileStatement(text, settings(context))(view))]++;
  }), { numRuns: 5000 });
  assert.equal(JSON.stringify([LOG, SPAN, METRIC, HISTOGRAM], (_key, one) =>
    (typeof one === 'bigint' ? String(one) : one)), before);
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 300, `${what}: ${count}`);
});

test('ottl fuzz: values', () => {
  const texts = fc.constantFrom(...OTTL_CONTEXTS).chain((context) =>
    fc.tuple(fc.constant(context), value(context, 3)));
  fc.assert(fc.property(texts, ([context, text]) => {
    attempt(() => compileValue(text, settings(context))(viewOfAll()));
  }), { numRuns: 5000 });
});

test('ottl fuzz: any text is read or refused, with a problem that has a caret', () => {
  const words = fc.array(fc.oneof(
    fc.constantFrom('set', '(', ')', '[', ']', '{', '}', ',', '.', '"', 'log', 'body', 'where',
      'and', 'or', 'not', '==', '<', '=', '+', '-', '1', '1.5', '0x', 'nil', ' ', '\n', 'Split',
      ':', '\\', 'true'),
    fc.string({ unit: 'grapheme' }),
  ), { maxLength: 30 }).map((all) => all.join(''));
  fc.assert(fc.property(words, (text) => {
    for (const problem of [statementProblem(text, { signal: 'logs' }),
      conditionProblem(text, { context: 'log' })]) {
      if (problem === null) continue;
      assert.match(problem.why, /column \d+: /);
      assert.match(problem.hint, /\^$/);
    }
  }), { numRuns: 4000 });
});
