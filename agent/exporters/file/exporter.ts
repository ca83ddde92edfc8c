// Writes batches to files: as lines of OTLP/JSON, or as protobuf with its length in front.
//
//   json    one line for each batch: {"resourceLogs":[…]}\n
//   proto   length (4 bytes, big endian), an export request of so many bytes; and so on
//
// Promises:
// - `accepted` means written: what a process wrote survives its death. It survives the loss of
//   power after the next `flush_interval` (0s: at once), a rotation, or the stop of the exporter.
// - A batch that cannot be written (the disk is full) is retryable, and nothing of it is in the
//   file.
// - With `group_by` a batch is divided among files; those that took their part do not get it again
//   when the same batch comes back because of another.

import { dirname, join } from 'node:path';
import { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../../proto/contract/component.ts';
import {
  ACCEPTED, rejected, retryable, unlessAborted, type Outcome,
} from '../../../proto/contract/outcome.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import { requestToJson } from '../../../proto/otlp/json.ts';
import { SIGNALS, type Resource } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { OperatorError, systemCause } from '../../../runtime/errors.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { createSchema, PLACEHOLDER, type FileConfig } from './config.ts';
import { Target } from './target.ts';

export const limits = {
  /** The same failure is said in the log once in this time. */
  logIntervalMs: 10_000,
  /** Bytes of a part of a path that an attribute makes; a longer one is cut. */
  pathPartBytesMax: 200,
  /** Bytes that wait to be written; with more, batches are retryable at once. */
  waitingBytesMax: 64 * 1024 * 1024,
} as const;

export const fileExporter: ExporterFactory<FileConfig> = {
  kind: 'exporter',
  type: 'file',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: createFile,
};

function createFile(config: FileConfig, context: ComponentContext): Exporter {
  const { world, id } = context;
  const log = rateLimited(context.log, world.clock, limits.logIntervalMs);
  const targets = new Targets(config, context);
  const written = new WeakMap<Batch, Set<string>>();
  let state: 'new' | 'open' | 'stopped' = 'new';
  let timer: Timer | undefined;
  let waitingBytes = 0;
  const flush = async () => {
    const failure = await targets.sync();
    if (failure !== null) log.error(`cannot sync the files of exporter ${id}: ${failure}`);
  };
  const write = async (batch: Batch): Promise<Outcome> => {
    const done = written.get(batch) ?? new Set();
    written.set(batch, done);
    const parts = partsOf(config, batch).filter(({ path }) => !done.has(path));
    const failures = await Promise.all(parts.map(async ({ path, chunk }) => {
      waitingBytes += chunk.length;
      const failure = await targets.write(path, chunk);
      waitingBytes -= chunk.length;
      if (failure === null) done.add(path);
      return failure;
    }));
    const failure = failures.find((one) => one !== null);
    if (failure === undefined) return ACCEPTED;
    log.error(`cannot write to the file of exporter ${id}: ${failure}`);
    return retryable(`cannot write to the file: ${failure}`);
  };
  return {
    start: async () => {
      await targets.start();
      state = 'open';
      if (config.flush_interval > 0) {
        timer = world.clock.every(config.flush_interval, () => void flush());
      }
    },
    stop: async () => {
      state = 'stopped';
      timer?.cancel();
      const failure = await targets.close();
      if (failure !== null) log.error(`cannot sync the files of exporter ${id}: ${failure}`);
    },
    consume: async (batch, abort) => {
      if (state !== 'open') return retryable('the exporter is not running');
      if (abort.aborted) return retryable('the call was aborted');
      if (waitingBytes > limits.waitingBytesMax) return retryable('too much waits to be written');
      try {
        return await unlessAborted(write(batch), abort, 'the call was aborted');
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
    },
  };
}

interface Part {
  readonly path: string;
  readonly chunk: Uint8Array;
}

/** What goes to which file. Throws DecodeError. */
function partsOf(config: FileConfig, batch: Batch): Part[] {
  const { path, group_by: group } = config;
  if (!group.enabled) return [{ path, chunk: chunkOf(config, batch) }];
  const envelope = envelopeOf(batch.signal);
  const groups = new Map<string, ReturnType<typeof envelope.groups>[number][]>();
  for (const one of envelope.groups(batch.request)) {
    const file = pathOf(path, one.resource, group.resource_attribute);
    groups.set(file, [...groups.get(file) ?? [], one]);
  }
  return [...groups].map(([file, list]) => {
    const request = envelope.request(list) as typeof batch.request;
    return { path: file, chunk: chunkOf(config, Batch.fromRequest(batch.signal, request)) };
  });
}

function chunkOf({ format }: FileConfig, batch: Batch): Uint8Array {
  if (format === 'json') {
    return Buffer.from(`${requestToJson(batch.signal, batch.request)}\n`);
  }
  const length = Buffer.alloc(4);
  length.writeUInt32BE(batch.bytes.length);
  return Buffer.concat([length, batch.bytes]);
}

/** What stands in the path of resources that have no such attribute. */
const MISSING = 'MISSING';

/** Below the folder in front of the placeholder, whatever the attribute says. */
function pathOf(path: string, resource: Resource | undefined, attribute: string): string {
  const value = resource?.attributes.find(({ key }) => key === attribute)?.value;
  const text = value?.type === 'string' ? value.value : '';
  const parts = text.replaceAll('\0', '').split(/[/\\]/)
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .map((part) => Buffer.from(part).subarray(0, limits.pathPartBytesMax).toString());
  const segment = parts.length === 0 ? MISSING : parts.join('/');
  const [before, behind] = path.split(PLACEHOLDER) as [string, string];
  return join(`${before}${segment}${behind}`);
}

interface Entry {
  readonly opened: Promise<Target>;
  /** Writes under way: only a file without is closed. */
  users: number;
}

/** The open files, those used least recently first. */
class Targets {
  private readonly config: FileConfig;
  private readonly context: ComponentContext;
  private readonly entries = new Map<string, Entry>();
  private readonly closing = new Set<Promise<unknown>>();
  /** Files that this process has written to: they are not emptied when they are opened again. */
  private readonly known = new Set<string>();

  constructor(config: FileConfig, context: ComponentContext) {
    this.config = config;
    this.context = context;
  }

  /** Opens the one file, so that a wrong path is told at the start. */
  async start(): Promise<void> {
    const { path, group_by: group } = this.config;
    if (group.enabled) return;
    try {
      await this.entry(path).opened;
    } catch (error) {
      throw new OperatorError(`cannot write to ${path}: ${systemCause(error)}`,
        `make ${dirname(path)} a folder that this user may write, or set `
        + `exporters.${this.context.id}.create_directory to true`);
    }
  }

  async write(path: string, chunk: Uint8Array): Promise<string | null> {
    const entry = this.entry(path);
    entry.users += 1;
    try {
      return await (await entry.opened).write(chunk);
    } catch (error) {
      if (this.entries.get(path) === entry) this.entries.delete(path);
      return systemCause(error);
    } finally {
      entry.users -= 1;
      this.closeOldest();
    }
  }

  sync(): Promise<string | null> {
    return this.each((target) => target.sync());
  }

  async close(): Promise<string | null> {
    const failure = await this.each((target) => target.close());
    this.entries.clear();
    await Promise.all(this.closing);
    return failure;
  }

  private async each(
    action: (target: Target) => Promise<string | null>,
  ): Promise<string | null> {
    const failures = await Promise.all([...this.entries.values()].map(async ({ opened }) => {
      const target = await opened.catch(() => null);
      return target === null ? null : action(target);
    }));
    return failures.find((failure) => failure !== null) ?? null;
  }

  private entry(path: string): Entry {
    const entry = this.entries.get(path) ?? { opened: this.open(path), users: 0 };
    this.entries.delete(path);
    this.entries.set(path, entry);
    return entry;
  }

  private async open(path: string): Promise<Target> {
    const { config, context: { world } } = this;
    const { rotation, group_by: group } = config;
    const makesFolder = config.create_directory || group.enabled;
    const target = new Target({
      path,
      world,
      rotation: rotation === undefined ? null : {
        bytesMax: rotation.max_megabytes * 1024 * 1024, daysMax: rotation.max_days,
        backupsMax: rotation.max_backups, isLocal: rotation.localtime,
      },
      appends: config.append || this.known.has(path),
      syncsEach: config.flush_interval === 0,
      folderPermissions: makesFolder ? Number.parseInt(config.directory_permissions, 8) : null,
    });
    await target.open();
    this.known.add(path);
    return target;
  }

  private closeOldest(): void {
    for (const [path, { opened, users }] of this.entries) {
      if (this.entries.size <= this.config.group_by.max_open_files) return;
      if (users > 0) continue;
      this.entries.delete(path);
      const closed = opened.then((target) => target.close()).catch(() => null);
      this.closing.add(closed);
      void closed.then(() => this.closing.delete(closed));
    }
  }
}
