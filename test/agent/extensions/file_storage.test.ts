// Proves the folder of queues: it holds the queue of an exporter that names it, encrypted when keys
// are given; keys and folders that cannot be used refuse the start with a sentence; what the
// configuration names must be there and run.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadComponents } from '../../../agent/components.ts';
import { fileStorageExtension } from '../../../agent/extensions/file_storage.ts';
import { otlpExporter } from '../../../agent/exporters/otlp.ts';
import { createGraph } from '../../../agent/graph/graph.ts';
import { describeProblems } from '../../../config/errors.ts';
import { loadAgentConfig } from '../../../config/pipelines.ts';
import type { Extension } from '../../../proto/contract/component.ts';
import { createFiles } from '../../../runtime/files.ts';
import {
  batchOfKeys, createRecordingLog, createSink, NEVER, temporaryFolder, testContext,
} from '../../contract/fakes.ts';

const factories = await loadComponents();

const HEX = 'ab'.repeat(32);
const KEY = Buffer.from(HEX, 'hex');

function create(settings: unknown, log = createRecordingLog()) {
  const context = testContext({ id: 'file_storage', log });
  const config = fileStorageExtension.schema.parse(settings);
  const extension: Extension = fileStorageExtension.create(config, context, createSink());
  return { extension, context, log };
}

/** A file of this content that only its owner may read. */
function keyFile(content: string | Buffer, permissions = 0o600): string {
  const path = join(temporaryFolder(), 'key');
  writeFileSync(path, content);
  chmodSync(path, permissions);
  return path;
}

async function refused(settings: unknown, message: RegExp): Promise<void> {
  const { extension } = create(settings);
  await assert.rejects(extension.start(), (error: Error & { hint?: string }) => {
    assert.equal(error.name, 'OperatorError');
    assert.match(error.message, message);
    assert.notEqual(error.hint ?? '', '');
    return true;
  });
  await extension.stop(NEVER);
}

test('file_storage: a folder that is there, or is made, or is that of the agent', async () => {
  const parent = temporaryFolder();
  await refused({ directory: join(parent, 'none') }, /it does not exist/);
  await refused({ directory: keyFile('x') }, /not a folder|part of the path/);
  const made = create({ directory: join(parent, 'a/b'), create_directory: true });
  await made.extension.start();
  assert.equal(statSync(join(parent, 'a/b')).mode & 0o777, 0o750);
  assert.equal(made.extension.storage!.directory, join(parent, 'a/b'));
  await refused({ directory: join(parent, 'a/b') }, /another agent is using it/);
  await made.extension.stop(NEVER);
  const own = create({});
  await own.extension.start();
  assert.deepEqual([own.extension.storage!.directory, own.extension.storage!.keys()],
    [own.context.folder, []]);
  await own.extension.stop(NEVER);
});

test('file_storage: keys as bytes, hex and base64, the current one first', async () => {
  const { extension } = create({ encryption: {
    key_file: keyFile(`${HEX}\n`),
    previous_key_files: [keyFile(Buffer.alloc(32, 1)),
      keyFile(Buffer.alloc(32, 2).toString('base64'))],
    previous_keys: ['03'.repeat(32)],
  } });
  await extension.start();
  const want = [KEY, ...[1, 2, 3].map((byte) => Buffer.alloc(32, byte))];
  assert.deepEqual(extension.storage!.keys().map((key) => Buffer.from(key)), want);
  await extension.stop(NEVER);
});

test('file_storage: a key that others may read, or that is none, refuses the start', async () => {
  const at = (path: string) => ({ encryption: { key_file: path } });
  for (const permissions of [0o640, 0o604, 0o620, 0o666]) {
    await refused(at(keyFile(HEX, permissions)), /others than its owner may use it/);
  }
  const strict = create(at(keyFile(HEX, 0o400)));
  await strict.extension.start();
  await strict.extension.stop(NEVER);
  await refused(at(keyFile('too short')), /does not hold 32 bytes/);
  await refused(at(join(temporaryFolder(), 'none')), /it does not exist/);
  await refused({ encryption: { key: HEX, previous_key_files: ['/nowhere/key'] } },
    /it does not exist/);
});

test('file_storage: fsync: false is told to have no effect', async () => {
  const { extension, log } = create({ fsync: false });
  await extension.start();
  assert.match(log.lines[0]!.message, /fsync: false has no effect/);
  assert.equal(log.lines[0]!.level, 'warn');
  await extension.stop(NEVER);
});

test('file_storage: settings that contradict each other are refused', () => {
  const check = (settings: unknown, path: string, why: RegExp) => {
    const { success, error } = fileStorageExtension.schema.safeParse(settings);
    assert.equal(success, false);
    const [issue] = error!.issues;
    assert.equal(issue!.path.join('.'), path);
    const hint = issue!.code === 'custom' ? String(issue!.params?.['hint'] ?? '') : '';
    assert.match(`${issue!.message} ${hint}`, why);
  };
  check({ encryption: {} }, 'encryption', /one of key_file/);
  check({ encryption: { key: HEX, key_file: 'x' } }, 'encryption', /one of key_file/);
  check({ encryption: { key: 'abc' } }, 'encryption.key', /64 hex digits/);
  check({ directory_permissions: '999' }, 'directory_permissions', /octal/);
});

async function load(extensions: unknown, running: readonly string[], storage: string) {
  const path = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(path, JSON.stringify({
    receivers: { otlp: { protocols: { http: null } } },
    exporters: { 'otlp/x': { endpoint: 'localhost:1', sending_queue: { storage } } },
    extensions,
    service: {
      extensions: running, telemetry: { metrics: { level: 'none' } },
      pipelines: { logs: { receivers: ['otlp'], exporters: ['otlp/x'] } },
    },
  }));
  return loadAgentConfig({ files: [path], env: {}, disk: createFiles(), components: factories });
}

test('file_storage: sending_queue.storage must name one that runs', async () => {
  const both = { 'file_storage/q': {}, health_check: {} };
  const refuse = async (running: string[], storage: string, why: RegExp) => {
    await assert.rejects(load(both, running, storage), (error: { problems?: never[] }) => {
      const text = describeProblems(error.problems ?? []);
      assert.match(text, /exporters\.otlp\/x\.sending_queue\.storage: /);
      assert.match(text, why);
      return true;
    });
  };
  await refuse(['file_storage/q'], 'file_storage/other', /is not defined; define it below/);
  await refuse(['health_check'], 'file_storage/q', /does not run; list it/);
  await refuse(['file_storage/q', 'health_check'], 'health_check', /not of type file_storage/);
  const { config } = await load(both, ['file_storage/q', 'health_check'], 'file_storage/q');
  assert.ok(config.extensions.has('file_storage/q'));
});

test('file_storage: the queue of an exporter lies in it, encrypted, with permissions of its own',
  async () => {
    const directory = temporaryFolder();
    const data = temporaryFolder();
    const encryption = { key_file: keyFile(HEX) };
    const { config } = await load({ file_storage: { directory, encryption } }, ['file_storage'],
      'file_storage');
    // What an earlier configuration left elsewhere.
    mkdirSync(join(data, 'exporter/otlp-x/queue'), { recursive: true });
    writeFileSync(join(data, 'exporter/otlp-x/queue/0000000000000001.seg'), '');
    const log = createRecordingLog();
    const { world, counters, agentId } = testContext();
    let consume: ReturnType<typeof otlpExporter.create>['consume'] | undefined;
    const graph = createGraph({
      config, world, log, counters, agentId,
      folder: data,
      factories: factories.map((one) => (one.type !== 'otlp' ? one : {
        ...one,
        create: (settings: never, context: never, next: never) => {
          if (one.kind === 'receiver') {
            return { start: async () => {}, stop: async () => {} };
          }
          const exporter = otlpExporter.create(settings, context, next);
          consume = exporter.consume;
          return exporter;
        },
      })) as typeof factories,
    });
    await graph.start();
    const outcome = await consume!(batchOfKeys('logs', ['a-marker-in-plain']), NEVER);
    assert.equal(outcome.status, 'accepted');
    await graph.stop(AbortSignal.abort());
    const folder = join(directory, 'exporter/otlp-x/queue');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const segments = readdirSync(folder).filter((name) => name.endsWith('.seg'));
    assert.equal(segments.length, 1);
    assert.ok(!readFileSync(join(folder, segments[0]!)).includes('a-marker-in-plain'));
    assert.ok(log.lines.some(({ message }) => /has another storage now/.test(message)));
  });
