// A process of ours from its beginning to its end, as its parent sees it: real child processes that
// run a few lines, which say when they are ready, are asked to stop, die, or cannot start.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createChild, type Child } from '../../runtime/child.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { createRecordingLog, NEVER, NOW, until } from '../contract/fakes.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A child that runs `start` as the work of its process; `stop` is what it does when asked. */
function childOf(start: string, stop = '') {
  const script = `
    import { runProcess } from '${ROOT}runtime/lifecycle.ts';
    import { OperatorError } from '${ROOT}runtime/errors.ts';
    const addresses = { pid: String(process.pid) };
    const failed = new Promise(() => {});
    await runProcess(async () => {
      ${start}
      return { addresses, failed, stop: async () => { ${stop} } };
    }, 5000);`;
  const log = createRecordingLog();
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { clock } = createWorld();
  return { log, child: createChild({ name: 'part', args, env: process.env, clock, log }) };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const started = async (child: Child): Promise<number> => Number((await child.start())['pid']);

test('lifecycle: a child says when it is ready, and stops when asked', async () => {
  const { child } = childOf('');
  const pid = await started(child);
  assert.equal(child.pid, pid);
  assert.ok(isAlive(pid));
  await child.stop(NEVER);
  assert.ok(!isAlive(pid));
  await child.stop(NEVER);
});

test('lifecycle: stop before start', async () => {
  await childOf('').child.stop(NEVER);
});

test('lifecycle: a child that does not stop is killed at the deadline', async () => {
  const { child } = childOf('', 'await new Promise(() => {});');
  const pid = await started(child);
  await child.stop(NOW);
  assert.ok(!isAlive(pid));
});

test('lifecycle: what the operator must mend reaches the parent', async () => {
  const { child } = childOf('throw new OperatorError("cannot do it", "mend it");');
  await assert.rejects(child.start(), (error: OperatorError) =>
    error instanceof OperatorError && error.message === 'cannot do it' && error.hint === 'mend it');
});

test('lifecycle: a child that dies is started again', async () => {
  const { log, child } = childOf('');
  const pid = await started(child);
  process.kill(pid, 'SIGKILL');
  await until(() => child.pid !== pid && isAlive(child.pid!), 'another child');
  assert.match(log.lines[0]!.message, /the part died and is started again/);
  await child.stop(NEVER);
  assert.ok(!isAlive(child.pid!));
});

test('lifecycle: a process that listens nowhere goes on until it is asked to stop', async () => {
  const script = `
    import { runProcess } from '${ROOT}runtime/lifecycle.ts';
    await runProcess(async () => {
      setTimeout(() => console.log('still here'), 50).unref();
      return { addresses: {}, failed: new Promise(() => {}), stop: async () => {} };
    }, 5000);`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const own = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  own.stdout.once('data', () => own.kill('SIGTERM'));
  const [code, signal] = await once(own, 'exit');
  assert.deepEqual([code, signal], [0, null]);
});

/** A process that reads its configuration again at SIGHUP, and says so. */
function reloading(options: string) {
  const script = `
    import { runProcess } from '${ROOT}runtime/lifecycle.ts';
    console.log('begun');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await runProcess(async () => {
      console.log('starting');
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { addresses: {}, failed: new Promise(() => {}), stop: async () => {},
        reload: () => console.log('again') };
    }, 5000, ${options});`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const stdio = ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'];
  return spawn(process.execPath, args, { stdio, detached: true });
}

test('lifecycle: SIGHUP is for reading the configuration again, also before it runs', async () => {
  const own = reloading('{ reloads: true }');
  let said = '';
  own.stdout.on('data', (data) => {
    said += String(data);
  });
  await until(() => said.includes('starting'), 'the start');
  own.kill('SIGHUP');
  await until(() => said.endsWith('again\n'), 'the one that came early');
  own.kill('SIGHUP');
  await until(() => said.endsWith('again\nagain\n'), 'the next');
  own.kill('SIGTERM');
  assert.deepEqual(await once(own, 'exit'), [0, null]);
});

test('lifecycle: SIGHUP ends a process that does not read its configuration again', async () => {
  const own = reloading('{}');
  const ended = once(own, 'exit');
  const said = async () => String((await once(own.stdout, 'data'))[0]);
  await until(async () => (await said()).includes('starting'), 'the start');
  own.kill('SIGHUP');
  assert.deepEqual(await ended, [0, null]);
});

/** The pid of a child whose parent ended at once, before the child could listen. */
async function orphan(): Promise<number> {
  const part = `import { runProcess } from '${ROOT}runtime/lifecycle.ts';
    const failed = new Promise(() => {});
    await runProcess(async () => ({ addresses: {}, failed, stop: async () => {} }), 5000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', `
    import { spawn } from 'node:child_process';
    const args = ['--import', 'tsx', '--input-type=module', '--eval', ${JSON.stringify(part)}];
    const options = { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] };
    process.stdout.write(String(spawn(process.execPath, args, options).pid), () => process.exit());
  `], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = await once(parent.stdout, 'data') as [Buffer];
  return Number(String(pid));
}

test('lifecycle: a child whose parent went before it could listen ends too', async () => {
  const pid = await orphan();
  await until(() => !isAlive(pid), 'the end of the orphan');
});
