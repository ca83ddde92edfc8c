// Proves that a file or folder that fails does not disturb the others: it is warned of once, with
// its path and the cause, and tried again later. The failures are put in front of real files.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileLogSchema } from '../../../../agent/receivers/file_log/config.ts';
import { createFileLog } from '../../../../agent/receivers/file_log/receiver.ts';
import { createWorld, type World } from '../../../../runtime/world.ts';
import {
  createManualClock, createRecordingLog, createSink, NEVER, temporaryFolder, testContext,
} from '../../../contract/fakes.ts';

type Files = World['files'];

async function following(change: (files: Files) => Partial<Files>) {
  const folder = temporaryFolder();
  const clock = createManualClock();
  const { files, random } = createWorld();
  const log = createRecordingLog();
  const sink = createSink();
  const world = { clock, random, files: { ...files, ...change(files) } };
  const config = fileLogSchema().parse({ include: [`${folder}/**/*.log`], start_at: 'beginning' });
  const receiver = createFileLog(config, testContext({ world, log }), sink);
  await receiver.start();
  const warnings = () => log.lines.filter(({ level }) => level !== 'info')
    .map(({ message }) => message.replaceAll(folder, ''));
  return { folder, clock, sink, receiver, warnings };
}

const denied = (): never => {
  throw Object.assign(new Error('denied'), { code: 'EACCES' });
};

test('file_log: a file that may not be read, until it may', async () => {
  let allowed = false;
  const { folder, clock, sink, receiver, warnings } = await following((files) => ({
    open: (path, mode) => path.endsWith('secret.log') && !allowed ? denied()
      : files.open(path, mode),
  }));
  writeFileSync(`${folder}/secret.log`, 'secret\n');
  writeFileSync(`${folder}/open.log`, 'open\n');
  for (let look = 0; look < 5; look++) {
    await receiver.poll();
    await clock.advance(1000);
  }
  assert.deepEqual(sink.keys('accepted'), ['open']);
  assert.deepEqual(warnings(), ['cannot read file /secret.log: permission denied']);
  allowed = true;
  await clock.advance(5000);
  await receiver.poll();
  assert.deepEqual(sink.keys('accepted'), ['open', 'secret']);
  await receiver.stop(NEVER);
});

test('file_log: a folder that may not be listed, a file that cannot be looked at', async () => {
  const { folder, sink, receiver, warnings } = await following((files) => ({
    list: async (path) => [
      ...(path.endsWith('/private') ? denied() : await files.list(path) ?? []),
      { name: 'private', kind: 'folder' as const },
    ],
    stat: (path) => path.endsWith('broken.log') ? denied() : files.stat(path),
  }));
  writeFileSync(`${folder}/broken.log`, 'broken\n');
  writeFileSync(`${folder}/open.log`, 'open\n');
  await receiver.poll();
  await receiver.poll();
  assert.deepEqual(sink.keys('accepted'), ['open']);
  assert.deepEqual(warnings(), ['cannot list folder /private: permission denied',
    'cannot look at file /broken.log: permission denied']);
  await receiver.stop(NEVER);
});

test('file_log: reading fails in the middle: the rest comes later, nothing twice', async () => {
  let failing = true;
  const { folder, clock, sink, receiver, warnings } = await following((files) => ({
    open: async (path, mode) => {
      const file = await files.open(path, mode);
      return file === null ? null : {
        ...file,
        read: (target, position) => failing && position > 500_000
          ? Promise.reject(Object.assign(new Error('disk'), { code: 'EIO' }))
          : file.read(target, position),
      };
    },
  }));
  const lines = Array.from({ length: 30_000 }, (_, index) => `a line with its number ${index}`);
  writeFileSync(`${folder}/a.log`, `${lines.join('\n')}\n${'x'.repeat(1_000_000)}\nlast\n`);
  await receiver.poll();
  assert.deepEqual(warnings(), ['cannot read file /a.log: input/output error']);
  const before = sink.keys('accepted').length;
  assert.ok(before > 0 && before < 30_002);
  failing = false;
  await clock.advance(5001);
  await receiver.poll();
  assert.deepEqual(sink.keys('accepted').slice(0, 30_000), lines);
  assert.equal(sink.keys('accepted').length, 30_002);
  await receiver.stop(NEVER);
});

test('file_log: checkpoints that cannot be written are warned of and written later', async () => {
  let full = true;
  let written = '';
  const { folder, clock, sink, receiver, warnings } = await following((files) => ({
    replace: async (path, content) => {
      if (full) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      written = String(content);
      await files.replace(path, content);
    },
  }));
  writeFileSync(`${folder}/a.log`, 'one\n');
  await receiver.poll();
  await clock.advance(1001);
  assert.deepEqual(sink.keys('accepted'), ['one']);
  assert.match(warnings()[0]!, /^cannot write checkpoints .*: the disk is full$/);
  full = false;
  await receiver.stop(NEVER);
  assert.equal(JSON.parse(written).files[0].offset, 4);
});
