// Proves drain: which lines share a template, what is written to records, and its bounds. How well
// lines are grouped is measured with the labelled logs of ../shared/data/loghub (grouping accuracy:
// the share of lines whose group has exactly the lines of the labelled group), and printed.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { drainProcessor } from '../../../agent/processors/drain/processor.ts';
import { createTree, type TreeOptions } from '../../../agent/processors/drain/tree.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { AnyValue } from '../../../proto/otlp/model.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { batchOfKeys, createSink, NEVER, testContext } from '../../contract/fakes.ts';

const { schema, create } = drainProcessor;
type Config = Record<string, unknown>;

checkConsumer({
  name: 'drain',
  signals: ['logs'],
  create: (next, context) => ({ consumer: create(schema.parse({}), context, next) }),
});

const OPTIONS: TreeOptions =
  { depth: 4, threshold: 0.4, childrenMax: 100, clustersMax: 1000, nodesMax: 100_000 };

function templatesOf(lines: readonly string[], options: Partial<TreeOptions> = {}): string[] {
  const tree = createTree({ ...OPTIONS, ...options });
  const clusters = lines.map((line) => tree.add(line.split(' ')));
  return clusters.map(({ template }) => template);
}

test('drain: lines that differ in a few words share a template', () => {
  assert.deepEqual(templatesOf([
    'user alice logged in', 'user bob logged in', 'disk full', 'disk empty on sda now',
  ]), ['user <*> logged in', 'user <*> logged in', 'disk full', 'disk empty on sda now']);
  assert.deepEqual(templatesOf(['took 5 ms', 'took 17 ms']), ['took <*> ms', 'took <*> ms']);
  // Too little in common.
  assert.deepEqual(templatesOf(['a b c d', 'a b x y'], { threshold: 0.6 }), ['a b c d', 'a b x y']);
});

test('drain: nodes and clusters are bounded', () => {
  const words = Array.from({ length: 500 }, (_, index) => `word${'x'.repeat(index)} rest of it`);
  const tree = createTree({ ...OPTIONS, childrenMax: 10 });
  for (const word of words) tree.add(word.split(' '));
  assert.ok(tree.size() <= 12, String(tree.size()));
  const few = createTree({ ...OPTIONS, clustersMax: 3 });
  const first = few.add(['aa', 'bb']);
  for (const word of ['c', 'd', 'e']) few.add([word, word, word]);
  assert.equal(few.size(), 3);
  assert.equal(first.isKnown, false);
  assert.notEqual(few.add(['aa', 'bb']), first);
  const narrow = createTree({ ...OPTIONS, nodesMax: 5 });
  for (const word of ['c', 'd', 'e', 'f', 'g', 'h']) narrow.add([word, `${word}!`]);
  assert.ok(narrow.size() >= 1);
});

async function annotate(config: Config, bodies: readonly (string | AnyValue)[]) {
  const sink = createSink();
  const context = testContext();
  const processor = create(schema.parse(config), context, sink);
  for (const body of bodies) {
    const batch = batchOfKeys('logs', ['']);
    const value: AnyValue = typeof body === 'string' ? { type: 'string', value: body } : body;
    const [group] = batch.request.resourceLogs;
    const [scope] = group!.scopeLogs;
    const logRecords = [{ ...scope!.logRecords[0]!, body: value, attributes: [] }];
    await processor.consume(Batch.fromRequest('logs', {
      resourceLogs: [{ ...group!, scopeLogs: [{ ...scope!, logRecords }] }],
    }), NEVER);
  }
  const attributes = sink.received.map((batch) => Object.fromEntries(
    (batch as Batch<'logs'>).request.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.attributes
      .map(({ key, value }) => [key, value.type === 'array'
        ? value.value.map((one) => one.value) : value.value])));
  return { attributes, counters: context.counters };
}

test('drain: records get their template', async () => {
  const { attributes, counters } = await annotate({ template_attribute: 't' },
    ['user alice logged in', 'user bob logged in', '']);
  assert.deepEqual(attributes,
    [{ t: 'user alice logged in' }, { t: 'user <*> logged in' }, {}]);
  assert.equal(counters.total('otelcol_processor_drain_log_records_annotated_total'), 2);
  assert.equal(counters.total('otelcol_processor_drain_log_records_unannotated_total'), 1);
});

test('drain: depth, threshold, children and clusters are those of the configuration', async () => {
  const check = async (config: Config, bodies: readonly string[], want: readonly string[]) => {
    const { attributes } = await annotate({ template_attribute: 't', ...config }, bodies);
    assert.deepEqual(attributes.map(({ t }) => t), want, JSON.stringify(config));
  };
  // What differs within the depth is never one.
  const late = ['a b c d', 'a x c d'];
  await check({ tree_depth: 4 }, late, ['a b c d', 'a <*> c d']);
  await check({ tree_depth: 5 }, late, late);
  const half = ['a b c d', 'a b x y'];
  await check({ merge_threshold: 0.5 }, half, ['a b c d', 'a b <*> <*>']);
  await check({ merge_threshold: 0.6 }, half, half);
  // One place is kept for all others, which are compared from their first word on.
  const firsts = ['one x y z', 'two x y z', 'six x y z'];
  await check({ max_node_children: 100 }, firsts, firsts);
  await check({ max_node_children: 2 }, firsts, ['one x y z', 'two x y z', '<*> x y z']);
  const met = ['a b', 'a c', 'one two three', 'a d'];
  await check({ max_clusters: 2 }, met, ['a b', 'a <*>', 'one two three', 'a <*>']);
  await check({ max_clusters: 1 }, met, ['a b', 'a <*>', 'one two three', 'a d']);
});

test('drain: keys of a body, delimiters, masks and wildcards', async () => {
  const body: AnyValue = { type: 'kvlist', value: [
    { key: 'level', value: { type: 'string', value: 'info' } },
    { key: 'message', value: { type: 'string', value: 'from 10.0.0.1:80,user=ann' } },
  ] };
  const { attributes } = await annotate({
    body_field: 'message', extra_delimiters: [',', '='], template_attribute: 't',
    masking_rules: [{ name: 'ip', pattern: '\\d+\\.\\d+\\.\\d+\\.\\d+' }],
    parameter_key_prefix: 'p', emit_wildcards: true, wildcards_attribute: 'w',
  }, [body, 'from 10.0.0.2:80,user=bob']);
  assert.deepEqual(attributes, [
    { t: 'from <ip>:80 user ann', 'p.ip': '10.0.0.1', w: [] },
    { t: 'from <ip>:80 user <*>', 'p.ip': '10.0.0.2', w: ['bob'] },
  ]);
});

test('drain: what is known from the start, and a warm-up', async () => {
  const seeded = await annotate({
    template_attribute: 't', seed_templates: ['user <*> logged in', ' '], seed_logs: ['a b'],
    warmup_min_clusters: 2,
  }, ['user alice logged in']);
  assert.deepEqual(seeded.attributes, [{ t: 'user <*> logged in' }]);
  const warming = await annotate({ template_attribute: 't', warmup_min_clusters: 2 },
    ['one line', 'another one entirely', 'one line']);
  assert.deepEqual(warming.attributes, [{}, { t: 'another one entirely' }, { t: 'one line' }]);
});

const LOGHUB = `${import.meta.dirname}/../../../../shared/data/loghub`;
const skip = existsSync(LOGHUB) ? false : '../shared/data/loghub is not there';

/** What the benchmarks of log parsers replace first, too. */
const MASKS = [
  { name: 'ip', pattern: '(\\d{1,3}\\.){3}\\d{1,3}(:\\d+)?' },
  { name: 'hex', pattern: '\\b(0x)?[0-9a-f]{8,}\\b' },
  { name: 'num', pattern: '\\b\\d+\\b' },
];

test('drain: groups the lines of real logs', { skip }, async (t) => {
  let sum = 0;
  const names = readdirSync(LOGHUB).filter((name) => name.endsWith('_structured.csv'));
  assert.ok(names.length > 0);
  for (const name of names) {
    const rows = parseCsv(readFileSync(`${LOGHUB}/${name}`, 'utf8'));
    const content = rows[0]!.indexOf('Content');
    const event = rows[0]!.indexOf('EventId');
    const lines = rows.slice(1).filter((row) => row.length > event);
    const plain = await groupsOf({}, lines.map((row) => row[content]!));
    const masked = await groupsOf({ masking_rules: MASKS }, lines.map((row) => row[content]!));
    const labels = lines.map((row) => row[event]!);
    const accuracy = accuracyOf(masked, labels);
    sum += accuracy;
    t.diagnostic(`${name.replace('_2k.log_structured.csv', '')}: ${lines.length} lines, `
      + `grouping accuracy ${accuracyOf(plain, labels).toFixed(3)}, with masks `
      + accuracy.toFixed(3));
  }
  t.diagnostic(`mean with masks ${(sum / names.length).toFixed(3)}`);
  assert.ok(sum / names.length > 0.75, String(sum / names.length));
});

/** The template of each line, when all are known. */
async function groupsOf(config: Config, lines: readonly string[]): Promise<string[]> {
  const first = await annotate({ ...config, template_attribute: 't' }, [...lines, ...lines]);
  return first.attributes.slice(lines.length).map(({ t }) => String(t));
}

function accuracyOf(groups: readonly string[], labels: readonly string[]): number {
  const members = (list: readonly string[]) => {
    const found = new Map<string, number[]>();
    list.forEach((one, index) => found.set(one, [...found.get(one) ?? [], index]));
    return found;
  };
  const labelled = new Set([...members(labels).values()].map(String));
  let right = 0;
  for (const group of members(groups).values()) {
    if (labelled.has(String(group))) right += group.length;
  }
  return right / labels.length;
}

/** RFC 4180. */
function parseCsv(csv: string): string[][] {
  const rows: string[][] = [[]];
  const cells = csv.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/g);
  for (const [, quoted, plain, end] of cells) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end !== ',' && end !== '') rows.push([]);
    if (end === '') break;
  }
  return rows;
}
