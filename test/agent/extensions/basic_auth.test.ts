// Users and passwords: every kind of hash against values that other programs made, what is refused,
// files that change, what is sent, and that no secret is told.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { basicAuthExtension } from '../../../agent/extensions/basic_auth/extension.ts';
import { parseHtpasswd, scryptLine } from '../../../agent/extensions/basic_auth/htpasswd.ts';
import { limits } from '../../../agent/followed_file.ts';
import { isSecret } from '../../../config/shape.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createWorld } from '../../../runtime/world.ts';
import { createManualClock, createRecordingLog, createSink, NEVER, temporaryFolder, testContext,
  until } from '../../contract/fakes.ts';

const right = async (line: string, password: string) => {
  const { users, problems } = parseHtpasswd(line);
  assert.deepEqual(problems, []);
  return users.get('user')!(password);
};

test('htpasswd: hashes that other programs made', async () => {
  const long = 'a much longer password than sixteen bytes';
  for (const [hash, password] of [
    ['$apr1$r31abcde$SZEN.U5sWGGNcv9YsUrqI.', 'secret'],
    ['$apr1$r31abcde$5z5QnhsZJeoJ9/YcOVzP.1', long],
    ['$apr1$r31abcde$hwWngHFrhQ37JrgIkcOY81', 'x'],
    ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', 'secret'],
    ['{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0', 'secret'],
    ['plain:text', 'plain:text'],
  ] as const) {
    assert.equal(await right(`user:${hash}`, password), true, hash);
    assert.equal(await right(`user:${hash}`, `${password}.`), false, hash);
    assert.equal(await right(`user:${hash}`, ''), false, hash);
  }
});

test('htpasswd: scrypt of ours', async () => {
  const line = await scryptLine('user', 'secret', Buffer.alloc(16, 7));
  assert.match(line, /^user:\$scrypt\$16384\$8\$1\$/);
  assert.equal(await right(line, 'secret'), true);
  assert.equal(await right(line, 'Secret'), false);
});

test('htpasswd: binnacle htpasswd makes a line', { timeout: 60_000 }, () => {
  const root = new URL('../../..', import.meta.url).pathname;
  const line = execFileSync(process.execPath, ['--import', 'tsx', `${root}binnacle.ts`, 'htpasswd',
    'user'], { input: 'secret\n', encoding: 'utf8', cwd: root });
  return right(line, 'secret').then((same) => assert.equal(same, true));
});

test('htpasswd: what cannot be used is told by its line, without its text', () => {
  const { users, problems } = parseHtpasswd(['# users', '', 'hunter2', 'a:$2y$05$hunter2', 'b:ok\r',
    'c:$6$hunter2', 'd:{SHA}aa', 'e:$scrypt$3$8$1$aa$bb', 'f:', 'g:$apr1$hunter2'].join('\n'));
  assert.deepEqual([...users.keys()], ['b']);
  assert.deepEqual(problems.map(({ line }) => line), [3, 4, 6, 7, 8, 9, 10]);
  assert.match(problems[1]!.why, /bcrypt is not understood; make it with binnacle htpasswd/);
  assert.doesNotMatch(JSON.stringify(problems), /hunter2/);
});

function create(settings: object) {
  const clock = createManualClock();
  const log = createRecordingLog();
  const world = { ...createWorld(), clock };
  const context = testContext({ id: 'basicauth', world, log });
  const config = basicAuthExtension.schema.parse(settings);
  const extension = basicAuthExtension.create(config, context, createSink());
  const ask = async (header: string | undefined) =>
    await extension.authenticator!.authorize!((name) =>
      (name === 'authorization' ? header : undefined)) ?? 'in';
  return { extension, ask, clock, log };
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

test('basic_auth: lets in who knows user and password', async () => {
  const { ask, extension } = create({ htpasswd: { inline: 'a:one\nb:t:wo' } });
  await extension.start();
  assert.equal(await ask(basic('a', 'one')), 'in');
  assert.equal(await ask(basic('a', 'one')), 'in', 'remembered');
  assert.equal(await ask(basic('b', 't:wo').replace('Basic', 'bAsIc')), 'in');
  for (const header of [undefined, '', 'Basic', 'Basic !', 'Bearer one', basic('a', 'two'),
    basic('c', 'one'), basic('', 'one'), basic('a', ''), basic('a:one', ''),
    `Basic ${Buffer.from('a').toString('base64')}`]) {
    const answer = await ask(header);
    assert.ok(answer !== 'in' && answer.status === 'unauthenticated', header);
  }
  await extension.stop(NEVER);
});

test('basic_auth: a file that changes counts within seconds, a broken one does not', async () => {
  const file = join(temporaryFolder(), 'users');
  writeFileSync(file, 'a:one\nb:one\n');
  const { ask, extension, clock, log } = create({ htpasswd: { file, inline: 'b:two' } });
  await extension.start();
  assert.equal(await ask(basic('a', 'one')), 'in');
  assert.equal(await ask(basic('b', 'two')), 'in', 'inline wins');
  writeFileSync(file, 'a:three\n');
  await clock.advance(limits.lookMs);
  await until(async () => await ask(basic('a', 'three')) === 'in', 'the new password');
  assert.notEqual(await ask(basic('a', 'one')), 'in', 'what was right before is forgotten');
  writeFileSync(file, 'a:$2y$hunter2\n');
  await clock.advance(limits.lookMs);
  await until(() => log.lines.some(({ level }) => level === 'error'), 'the mistake');
  assert.equal(await ask(basic('a', 'three')), 'in');
  assert.doesNotMatch(JSON.stringify(log.lines), /hunter2|three/);
  await extension.stop(NEVER);
  assert.equal(clock.pending(), 0);
});

test('basic_auth: what clients send, from the configuration and from files', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'password'), 'later\n');
  const { extension, clock } = create({ client_auth: {
    username: 'me', password: 'ignored', password_file: join(folder, 'password'),
  } });
  await extension.start();
  const sent = () => extension.authenticator!.headers!()['authorization'];
  assert.equal(sent(), basic('me', 'later'));
  writeFileSync(join(folder, 'password'), 'much later');
  await clock.advance(limits.lookMs);
  await until(() => sent() === basic('me', 'much later'), 'the new password');
  await extension.stop(NEVER);
  const userFile = join(folder, 'user');
  writeFileSync(userFile, 'you\n');
  const named = create({ client_auth: {
    username: 'ignored', username_file: userFile, password: 'secret',
  } });
  await named.extension.start();
  const told = () => named.extension.authenticator!.headers!()['authorization'];
  assert.equal(told(), basic('you', 'secret'));
  writeFileSync(userFile, 'them');
  await named.clock.advance(limits.lookMs);
  await until(() => told() === basic('them', 'secret'), 'the new user');
  await named.extension.stop(NEVER);
});

test('basic_auth: a file that is not there is told at the start', async () => {
  const { extension } = create({ htpasswd: { file: '/nowhere/users' } });
  await assert.rejects(extension.start(), (error: OperatorError) => {
    assert.match(error.message, /cannot use the file .*: it does not exist/);
    assert.match(error.hint, /extensions\.basicauth\.htpasswd\.file/);
    return true;
  });
});

test('basic_auth: settings that contradict are refused, secrets are marked', () => {
  const { schema } = basicAuthExtension;
  const check = (settings: object) => assert.equal(schema.safeParse(settings).success, false);
  check({});
  check({ htpasswd: {} });
  check({ htpasswd: { inline: 'a:b' }, client_auth: { username: 'a' } });
  check({ htpasswd: { inline: 'a:$2y$05$x' } });
  check({ client_auth: { password: 'x' } });
  check({ client_auth: { username: 'a:b' } });
  check({ client_auth: { username: 'a', aws_secrets_manager: { secret_arn: 'x' } } });
  assert.ok(isSecret(schema, ['htpasswd', 'inline']));
  assert.ok(isSecret(schema, ['client_auth', 'password']));
});
