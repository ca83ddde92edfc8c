/**
 * Proves that an engine process is kept alive and ended as promised: killed with -9 in the middle
 * of inserts it comes back at the same URL with every acknowledged row; what an operator can mend
 * is one sentence; nothing stays behind.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../../../backend/storage/engine/supervisor.ts';
import { OperatorError } from '../../../../runtime/errors.ts';

let folder: string;
const launcher = fileURLToPath(new URL('../../../../binnacle.mjs', import.meta.url));
const nodeArgs = [launcher, 'engine'];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'binnacle-supervisor-'));
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

const deadline = (): AbortSignal => AbortSignal.timeout(10_000);

/** The answer's text; throws when the engine is away or refuses. */
async function ask(url: string, query: string, body: string | null = null): Promise<string> {
  const target = `${url}/?query=${encodeURIComponent(query)}`;
  const answer = await fetch(target, { method: 'POST', body });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}

test('supervisor: killed with -9 in a stream of inserts, it is back with all rows', async () => {
  const exits: (string | null)[] = [];
  let back: () => void = () => undefined;
  const engine = createEngine({
    path: join(folder, 'killed'),
    onRestart: () => back(),
    onExit: ({ signal }) => exits.push(signal),
  });
  const { url } = await engine.start();
  await ask(url, 'CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a');
  const acknowledged = new Set<number>();
  let next = 0;
  for (let round = 0; round < 3; round += 1) {
    const restarted = new Promise<void>((resolve) => {
      back = resolve;
    });
    const pid = engine.pid ?? 0;
    assert.ok(pid > 0);
    const killAt = next + 30;
    const writer = async (): Promise<void> => {
      for (;;) {
        const id = next++;
        if (id === killAt) {
          process.kill(pid, 'SIGKILL');
        }
        const rows = `${id},x\n${id},y\n`;
        const insert = ask(url, 'INSERT INTO t FORMAT CSV', rows);
        if (!(await insert.then(() => true, () => false))) {
          return;
        }
        acknowledged.add(id);
      }
    };
    await Promise.all([writer(), writer(), writer(), writer()]);
    await restarted;
    const found = await ask(url, 'SELECT a FROM t GROUP BY a HAVING count() = 2 FORMAT CSV');
    const stored = new Set(found.trim().split('\n').map(Number));
    const lost = [...acknowledged].filter((id) => !stored.has(id));
    assert.deepEqual(lost, []);
    assert.ok(acknowledged.size >= 20);
  }
  assert.equal(engine.url, url);
  assert.equal(engine.restarts, 3);
  assert.deepEqual(exits, ['SIGKILL', 'SIGKILL', 'SIGKILL']);
  await engine.stop(deadline());
  assert.equal(engine.pid, null);
});

test('supervisor: stop is safe before start and twice; data outlives it', async () => {
  const engine = createEngine({ path: join(folder, 'twice') });
  await engine.stop(deadline());
  const first = await engine.start();
  await ask(first.url, 'CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a');
  await ask(first.url, 'INSERT INTO t VALUES (1)');
  await engine.stop(deadline());
  await engine.stop(deadline());
  const second = await engine.start();
  assert.equal(second.url, first.url);
  assert.equal(await ask(second.url, 'SELECT count() FROM t'), '1\n');
  assert.match(second.version, /^\d+\.\d+\./);
  await engine.stop(deadline());
});

test('supervisor: stop waits for a running query', async () => {
  const engine = createEngine({ path: join(folder, 'busy') });
  const { url } = await engine.start();
  const running = ask(url, 'SELECT sleep(1)');
  await started(url);
  await engine.stop(deadline());
  assert.equal(await running, '0\n');
});

/** Resolves when the engine has a query besides the one that asks. */
async function started(url: string): Promise<void> {
  while ((await ask(url, 'SELECT count() FROM system.processes')) === '1\n') {
    // Each round is a request; the query begins within a few of them.
  }
}

test('supervisor: a folder in use is one sentence with a hint', async () => {
  const path = join(folder, 'locked');
  const engine = createEngine({ path });
  const { url } = await engine.start();
  await assert.rejects(createEngine({ path }).start(), (error) => {
    assert.ok(error instanceof OperatorError);
    assert.equal(error.message, `cannot open data folder ${path}: another process uses it`);
    assert.match(error.hint, /BINNACLE_DATA_DIR/);
    return true;
  });
  assert.equal(await ask(url, 'SELECT 1'), '1\n');
  await engine.stop(deadline());
});

test('main: what cannot start ends with code 2 and one sentence', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  const check = (args: string[], want: RegExp): void => {
    const ended = spawnSync(process.execPath, [...nodeArgs, ...args], { encoding: 'utf8' });
    assert.equal(ended.status, 2, ended.stderr);
    assert.match(ended.stderr, want);
    assert.equal(ended.stderr.trimEnd().split('\n').length, 1, ended.stderr);
    assert.equal((JSON.parse(ended.stdout) as { event: string }).event, 'failed');
  };
  const inFile = ['--path', join(file, 'x')];
  check(inFile, /^cannot open data folder .*: a part of the path is not a folder; /);
  check(['--path', '/proc/nosuch'], /^cannot open data folder \/proc\/nosuch: /);
  const onPort = ['--path', join(folder, 'port'), '--port', `${port}`];
  check(onPort, /^cannot listen on 127.0.0.1:\d+: the port is in use; /);
  taken.close();
});

test('main: it ends when its stdin closes, and leaves no lock', async () => {
  const path = join(folder, 'orphan');
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, [...nodeArgs, '--path', path], { stdio: [...stdio] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal((JSON.parse(line.toString()) as { event: string }).event, 'listening');
  child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0);
  assert.equal(existsSync(join(path, 'clickhouse', 'status')), false);
  assert.deepEqual(readdirSync(join(path, 'spool')), []);
});

test('main: left-overs of a killed process are removed at the next start', async () => {
  const path = join(folder, 'leftovers');
  const engine = createEngine({ path });
  await engine.start();
  await engine.stop(deadline());
  writeFileSync(join(path, 'spool', 'old'), 'x');
  await engine.start();
  assert.deepEqual(readdirSync(join(path, 'spool')), []);
  await engine.stop(deadline());
});
