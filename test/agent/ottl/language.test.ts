// Proves the language itself: literals, math, comparisons, conditions, keys, arguments, and that
// what is wrong is said with its place and a hint. Sections are those of pkg/ottl/LANGUAGE.md of
// opentelemetry-collector-contrib, unless a comment says otherwise.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  conditionProblem, contextOfGroup, createConditions, createStatements, statementProblem,
} from '../../../agent/ottl/ottl.ts';
import { failureOptions } from '../../../agent/ottl/failures.ts';
import { OttlFailure } from '../../../agent/ottl/fault.ts';
import { errorMode, ottlConditions } from '../../../agent/ottl/schema.ts';
import { strictObject } from '../../../config/schema.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createManualClock, createRecordingLog, testContext } from '../../contract/fakes.ts';
import { fails, holds, LOG, valueOf, viewOfAll, WORLD, type Plain } from './records.ts';

test('ottl language: literals', () => {
  const check = (text: string, want: Plain) => assert.deepEqual(valueOf(text), want, text);
  check('"a string"', 'a string');
  check('"a \\"quoted\\" \\\\ \\n \\t \\u00e9 \\x41"', 'a "quoted" \\ \n \t é A');
  check('"\\d+"', '\\d+');
  check('1', 1n);
  check('-1', -1n);
  check('1.5', 1.5);
  check('-.5', -0.5);
  check('true', true);
  check('nil', null);
  check('0x0001', Buffer.from([0, 1]));
  check('SPAN_KIND_SERVER', 2n);
  check('SEVERITY_NUMBER_ERROR', 17n);
  check('METRIC_DATA_TYPE_SUMMARY', 5n);
  check('AGGREGATION_TEMPORALITY_CUMULATIVE', 2n);
  check('[]', []);
  check('["a", attributes["http.path"], Concat(["a", "b"], "-")]', ['a', '/health', 'a-b']);
  check('{"foo": {"a": attributes["http.status_code"]}}', { foo: { a: 200n } });
});

test('ottl language: math expressions', () => {
  const check = (text: string, want: Plain) => assert.deepEqual(valueOf(text, 'span'), want, text);
  check('1 + 1', 2n);
  check('1 + 2 * 3 - 4 / 3', 6n);
  check('(1 + 2) * 3', 9n);
  check('1.5 * 2.0', 3);
  check('7 / -2', -3n);
  check('end_time_unix_nano - start_time_unix_nano', 2_500_000_000n);
  check('end_time - start_time', '2500000000ns');
  check('start_time + Duration("1s")', '2023-11-14T22:13:21.000Z');
  check('Duration("1s") + Duration("500ms")', '1500000000ns');
  check('10-3', 7n);
  fails(() => valueOf('1 + 1.5'), /int \+ double/);
  fails(() => valueOf('1 / 0'), /division by zero/);
  fails(() => valueOf('Duration("1s") * Duration("1s")'), /not defined/);
  fails(() => valueOf('attributes["no"] + 1'), /nil \+ int/);
});

test('ottl language: comparison rules', () => {
  const check = (text: string, want: boolean) => assert.equal(holds(text), want, text);
  check('1 < 2', true);
  check('1 == 1.0', true);
  check('2 > 1.5', true);
  check('9007199254740993 > 9007199254740992', true);
  check('"a" < "b"', true);
  check('"a" == 1', false);
  check('"a" != 1', true);
  check('"a" < 1', false);
  check('true > false', true);
  check('nil == nil', true);
  check('nil <= nil', false);
  check('attributes["no"] == nil', true);
  check('attributes["http.path"] != nil', true);
  check('0x0102 == 0x0102', true);
  check('0x01 < 0x02', true);
  check('trace_id == TraceID("0102030405060708090a0b0c0d0e0f10")', true);
  check('span_id != SpanID(0x0000000000000000)', true);
  check('time > Unix(1700000000)', true);
  check('Duration("1s") <= Duration("1000ms")', true);
  check('Duration("1s") == time', false);
  check('{"a": 1, "b": [2]} == {"b": [2], "a": 1}', true);
  check('[1, 2] == [2, 1]', false);
  check('[1] < [2]', false);
  check('attributes["nested"]["inner"]["deep"] == "x"', true);
  check('severity_number >= SEVERITY_NUMBER_INFO', true);
  check('severity_number < 9', false);
});

test('ottl language: boolean expressions', () => {
  const check = (text: string, want: boolean) => assert.equal(holds(text), want, text);
  check('true', true);
  check('not true', false);
  check('not severity_text == "DEBUG"', true);
  check('not (IsMatch(body, "request.*") and severity_number > 0)', false);
  check('true or false and false', true);
  check('(true or false) and false', false);
  check('not false and not not true', true);
  check('(1 + 2) * 3 == 9', true);
  check('((severity_number) == 9)', true);
  check('IsString(body) and (body == "x" or body == "request failed")', true);
  fails(() => holds('Split(body, " ")'), /gave list, not bool/);
  check('false and Split(nil, "")[0] == "a"', false);
});

test('ottl language: keys of paths and converters', () => {
  const check = (text: string, want: Plain) => assert.deepEqual(valueOf(text), want, text);
  check('attributes["nested"]["inner"]["deep"]', 'x');
  check('attributes["tags"][1]', 'b');
  check('attributes["no"]["inner"]', null);
  check('attributes[Concat(["http", "path"], ".")]', '/health');
  check('attributes["tags"][Len(attributes["tags"]) - 1]', 'b');
  check('Split("a,b", ",")[1]', 'b');
  fails(() => valueOf('attributes["tags"][7]'), /element 7 of a list of 2/);
  fails(() => valueOf('attributes["http.path"]["x"]'), /string has no keys/);
  fails(() => valueOf('attributes["tags"]["x"]'), /list has no keys of text/);
});

test('ottl language: arguments by name, in any order, in both spellings', () => {
  const check = (text: string, want: Plain) => assert.deepEqual(valueOf(text), want, text);
  check('ParseKeyValue("a:1", delimiter=":")', { a: '1' });
  check('ParseKeyValue("a:1;b:2", pair_delimiter=";", delimiter=":")', { a: '1', b: '2' });
  check('ParseKeyValue("a:1;b:2", pairDelimiter=";", delimiter=":")', { a: '1', b: '2' });
  check('Substring(target="abc", length=1, start=1)', 'b');
});

const problem = (text: string) => {
  const found = statementProblem(text, { signal: 'logs' });
  assert.ok(found !== null, text);
  return found;
};

test('ottl errors: each says the column, why, and what to do', () => {
  const check = (text: string, column: number, why: RegExp, hint: RegExp) => {
    const found = problem(text);
    assert.ok(found.why.startsWith(`column ${column}: `), `${text}: ${found.why}`);
    assert.match(found.why, why);
    assert.match(found.hint, hint);
    const [statement, caret] = found.hint.split('\n').slice(-2) as [string, string];
    assert.equal(caret.indexOf('^'), column - 1 + 4, text);
    assert.equal(statement.length, text.length + 4);
  };
  check('sett(log.body, 1)', 1, /unknown editor "sett"/, /did you mean "set"/);
  check('set(log.bodi, 1)', 5, /unknown path "log.bodi"/, /did you mean "body"/);
  check('set(lgo.body, 1)', 5, /does not begin with a context/, /did you mean "log"/);
  check('set(body, 1)', 5, /does not begin with a context/, /write log.body/);
  check('set(log.body, Splitt("a", ""))', 15, /unknown converter/, /did you mean "Split"/);
  check('set(log.body, ParseXML("a"))', 15, /not built/, /ExtractPatterns/);
  check('set(log.body, SEVERITY_NUMBER_ERR)', 15, /unknown name/, /SEVERITY_NUMBER_ERROR/);
  check('set(log.body, Split("a"))', 24, /argument delimiter of Split is missing/,
    /Split\(target, delimiter\)/);
  check('set(log.body, 1, 2)', 18, /too many arguments/, /set\(target, value\)/);
  check('set(log.body, Trim("a", x="b"))', 25, /no argument x/, /Trim\(target, \[replacement\]\)/);
  check('set(log.body, Trim(target="a", "b"))', 32, /without a name/, /look here/);
  check('set(log.body', 13, /ends where , should stand/, /close them/);
  check('set(log.body, "abc)', 15, /has no end/, /close it/);
  check('set(log.body, \'a\')', 15, /double quotes/, /"…"/);
  check('set(log.body, 1) where log.body = "x"', 33, /unexpected/, /==/);
  check('set(log.body, 1) where log.body', 24, /no condition/, /compare it/);
  check('set(log.body, 1) && true', 18, /unknown sign/, /and, or/);
  check('set(log.body, 1) true', 18, /unexpected/, /where/);
  check('Split(log.body, "a")', 1, /begins with an editor/, /set\(path/);
  check('set("a", 1)', 5, /a path should stand here/, /look here/);
  check('delete_key(log.severity_text, "a")', 12, /a path to a map/, /look here/);
  check('set(log.severity_text["a"], "b")', 23, /has no keys/, /look here/);
  check('set(log.attributes["a"].b, 1)', 20, /keys stand/, /nested/);
  check('set(span.name, "a")', 5, /cannot be seen/, /resource, scope, log/);
  check('set(resource.cache["a"], log.body)', 5, /only seen in its own context/, /log.cache/);
  check('replace_pattern(log.body, "(", "")', 27, /not a regular expression/, /brackets/);
  check('set(log.body, ExtractPatterns("a", "b"))', 36, /no named group/, /\?P<name>/);
  check('set(log.body, ExtractGrokPatterns("a", "%{INTT:x}"))', 40, /unknown grok/, /INT/);
  check('set(log.body, ConvertCase("a", "kebab"))', 32, /not known/, /lower, upper/);
  check('set(log.body, Time("a", "no layout"))', 25, /no layout/, /%Y/);
  check('set(log.body, 99999999999999999999)', 15, /64 bits/, /look here/);
  check('set(log.body, 0x123)', 15, /two digits/, /0x0a/);
  check('set(log.body, All(log.attributes, (k, _) => true))', 35, /lambda/, /feature gate/);
  check('set(context.client.addr, 1)', 5, /not supported/, /connection/);
  check('set(log.attributes["x"], 1 + (2 == 2))', 31, /condition/, /look here/);
});

test('ottl errors: what stands in quotes, and numbers, are never repeated', () => {
  for (const text of ['sett(log.body, "hunter2")', 'set(log.body, "hunter2', 'set(log.bodi, 90210)',
    'replace_pattern(log.body, "hunter2(", "hunter2")',
    'set(log.body, ConvertCase("a", "hunter2"))']) {
    const { why, hint } = problem(text);
    assert.doesNotMatch(why + hint, /hunter2|90210/, text);
  }
});

test('ottl errors: lines of a statement that has several', () => {
  const found = problem('set(\n  log.bodi,\n  1)');
  assert.match(found.why, /^line 2, column 3: unknown path/);
  assert.match(found.hint, /\n {6}log.bodi,\n {6}\^$/);
});

test('ottl errors: nothing too long or too deep is read', () => {
  assert.match(problem(`set(log.body, ${'('.repeat(100)}1)`).why, /nested more than/);
  assert.match(problem(`set(log.body, "${'a'.repeat(70_000)}")`).why, /longer than/);
  const deep = `${'Trim('.repeat(40)}"a"${')'.repeat(40)}`;
  assert.equal(statementProblem(`set(log.body, ${deep})`, { signal: 'logs' }), null);
});

// The section "Context inference" of the README of the transform processor.
test('ottl inference: the widest context from which all can be seen', () => {
  const check = (signal: 'logs' | 'metrics' | 'traces', texts: string[], want: string) =>
    assert.equal(contextOfGroup(texts, [], signal), want);
  check('logs', ['set(resource.attributes["a"], 1)'], 'resource');
  check('logs', ['set(scope.name, "a") where resource.attributes["a"] == 1'], 'scope');
  check('logs', ['set(log.body, 1)', 'set(resource.attributes["a"], 1)'], 'log');
  check('metrics', ['set(metric.name, "a") where datapoint.attributes["a"] == "b"'], 'datapoint');
  check('metrics', ['set(resource.attributes["a"], 1)', 'set(metric.name, "a")'], 'metric');
  check('traces', ['set(spanevent.name, span.name)'], 'spanevent');
  check('traces', ['set(span.name, "root") where IsRootSpan()'], 'span');
  assert.throws(() => contextOfGroup(['set(spanevent.name, "a") where IsRootSpan()'], [], 'traces'),
    /"IsRootSpan" does not fit/);
});

test('ottl error modes: ignore and silent go on, propagate throws', () => {
  const failures: string[] = [];
  const build = (mode: 'ignore' | 'propagate') => createConditions(
    ['ParseJSON(body)["a"] == 1', 'severity_number == 9'],
    {
      context: 'log', world: WORLD, errorMode: mode,
      onFailure: ({ message }, text) => failures.push(`${text}: ${message}`),
    });
  assert.equal(build('ignore')(viewOfAll()), true);
  assert.deepEqual(failures, ['ParseJSON(body)["a"] == 1: the text is no JSON object or array']);
  assert.throws(() => build('propagate')(viewOfAll()), OttlFailure);
  const view = viewOfAll();
  createStatements(['set(severity_text, 5)', 'set(severity_text, "X")'],
    { context: 'log', world: WORLD, errorMode: 'silent' })(view);
  assert.equal(view.log!.severityText, 'X');
});

test('ottl: records are not changed in place, and stay themselves when nothing changes', () => {
  const view = viewOfAll();
  const run = (text: string) => createStatements([text],
    { context: 'log', world: WORLD, errorMode: 'propagate' })(view);
  run('set(severity_text, "X") where body == "other"');
  run('delete_key(attributes, "none")');
  run('set(attributes["http.path"], "/health")');
  run('replace_pattern(attributes["http.path"], "x", "y")');
  run('set(severity_text, nil)');
  assert.equal(view.log, LOG);
  run('set(severity_text, "X")');
  assert.notEqual(view.log, LOG);
  assert.equal(LOG.severityText, 'INFO');
  const draft = view.log;
  run('set(severity_text, "Y")');
  assert.equal(view.log, draft);
  view.release();
  run('set(severity_text, "Z")');
  assert.notEqual(view.log, draft);
});

test('ottl schema: a condition that cannot be used is told at its place in the list', () => {
  const schema = strictObject({
    error_mode: errorMode().default('ignore'),
    logs: ottlConditions({ context: 'log' }),
  });
  const result = schema.safeParse({ logs: ['body == "a"', 'bodi == "a"'] });
  assert.deepEqual(result.error!.issues.map(({ path }) => path), [['logs', 1]]);
  assert.match(result.error!.issues[0]!.message, /column 1: unknown path "bodi"/);
  assert.equal(schema.parse({ logs: ['true'] }).error_mode, 'ignore');
  assert.equal(conditionProblem('log.body == nil', { context: 'log' }), null);
  assert.match(conditionProblem('', { context: 'log' })!.why, /ends where a value/);
});

test('ottl failures: all are counted, and told without the record and what is in quotes', () => {
  const counters = createCounters();
  const log = createRecordingLog();
  const clock = createManualClock();
  const context = testContext({ id: 'transform/x', counters, log });
  const world = { ...context.world, clock };
  const conditions = (mode: 'ignore' | 'silent') => createConditions(
    ['ParseJSON(body)["pin"] == 7'],
    { context: 'log', world: WORLD, ...failureOptions(mode, { ...context, world }) });
  const holdsIgnoring = conditions('ignore');
  for (let time = 0; time < 3; time++) assert.equal(holdsIgnoring(viewOfAll()), false);
  assert.equal(conditions('silent')(viewOfAll()), false);
  assert.equal(counters.total('binnacle_ottl_failures_total', { component: 'transform/x' }), 4);
  assert.deepEqual(log.lines.map(({ level, message, fields }) => [level, message, fields]), [
    ['warn', 'cannot run a statement on a record: the text is no JSON object or array',
      { statement: 'ParseJSON(body)["***"] == #' }],
  ]);
});
