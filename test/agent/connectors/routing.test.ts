// The routing connector: the contract of consumers, every context against batches of its signal,
// moving and copying, what nobody takes, verdicts of parts, failures, and what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routingConnector } from '../../../agent/connectors/routing/connector.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../proto/contract/component.ts';
import {
  ACCEPTED, rejected, retryable, type Outcome,
} from '../../../proto/contract/outcome.ts';
import { SIGNALS, type Signal } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import { createSink, itemKeys, makeBatch, NEVER, testContext } from '../../contract/fakes.ts';

const pipelinesTo = (next: Consumer, signals: readonly Signal[], names: readonly string[]) =>
  new Map(signals.flatMap((signal) => names.map((name) => [`${signal}/${name}`,
    { signal, consume: next.consume.bind(next) }] as const)));

const everywhere = (name: string) => SIGNALS.map((signal) => `${signal}/${name}`);

checkConsumer({
  name: 'routing, in parts',
  create: (next, context) => {
    const config = routingConnector.schema.parse({
      default_pipelines: everywhere('other'),
      table: [
        { context: 'log', condition: 'IsMatch(body, "[02468]$")', pipelines: ['logs/even'] },
        { context: 'span', condition: 'IsMatch(name, "[02468]$")', pipelines: ['traces/even'] },
        { context: 'metric', condition: 'IsMatch(name, "[02468]$")', pipelines: ['metrics/even'] },
      ],
    });
    const pipelines = pipelinesTo(next, SIGNALS, ['even', 'other']);
    return { consumer: routingConnector.create(config, { ...context, pipelines }, next) };
  },
});

/** What arrives where, of batches of items by resource: `{ shop: 3 }` → item-0 to item-2. */
function bench(settings: object, answers: Record<string, Outcome> = {}) {
  const counters = createCounters();
  const received: Record<string, string[]> = {};
  const answer = new Map(Object.entries(answers));
  const pipelines = new Map(['a', 'b', 'c'].flatMap((name) => SIGNALS.map((signal) =>
    [`${signal}/${name}`, {
      signal,
      consume: async (batch: Batch) => {
        (received[name] ??= []).push(...itemKeys(batch).map((key) => key.replace('item-', '')));
        return answer.get(name) ?? ACCEPTED;
      },
    }] as const)));
  const context: ComponentContext = { ...testContext({ id: 'routing', counters }), pipelines };
  const config = routingConnector.schema.parse(settings);
  const connector = routingConnector.create(config, context, createSink());
  return {
    counters, answer,
    consume: (batch: Batch) => connector.consume(batch, NEVER),
    taken: () => {
      const result = Object.fromEntries(Object.entries(received)
        .map(([name, keys]) => [name, keys.join(' ')]));
      for (const name of Object.keys(received)) delete received[name];
      return result;
    },
  };
}

/** One resource `shop` with items 0 and 1, one `search` with 2 and 3. */
function twoResources<S extends Signal>(signal: S): Batch<S> {
  const parts = ['shop', 'search'].map((name, at) =>
    makeBatch(signal, 2, { first: 2 * at, resource: { 'service.name': name } }));
  const bytes = Buffer.concat(parts.map((one) => one.bytes));
  return Batch.fromBytes(signal, bytes);
}

const route = (name: string, condition: string, context = 'resource', more: object = {}) =>
  ({ context, condition, pipelines: everywhere(name), ...more });

const SHOP = 'attributes["service.name"] == "shop"';

test('routing: by resource, for every signal', async () => {
  const { consume, taken } = bench({
    table: [route('a', SHOP)], default_pipelines: everywhere('b'),
  });
  for (const signal of SIGNALS) {
    assert.deepEqual(await consume(twoResources(signal)), ACCEPTED);
    assert.deepEqual(taken(), { a: '0 1', b: '2 3' }, signal);
  }
});

test('routing: by span, log record, metric and data point', async () => {
  const { consume, taken } = bench({
    table: [
      route('a', 'name == "item-1"', 'span'), route('a', 'body == "item-1"', 'log'),
      route('a', 'name == "item-1"', 'metric'),
      route('c', 'metric.name == "item-2" and value_double >= 0 or value_int >= 0', 'datapoint'),
    ],
    default_pipelines: everywhere('b'),
  });
  await consume(twoResources('traces'));
  assert.deepEqual(taken(), { a: '1', b: '0 2 3' });
  await consume(twoResources('logs'));
  assert.deepEqual(taken(), { a: '1', b: '0 2 3' });
  await consume(twoResources('metrics'));
  const metrics = taken();
  assert.equal(metrics['a'], '1');
  assert.equal([metrics['b'] ?? '', metrics['c'] ?? ''].join(' ').trim().length, '0 2 3'.length);
  assert.match(metrics['c']!, /2/);
});

test('routing: what a route moved no other one gets, what it copied all may', async () => {
  const check = async (settings: object, want: Record<string, string>) => {
    const { consume, taken } = bench(settings);
    await consume(twoResources('logs'));
    assert.deepEqual(taken(), want, JSON.stringify(settings));
  };
  const last = { default_pipelines: everywhere('c') };
  await check({ ...last, table: [route('a', SHOP), route('b', 'true')] }, { a: '0 1', b: '2 3' });
  await check({ ...last, table: [route('a', SHOP, 'resource', { action: 'copy' }),
    route('b', 'true')] }, { a: '0 1', b: '0 1 2 3' });
  await check({ ...last, table: [route('a', SHOP, 'resource', { action: 'copy' })] },
    { a: '0 1', c: '0 1 2 3' });
  await check({ ...last, match_once: false, table: [route('a', SHOP), route('b', SHOP)] },
    { a: '0 1', b: '0 1', c: '2 3' });
  await check({ ...last, match_once: false, table: [route('a', SHOP), route('a', 'true')] },
    { a: '0 1 2 3' });
  await check({ table: [{ ...route('a', ''), condition: undefined,
    statement: `route() where ${SHOP}` }], ...last }, { a: '0 1', c: '2 3' });
  await check({ table: [{ ...route('a', ''), condition: undefined, statement: ' route() ' }] },
    { a: '0 1 2 3' });
  const both = [...everywhere('a'), ...everywhere('b')];
  await check({ table: [{ ...route('a', SHOP), pipelines: both }], ...last },
    { a: '0 1', b: '0 1', c: '2 3' });
});

test('routing: what nobody takes is dropped and counted', async () => {
  const { consume, taken, counters } = bench({
    table: [route('a', SHOP), { ...route('a', 'true'), context: 'span' }],
  });
  assert.deepEqual(await consume(twoResources('logs')), ACCEPTED);
  assert.deepEqual(taken(), { a: '0 1' });
  assert.equal(counters.total('binnacle_routing_dropped_items_total',
    { connector: 'routing', otel_signal: 'logs' }), 2);
});

test('routing: a batch that goes one way is handed on as it came', async () => {
  const seen: Batch[] = [];
  const consume = async (batch: Batch) => {
    seen.push(batch);
    return ACCEPTED;
  };
  const pipelines = new Map([['logs/a', { signal: 'logs' as const, consume }]]);
  const config = routingConnector.schema.parse({
    table: [{ condition: 'true', pipelines: ['logs/a'] }],
  });
  const connector = routingConnector.create(config, { ...testContext(), pipelines }, createSink());
  const batch = makeBatch('logs', 3);
  await connector.consume(batch, NEVER);
  assert.equal(seen[0], batch);
});

test('routing: verdicts of parts, and who is asked again', async () => {
  const settings = { table: [route('a', SHOP)], default_pipelines: everywhere('b') };
  const { consume, taken, answer } = bench(settings, { a: rejected('bad') });
  assert.deepEqual(await consume(twoResources('logs')),
    { status: 'accepted', rejected: 2, reason: 'bad' });
  answer.set('b', rejected('worse'));
  assert.equal((await consume(twoResources('logs'))).status, 'rejected');
  answer.set('a', ACCEPTED);
  answer.set('b', retryable('busy'));
  taken();
  const batch = twoResources('logs');
  assert.deepEqual(await consume(batch), retryable('busy'));
  assert.deepEqual(taken(), { a: '0 1', b: '2 3' });
  answer.set('b', ACCEPTED);
  assert.deepEqual(await consume(batch), ACCEPTED);
  assert.deepEqual(taken(), { b: '2 3' });
});

test('routing: parts of a batch do not tell where all of it came from', async () => {
  const origin = { receiver: 'r', run: '', content: 1, from: 0, to: 1, state: '' };
  const parts: Batch[] = [];
  const pipelines = new Map([['logs/a', { signal: 'logs' as const, consume: async (part: Batch) => {
    parts.push(part);
    return ACCEPTED;
  } }]]);
  const config = routingConnector.schema.parse({
    table: [{ condition: SHOP, pipelines: ['logs/a'] }],
  });
  const connector = routingConnector.create(config, { ...testContext(), pipelines }, createSink());
  await connector.consume(twoResources('logs').from([origin]), NEVER);
  assert.deepEqual(parts[0]!.origins, []);
});

test('routing: a condition that fails on a record', async () => {
  const failing = (mode: string) => bench({
    error_mode: mode, table: [route('a', 'Int(body["x"]) > 1 or ParseJSON(body) == nil', 'log')],
    default_pipelines: everywhere('b'),
  });
  assert.equal((await failing('propagate').consume(makeBatch('logs', 2))).status, 'rejected');
  const silent = failing('silent');
  assert.deepEqual(await silent.consume(makeBatch('logs', 2)), ACCEPTED);
  assert.deepEqual(silent.taken(), { b: '0 1' });
});

test('routing: what is wrong or not built is refused by name', () => {
  const check = (table: object[], path: string, sentence: RegExp) => {
    const result = routingConnector.schema.safeParse({ table });
    const issue = result.error?.issues.find((one) => one.path.join('.') === path);
    const { hint = '' } = (issue as { params?: { hint?: string } } | undefined)?.params ?? {};
    assert.match(`${issue?.message} ${hint}`, sentence, JSON.stringify(result.error?.issues));
  };
  const good = { condition: 'true', pipelines: ['logs/a'] };
  check([], 'table', /./);
  check([{ ...good, pipelines: [] }], 'table.0.pipelines', /./);
  check([{ pipelines: ['logs/a'] }], 'table.0', /needs one of condition and statement/);
  check([{ ...good, statement: 'route()' }], 'table.0', /needs one of condition and statement/);
  check([{ pipelines: ['logs/a'], statement: 'delete_key(attributes, "a")' }],
    'table.0.statement', /must be route\(\).*transform/);
  check([{ ...good, context: 'request', condition: 'request["X-Tenant"] == "a"' }],
    'table.0.context', /request is not supported.*attribute/);
  check([{ ...good, context: 'spam' }], 'table.0.context', /./);
  check([{ ...good, condition: 'attributes["a"] = 1' }], 'table.0.condition', /./);
  check([{ ...good, context: 'log', condition: 'name == "a"' }], 'table.0.condition', /./);
  check([{ ...good, action: 'drop' }], 'table.0.action', /./);
});

test('routing: names the pipelines that it chooses among', () => {
  const config = routingConnector.schema.parse({
    default_pipelines: ['logs/a'], table: [{ condition: 'true', pipelines: ['logs/b', 'logs/c'] }],
  });
  assert.deepEqual(routingConnector.chooses!(config), [
    { path: ['default_pipelines', 0], id: 'logs/a' },
    { path: ['table', 0, 'pipelines', 0], id: 'logs/b' },
    { path: ['table', 0, 'pipelines', 1], id: 'logs/c' },
  ]);
});
