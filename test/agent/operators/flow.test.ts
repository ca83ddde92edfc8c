// Proves how entries go from operator to operator: conditions, outputs, routes, filters, and
// entries that become one (recombine, container), whatever the pieces in which their lines come.

import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEntryBatches } from '../../../agent/operators/batches.ts';
import { createEntry, emptyMap } from '../../../agent/operators/entry.ts';
import { operatorList } from '../../../agent/operators/pipeline.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { itemKeys, testContext } from '../../contract/fakes.ts';
import { follow } from '../receivers/file_log/following.ts';
import { problem, run } from './running.ts';

const bodies = async (lines: string[], operators: unknown[]): Promise<unknown[]> =>
  (await run(lines, operators)).map(({ body }) => body);

const set = (id: string, value: string, more: object = {}) =>
  ({ type: 'add', id, field: `attributes.${id}`, value, ...more });

test('if: the operator is left out where the condition does not hold', async () => {
  const records = await run(['{"a":1}', 'plain', '{x'], [
    { type: 'json_parser', if: 'body startsWith "{"', on_error: 'drop_quiet' },
    { type: 'add', field: 'attributes.b', value: 'EXPR(attributes.a + 1)',
      if: 'attributes.a != nil' },
    { type: 'add', field: 'attributes.text', value: 'is EXPR(string(body)) (EXPR("a)"))' },
  ]);
  assert.deepEqual(records.map(({ attributes }) => attributes), [
    { a: 1, b: 2, text: 'is {"a":1} (a))' }, { text: 'is plain (a))' },
  ]);
});

test('attributes, resource of a receiver: text, and expressions asked of each record', async () => {
  const records = await run(['a', 'b'], [{ type: 'noop' }], {
    attributes: { fixed: 'x', upper: 'EXPR(upper(body))' },
    resource: { host: 'h-EXPR(body)', n: 1 },
  });
  assert.deepEqual(records.map(({ attributes, resource }) => [attributes, resource]), [
    [{ fixed: 'x', upper: 'A' }, { host: 'h-a', n: '1' }],
    [{ fixed: 'x', upper: 'B' }, { host: 'h-b', n: '1' }],
  ]);
});

test('file_log: whose a file is', async () => {
  const [record] = await run('a', [], {
    include_file_owner_name: true, include_file_owner_group_name: true,
  });
  const { username } = userInfo();
  assert.equal(record!.attributes['log.file.owner.name'], username);
  assert.notEqual(record!.attributes['log.file.owner.group.name'] ?? '', '');
});

test('output and router: entries go where they are sent, in copies where to several', async () => {
  const records = await run(['a', 'b', 'c', 'd'], [
    { type: 'router', routes: [
      { expr: 'body == "a"', output: 'one', attributes: { route: 'EXPR(upper(body))' } },
      { expr: 'body == "b"', output: ['one', 'two'] },
    ], default: 'last' },
    set('one', '1', { output: 'last' }),
    set('two', '2'),
    { type: 'noop', id: 'last' },
  ]);
  assert.deepEqual(records.map(({ body, attributes }) => [body, attributes]), [
    ['a', { route: 'A', one: '1' }], ['b', { one: '1' }], ['b', { two: '2' }], ['c', {}], ['d', {}],
  ]);
  const following = await follow({ operators: [
    { type: 'router', routes: [{ expr: 'body == "a"', output: 'end' }] },
    { type: 'noop', id: 'end' },
  ] });
  following.write('a.log', 'a\nb\nc\n');
  await following.poll();
  assert.deepEqual(following.bodies(), ['a']);
  assert.equal(following.counters.total('binnacle_operator_filtered_records_total'), 2);
  await following.stop();
});

test('output: ids that are missing, twice there, or lead in a circle are refused', () => {
  const noop = (id: string, output?: string) => ({ type: 'noop', id, output });
  assert.match(problem([noop('a', 'x')]), /^output: names no operator.*Defined: a/);
  assert.match(problem([noop('a'), noop('a')]), /^id: is the id of two/);
  assert.match(problem([noop('a', 'b'), noop('b', 'a')]), /leads back to itself/);
  assert.match(problem([noop('a'), noop('b', 'a')]), /leads back to itself/);
  assert.equal(problem([noop('a', 'c'), noop('b'), noop('c')]), 'fine');
  assert.equal(problem([{ type: 'noop' }, { type: 'noop', output: 'noop2' }, { type: 'noop' }]),
    'fine');
  const route = { expr: 'true', output: 'x' };
  assert.match(problem([{ type: 'router', routes: [route] }]), /^routes.0.output: names no op/);
  assert.match(problem([{ type: 'router', routes: [] }]), /^routes/);
});

test('filter: what holds is dropped, counted; a share of it by chance', async () => {
  assert.deepEqual(await bodies(['keep', 'drop', 'keep'],
    [{ type: 'filter', expr: 'body == "drop"' }]), ['keep', 'keep']);
  assert.deepEqual(await bodies(['a'], [{ type: 'filter', expr: 'attributes.x > 1' }]), ['a']);
  const lines = Array.from({ length: 4000 }, (_, index) => `line ${index}`);
  const kept = await bodies(lines, [{ type: 'filter', expr: 'true', drop_ratio: 0.25 }]);
  assert.ok(kept.length > 2800 && kept.length < 3200, String(kept.length));
  assert.match(problem({ type: 'filter', expr: 'true', drop_ratio: 2 }), /^drop_ratio/);
});

test('retain, flatten, unquote, regex_replace, assign_keys', async () => {
  const line = '{"a":{"b":1,"c":"x"},"d":"\\"quoted\\\\u00e9\\\\x41\\"","e":"{a}{bb}","f":[1,"z"]}';
  const [record] = await run(line, [
    { type: 'json_parser' },
    { type: 'flatten', field: 'attributes.a' },
    { type: 'unquote', field: 'attributes.d' },
    { type: 'regex_replace', field: 'attributes.e', regex: '{(?P<in>.)}|{(..)}',
      replace_with: '<${1}$in$2>$$' },
    { type: 'assign_keys', field: 'attributes.f', keys: ['n', 's'] },
    { type: 'retain', fields: ['attributes.b', 'attributes.d', 'attributes.e', 'attributes.f'] },
  ]);
  assert.deepEqual(record!.attributes,
    { b: 1, d: 'quotedéA', e: '<aa>$<bb>$', f: { n: 1, s: 'z' } });
  assert.equal(record!.body, line);
  const [plain] = await run('\x1b[31mred\x1b[0m', [
    { type: 'regex_replace', field: 'body', regex_name: 'ansi_control_sequences' },
  ]);
  assert.equal(plain!.body, 'red');
  assert.deepEqual(await bodies(['`a\\n`', "'é'", "'ab'", '"a', '"a"b"'], [
    { type: 'unquote', field: 'body' },
  ]), ['a\\n', 'é', "'ab'", '"a', '"a"b"']);
  assert.match(problem({ type: 'regex_replace', field: 'body' }), /regex or regex_name/);
  assert.match(problem({ type: 'flatten', field: 'body' }), /^field/);
});

const STACK = ['Log message 1', 'Error: Exception', '  at a', '  at b', 'Another'];
const FIRST = {
  type: 'recombine', combine_field: 'body', is_first_entry: 'body matches "^[^\\\\s]"',
};

test('recombine: stack traces, by their first line and by their last', async () => {
  assert.deepEqual(await bodies(STACK, [FIRST]),
    ['Log message 1', 'Error: Exception\n  at a\n  at b', 'Another']);
  assert.deepEqual(await bodies(['a', 'b;', 'c;', 'd'], [
    { type: 'recombine', combine_field: 'body', is_last_entry: 'body endsWith ";"',
      combine_with: '' },
  ]), ['ab;', 'c;', 'd']);
});

test('recombine: bounds, what is kept, other fields', async () => {
  const lines = ['x 1', 'y 2', 'y 3', 'y 4', 'x 5'];
  const parser = { type: 'regex_parser', regex: '^(?P<kind>\\w) (?P<n>\\d)' };
  const recombine = { ...FIRST, combine_field: 'attributes.n', combine_with: '+',
    is_first_entry: 'attributes.kind == "x"' };
  const seen = async (more: object) => (await run(lines, [parser, { ...recombine, ...more }]))
    .map(({ body, attributes }) => [body, attributes['n']]);
  assert.deepEqual(await seen({}), [['y 4', '1+2+3+4'], ['x 5', '5']]);
  assert.deepEqual(await seen({ overwrite_with: 'oldest' }), [['x 1', '1+2+3+4'], ['x 5', '5']]);
  assert.deepEqual(await seen({ max_batch_size: 2 }),
    [['y 2', '1+2'], ['y 4', '3+4'], ['x 5', '5']]);
  assert.deepEqual(await seen({ max_log_size: 2 }),
    [['y 2', '1+2'], ['y 4', '3+4'], ['x 5', '5']]);
  const unmatched = { type: 'recombine', combine_field: 'body', is_first_entry: 'body == "log1"' };
  assert.deepEqual(await bodies(['log2', 'log3', 'log4', 'log5', 'log1', 'log6', 'log7', 'log1'],
    [{ ...unmatched, max_unmatched_batch_size: 3 }]),
  ['log2\nlog3\nlog4', 'log5', 'log1\nlog6\nlog7', 'log1']);
  assert.match(problem({ type: 'recombine', combine_field: 'body' }), /needs is_first_entry or/);
});

test('recombine: sources are told apart; an entry without text goes on by on_error', async () => {
  const parser = { type: 'regex_parser', regex: '^(?P<s>\\w) (?P<t>.*)' };
  const recombine = { type: 'recombine', combine_field: 'attributes.t', combine_with: '',
    is_last_entry: 'attributes.t endsWith ";"', source_identifier: 'attributes.s' };
  const records = await run(['a 1', 'b 2', 'a 3;', 'nothing', 'b 4;'],
    [parser, { ...recombine, on_error: 'drop_quiet' }]);
  assert.deepEqual(records.map(({ attributes }) => attributes['t']).sort(), ['13;', '24;']);
});

const POD = '/var/log/pods/ns_app-1_49cc7c1fd3702c40b2686ea7486091d6/web/3.log';

test('container: CRI and Docker lines, parts put together, names of the path', async () => {
  const path = { type: 'add', field: 'attributes["log.file.path"]', value: POD };
  const records = await run([
    '2023-06-22T10:27:25.813799277Z stdout P one ',
    '2023-06-22T10:27:25.9Z stderr F other',
    '2023-06-22T12:27:26+02:00 stdout F line',
    '{"log":"from docker\\n","stream":"stderr","time":"2024-03-30T08:31:20.5Z","attrs":{"a":"b"}}',
    'neither',
  ], [path, {
    type: 'container', severity: { parse_from: 'body', mapping: { error: 'other' } },
  }]);
  const resource = {
    'k8s.namespace.name': 'ns', 'k8s.pod.name': 'app-1', 'k8s.container.name': 'web',
    'k8s.pod.uid': '49cc7c1fd3702c40b2686ea7486091d6', 'k8s.container.restart_count': '3',
  };
  const byBody = new Map(records.map((record) => [record.body, record]));
  assert.deepEqual([...byBody.keys()].sort(), ['from docker', 'neither', 'one line', 'other']);
  assert.deepEqual(byBody.get('one line')!.attributes,
    { 'log.file.path': POD, 'log.iostream': 'stdout', logtag: 'F' });
  assert.deepEqual(byBody.get('one line')!.resource, resource);
  assert.equal(byBody.get('one line')!.time, '2023-06-22T10:27:26.000000000');
  assert.equal(byBody.get('other')!.severity, '17 other');
  assert.deepEqual(byBody.get('from docker')!.attributes,
    { 'log.file.path': POD, 'log.iostream': 'stderr', attrs: { a: 'b' } });
  assert.deepEqual(byBody.get('neither')!.resource, {});
});

test('container: Docker cuts after 16 KiB; max_log_size and format', async () => {
  const docker = (log: string) => JSON.stringify({ log, stream: 'stdout',
    time: '2024-03-30T08:31:20Z' });
  const part = 'x'.repeat(16 * 1024);
  const off = { type: 'container', add_metadata_from_filepath: false };
  assert.deepEqual(await bodies([docker(part), docker(part), docker('end\n'), docker('short')],
    [off]), [`${part}${part}end`, 'short']);
  const cri = (tag: string, text: string) => `2024-03-30T08:31:20Z stdout ${tag} ${text}`;
  assert.deepEqual(await bodies([cri('P', 'abc'), cri('P', 'def'), cri('F', 'g')],
    [{ ...off, max_log_size: 5 }]), ['abcdef', 'g']);
  assert.deepEqual(await bodies([cri('F', 'a')], [{ ...off, format: 'docker' }]), [cri('F', 'a')]);
  const drop = { ...off, format: 'crio', on_error: 'drop' };
  assert.deepEqual(await bodies([cri('F', 'a')], [drop]), []);
});

/** What becomes of lines that are given in pieces, each piece with what was held back before. */
function inPieces(lines: readonly string[], cuts: readonly number[], operators: unknown[]) {
  const counters = createCounters();
  const batches = createEntryBatches(operatorList().parse(operators), testContext({ counters }));
  const found: string[] = [];
  let from = 0;
  const give = (to: number, isDue: boolean): void => {
    const { batch, taken } = batches.build({
      count: to - from, observedNs: 1n, isDue: () => isDue,
      entry: (index) => createEntry(lines[from + index]!, emptyMap(), emptyMap()),
    });
    from += taken;
    if (batch !== null) found.push(...itemKeys(batch));
  };
  for (const cut of [...cuts].sort((a, b) => a - b)) if (cut > from) give(cut, false);
  give(lines.length, true);
  assert.equal(from, lines.length);
  return { found, counters };
}

test('batches: in whatever pieces lines come, the same comes out, each once', () => {
  const line = fc.constantFrom('a one', 'a  more', 'b one', 'b  more', 'c one', 'bad', 'drop');
  const lines = fc.array(line, { maxLength: 30 });
  const cuts = fc.array(fc.nat(30), { maxLength: 6 });
  const operators = [
    { type: 'filter', expr: 'body == "drop"' },
    { type: 'regex_parser', regex: '^(?P<s>\\w) (?P<t>.*)', on_error: 'send_quiet' },
    { type: 'recombine', combine_field: 'body', is_first_entry: 'body endsWith "one"',
      source_identifier: 'attributes.s', max_unmatched_batch_size: 0 },
  ];
  fc.assert(fc.property(lines, cuts, (made, places) => {
    const whole = inPieces(made, [], operators);
    const pieces = inPieces(made, places.filter((cut) => cut <= made.length), operators);
    assert.deepEqual([...pieces.found].sort(), [...whole.found].sort());
    const counted = (name: string) => [whole, pieces].map(({ counters }) => counters.total(name));
    for (const name of ['operator_errors', 'operator_filtered_records']) {
      const [once, again] = counted(`binnacle_${name}_total`);
      assert.equal(again, once, name);
    }
  }), { numRuns: 500, seed: 5 });
});
