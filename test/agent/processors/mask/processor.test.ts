// The mask processor: that secrets are hidden wherever they stand in a record of any signal, what a
// level, a rule of one's own, an ignored name, a dry run and a pseudonym do, that masked data stays
// as it is, that time is linear in the text, and what it changes in the lines of real systems.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { maskProcessor } from '../../../../agent/processors/mask/processor.ts';
import { RULE_NAMES } from '../../../../agent/processors/mask/rules.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { AnyValue } from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { checkConsumer } from '../../../contract/check_consumer.ts';
import {
  batchOfKeys, createSink, itemKeys, makeBatch, NEVER, temporaryFolder, testContext,
} from '../../../contract/fakes.ts';
import { createChecked, logBatch } from './checked.ts';
import { everywhere } from './places.ts';

const string = (value: string): AnyValue => ({ type: 'string', value });

checkConsumer({
  name: 'mask',
  create: async (next, context) => {
    const consumer = maskProcessor.create(maskProcessor.schema.parse({}), context, next);
    await consumer.start();
    return { consumer };
  },
});

/** What comes out, and what was counted. */
async function masked<B extends Batch>(batch: B, settings: Record<string, unknown> = {}) {
  const sink = createSink();
  const counters = createCounters();
  const config = maskProcessor.schema.parse(settings);
  const processor = maskProcessor.create(config, testContext({ counters }), sink);
  await processor.start();
  const outcome = await processor.consume(batch, NEVER);
  assert.equal(outcome.status, 'accepted');
  return { batch: sink.received[0]! as B, counters };
}

test('mask: a batch in which nothing is found is handed on as it came', async () => {
  const batch = makeBatch('logs', 100);
  assert.equal((await masked(batch)).batch, batch);
});

test('mask: a changed batch keeps its origins and its other fields', async () => {
  const origins = [{ receiver: 'r', run: 'u', content: 1, from: 0, to: 9, state: '' }];
  const batch = batchOfKeys('logs', ['a', 'password=hunter2', 'b']).from(origins);
  const { batch: out } = await masked(batch);
  assert.deepEqual(out.origins, origins);
  assert.deepEqual(itemKeys(out), ['a', 'password=********', 'b']);
  const restored = JSON.stringify(out.request, bigints).replace('********', 'hunter2');
  assert.equal(restored, JSON.stringify(batch.request, bigints));
});

const bigints = (_key: string, value: unknown) =>
  (typeof value === 'bigint' ? String(value) : value);

test('mask: the forms that the handbook promises', async () => {
  const { mask } = await createChecked();
  const check = async (text: string, want: string) => assert.equal((await mask(text)).masked, want);
  await check('password=hunter2', 'password=********');
  await check('4111-1111-1111-1111', '4111-****-****-1111');
  await check('card 4111111111111111', 'card 4111-****-****-1111');
  await check('SSN 123-45-1234', 'SSN ***-**-1234');
  await check('john@example.com', 'j***@example.com');
  await check('(555) 123-1234', '(555) ***-1234');
  await check('+44 20 7946 0958', '+44 ** **** 0958');
  await check('+1 (555) 123-4567', '+1 (555) ***-4567');
});

test('mask: wherever a secret stands, it does not come out', async () => {
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    for (const [index, secret] of SECRETS.entries()) {
      const { batch, secrets } = everywhere(signal, secret, createSeededRandom(index + 1));
      const { batch: out } = await masked(batch);
      assert.ok(secrets > 5);
      const text = Buffer.from(out.bytes).toString('latin1');
      assert.ok(!text.includes(secret.bare), `${signal}: ${secret.text}`);
      assert.equal(out.itemCount, batch.itemCount);
      assert.deepEqual(Object.keys(out.request), Object.keys(batch.request));
    }
  }
});

const SECRETS = [
  { text: 'x password=hunter2secret y', bare: 'hunter2secret' },
  { text: '{"a":{"token":"kq9Xw2LmN4"}}', bare: 'kq9Xw2LmN4' },
  { text: 'pay 4111111111111111', bare: '4111111111111111' },
  { text: 'by jane.roe@example.org', bare: 'jane.roe' },
  { text: 'ssn 123-45-6789', bare: '123-45' },
  { text: 'to DE89370400440532013000', bare: '8937040044' },
  { text: 'https://u:pa55word@h/x?sig=abcdef123456', bare: 'pa55word' },
  { text: 'é 漢 call (555) 123-4567 é', bare: '123-4567' },
] as const;

test('mask: names say what values are', async () => {
  const { mask, record } = await createChecked();
  const check = async (key: string, value: string, want: string) =>
    assert.equal((await mask(value, key)).masked, want, key);
  await check('db.password', 'hunter2', '********');
  await check('dbPassword', 'hunter2', '********');
  await check('http.request.header.authorization', 'Bearer x', '********');
  await check('employee.ssn', '123456789', '***-**-6789');
  await check('phone', '030 1234567', '030 ***4567');
  await check('card.number', '4222222222222', '4222-*****-2222');
  await check('token.count', '17', '17');
  await check('next_page_token', 'abc123def', 'abc123def');
  const { attributes } = await record({ attributes: [
    { key: 'password', value: { type: 'int', value: 1234n } },
    { key: 'token', value: { type: 'int', value: 512n } },
    { key: 'enabled.password', value: { type: 'bool', value: true } },
    { key: 'credentials', value: { type: 'kvlist', value: [
      { key: 'user', value: string('bob') },
      { key: 'keys', value: { type: 'array', value: [string('one'), string('two')] } },
    ] } },
  ] });
  assert.deepEqual(attributes.map(({ value }) => value), [
    string('********'), { type: 'int', value: 512n }, { type: 'bool', value: true },
    { type: 'kvlist', value: [
      { key: 'user', value: string('********') },
      { key: 'keys', value: { type: 'array', value: [string('********'), string('********')] } },
    ] },
  ]);
});

test('mask: levels choose rules, enable and disable change them', async () => {
  const text = 'password=hunter2 4111111111111111 j@example.com 203.0.113.7';
  const check = async (settings: Record<string, unknown>, want: string) =>
    assert.equal((await (await createChecked(settings)).mask(text)).masked, want);
  const rest = '4111111111111111 j@example.com 203.0.113.7';
  await check({ level: 'public' }, `password=******** ${rest}`);
  await check({ level: 'internal' },
    'password=******** 4111-****-****-1111 j@example.com 203.0.113.7');
  await check({}, 'password=******** 4111-****-****-1111 j***@example.com 203.0.113.7');
  await check({ level: 'restricted' },
    'password=******** 4111-****-****-1111 j***@example.com 203.0.113.***');
  await check({ level: 'public', enable: ['card'], disable: ['secret'] },
    'password=hunter2 4111-****-****-1111 j@example.com 203.0.113.7');
  const { mask } = await createChecked({ level: 'restricted' });
  assert.equal((await mask('bob', 'user.name')).masked, 'b***');
  assert.equal((await mask('from 2001:db8::1')).masked, 'from 2001:db8:***');
});

test('mask: rules of your own', async () => {
  const rules = [
    { name: 'customer', pattern: '\\bC-\\d{4}\\b', replacement: 'C-?' },
    { name: 'note', keys: ['*.note'], replacement: '(note)' },
    { name: 'code', pattern: '[a-z]+', keys: ['code'], replacement: '#' },
  ];
  const { mask } = await createChecked({ rules, ignored_keys: ['raw.*'] });
  assert.equal((await mask('C-1234, C-12345, C-9999')).masked, 'C-?, C-12345, C-?');
  assert.equal((await mask('anything', 'order.note')).masked, '(note)');
  assert.equal((await mask('ab12cd', 'code')).masked, '#12#');
  assert.equal((await mask('ab12cd', 'other')).masked, 'ab12cd');
  assert.equal((await mask('password=hunter2', 'raw.line')).masked, 'password=hunter2');
  assert.deepEqual([...(await mask('C-1234')).counts], [['customer', 1]]);
});

test('mask: rules that cannot be linear are refused with a reason', () => {
  const check = (pattern: string, why: RegExp) => {
    const result = maskProcessor.schema.safeParse({ rules: [{ name: 'own', pattern }] });
    assert.match(result.error!.issues[0]!.message, why, pattern);
  };
  check('(a)\\1', /\\1 is not known here/);
  check('a(?=b)', /only \(\?:/);
  check('(?:(?:a{100}){100}){100}', /repeats too much/);
  check('[', /has no \]/);
  assert.ok(!maskProcessor.schema.safeParse({ rules: [{ name: 'card', pattern: 'a' }] }).success);
  assert.ok(!maskProcessor.schema.safeParse({ rules: [{ name: 'own' }] }).success);
});

test('mask: a dry run counts and changes nothing', async () => {
  const batch = batchOfKeys('logs', ['password=hunter2 of j@example.com', 'a']);
  const { batch: out, counters } = await masked(batch, { dry_run: true });
  assert.equal(out, batch);
  const count = (rule: string) =>
    counters.total('binnacle_mask_matches_total', { rule, mode: 'dry_run' });
  assert.equal(count('secret'), 1);
  assert.equal(count('email'), 1);
});

test('mask: pseudonyms are the same for the same value and key only', async () => {
  const file = join(temporaryFolder(), 'key');
  writeFileSync(file, 'another key of thirty characters\n');
  const one = await createChecked({ pseudonyms: { key: 'a key of more than 16 characters' } });
  const other = await createChecked({ pseudonyms: { key_file: file } });
  const first = (await one.mask('from J.Roe@example.com')).masked;
  assert.match(first, /^from \[email:[a-p]{16}\]$/);
  assert.equal((await one.mask('from j.roe@EXAMPLE.com')).masked, first);
  assert.notEqual((await other.mask('from j.roe@example.com')).masked, first);
  assert.equal((await one.mask('password=hunter2')).masked, 'password=********');
  const card = (await one.mask('card 4111111111111111')).masked;
  assert.equal((await one.mask('card 4111-1111-1111-1111')).masked, card);
  assert.equal((await one.mask(card)).masked, card);
});

test('mask: a private key whose lines are records of their own', async () => {
  const line = 'MIIEowIBAAKCAQEAx9Jk3H0mQ2d7f6Yw1Rk5v8s0Zt4uB6nC2eD1fG3hJ5kL7mN9';
  const lines = ['start', '-----BEGIN RSA PRIVATE KEY-----', line, line, 'other words between',
    'Zm9v', '-----END RSA PRIVATE KEY-----', line];
  const { batch } = await masked(batchOfKeys('logs', lines));
  assert.deepEqual(itemKeys(batch), ['start', '********', '********', '********',
    'other words between', '********', '********', line]);
});

test('mask: what was masked stays as it is, and is not counted again', async () => {
  const checked = await createChecked({ level: 'restricted' });
  const corpus = readFileSync(new URL('../../../golden/mask/corpus.txt', import.meta.url), 'utf8');
  for (const line of corpus.split('\n')) {
    const text = line.replaceAll('·', '').replace(/⟦\w+:(.*?)⟧/g, '$1').replace(/^@\S+ /, '');
    const once = await checked.mask(text);
    const twice = await checked.mask(once.masked);
    assert.equal(twice.masked, once.masked);
    assert.deepEqual([...twice.counts], [], once.masked);
  }
});

test('mask: time is linear in the text', async () => {
  const checked = await createChecked({
    level: 'restricted', rules: [{ name: 'own', pattern: '(?:a|aa)+b|(?:x*)*y' }],
  });
  for (const part of AWKWARD) {
    const text = part.repeat(Math.ceil(1_000_000 / part.length));
    const before = process.cpuUsage();
    await checked.mask(text);
    const { user } = process.cpuUsage(before);
    assert.ok(user < 6_000_000, `${part}: ${user} µs for 1 MB`);
  }
});

/** Each begins what a rule looks for, again and again, and never ends it. */
const AWKWARD = [
  'a', 'aa', 'x', '1', '4', '4111 ', '4111-', '1-', '@', 'a@', 'a.', 'a@a.', 'a@b-', 'eyJ',
  'eyJa', 'eyJa.', '-eyJ', '-----BEGIN ', '-----BEGIN PRIVATE KEY-----', '-----END ', '://',
  '://a:', '://a:b', 'password', 'password=', 'password="', 'password=\'"', 'password=\\"',
  'password: "\\',
  'token token=', 'secret ', 'cookie: a=', 'cookie: a=b;', 'bearer ', 'basic aaaaaaaa', '+1', '+1 ',
  '(555) ', '555-', 'phone 5', 'call 555 ', 'GB82', 'GB82 ', 'AA11AA11', '123-45-', 'ssn 123',
  'insert into a (', 'insert into a (password) values (', "insert into a (password) values ('x',",
  "identified by '", "password '", '--password ', 'AKIA', 'ghp_a', 'xoxb-a', 'sk-', '12345678:AA',
  '::',  '1:', '1.2.3.', 'é', '漢@', '<password>', '[email:', '\\', '"', '\n',
];

const hub = new URL('../../../../../shared/data/loghub/', import.meta.url).pathname;
const skip = existsSync(hub) ? false : 'there is no ../shared/data/loghub';

test('mask: of the lines of real systems only what should be is changed', { skip }, async () => {
  for (const name of readdirSync(hub).filter((one) => one.endsWith('.log'))) {
    const lines = readFileSync(hub + name, 'utf8').split(/\r?\n/).filter((line) => line !== '');
    const { batch } = await masked(batchOfKeys('logs', lines));
    const changed = itemKeys(batch).filter((line, index) => line !== lines[index]);
    console.log(`${name}: ${changed.length} of ${lines.length} lines changed`);
    // One builder of a kernel, and one account that stands in two URLs.
    const want = { 'Linux_2k.log': 1, 'Mac_2k.log': 2 }[name] ?? 0;
    assert.equal(changed.length, want, changed.join('\n'));
  }
});

test('mask: broken bytes are refused, also deep inside', async () => {
  const sink = createSink();
  const processor = maskProcessor.create(maskProcessor.schema.parse({}), testContext(), sink);
  await processor.start();
  const whole = logBatch({ body: string('password=hunter2 j@example.com') });
  const random = createSeededRandom(5);
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Buffer.from(whole.bytes);
    bytes[Math.floor(random.float() * bytes.length)] = Math.floor(random.float() * 256);
    let batch: Batch;
    try {
      batch = (whole.constructor as unknown as typeof Batch).fromBytes('logs', bytes);
    } catch {
      continue;
    }
    const { status } = await processor.consume(batch, NEVER);
    assert.ok(status === 'accepted' || status === 'rejected');
  }
});

test('mask: docs/masking.md names every rule', () => {
  const page = readFileSync(new URL('../../../../docs/masking.md', import.meta.url), 'utf8');
  const missing = RULE_NAMES.filter((name) => !page.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});
