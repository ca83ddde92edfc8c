// The receiver `file_log` (`filelog` in older configurations): follows log files and hands on
// their lines.
//
// Promises:
// - No line is lost: a checkpoint moves only over what the next part took (or refused for good,
//   which is counted). After a stop, a crash or a kill -9 the rest is read again, but for what the
//   disk queues behind have taken (resume.ts).
// - A line is handed on byte for byte, without its line end (LF or CR LF), as far as it is valid in
//   the file's encoding. Empty lines are left out. Lines of one file keep their order.
// - Files are followed through rotation: by renaming, by copying and truncating, by deletion while
//   they are open (tails.ts says how files and their contents are told apart).
// - What is in memory is bounded, whatever the number and size of files; when the next part is
//   slow, nothing more is read.
//
// Every `poll_interval` the globs are walked and files that changed get a turn (turns.ts); a turn
// reads, splits and hands on (reader.ts). Keys and differences from the Collector: config.ts.
// - Files that are packed by gzip after they were read are not read again (archives.ts).
// What it does not: other packers, headers, deleting files (refused by name); it notices no
// truncation when the new content begins like the old one, is as long, and is as old.

import { basename } from 'node:path';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { createEntryBatches } from '../../operators/batches.ts';
import { settersOf, textsOf } from '../../operators/fixed.ts';
import { createArchives, type Archives } from './archives.ts';
import { createCheckpointWriter, loadCheckpoints, type CheckpointWriter } from './checkpoints.ts';
import { fileLogSchema, type FileLogConfig } from './config.ts';
import { createDelivery, type Delivery } from '../sending/delivery.ts';
import { deliveryOptions } from '../sending/settings.ts';
import { createEnding } from '../sending/stop.ts';
import { parseEncoding } from '../../lines/encoding.ts';
import { createOperatorBuild } from './entries.ts';
import { createWalk, type FoundFile, type Walk } from './glob.ts';
import { createHandles, type Handles } from './handles.ts';
import { createOwners, NOBODY } from './owners.ts';
import { MARK_BYTES } from './position.ts';
import { isFlushDue, isJoinDue, type ReaderCounters } from './pieces.ts';
import { createTurn } from './reader.ts';
import { createPlainBuild, type Build, type FileFacts } from './records.ts';
import { createMark, raise, type Mark } from './resume.ts';
import { createSplit } from '../../lines/split.ts';
import { isUnchanged, type Tail } from './tail.ts';
import { Tails } from './tails.ts';
import { createTurns, type Turns } from './turns.ts';

export const limits = {
  /** Records of one batch: as many as the batch processor sends on without waiting for more. */
  recordsMax: 8192,
  /** Bytes read at one time, unless a record may be longer. */
  readBytes: 1024 * 1024,
  /** Walking takes at most one part in so many of the time: many files are looked at less often. */
  walkShare: 5,
} as const;

const LOG_INTERVAL_MS = 60_000;

export const fileLogReceiver: ReceiverFactory<FileLogConfig> = {
  kind: 'receiver',
  type: 'file_log',
  aliases: ['filelog'],
  signals: ['logs'],
  get schema() {
    return fileLogSchema();
  },
  create: createFileLog,
};

export interface FileLog extends Receiver {
  /**
   * Looks at all files now; resolves when what was new in them got its verdict. For tests, besides
   * the looks that happen by themselves.
   */
  poll(): Promise<void>;
}

export function createFileLog(
  config: FileLogConfig,
  context: ComponentContext,
  next: Consumer,
): FileLog {
  const { clock, files } = context.world;
  const ending = createEnding();
  const delivery = createDelivery(next, context, deliveryOptions(config.retry_on_failure), ending);
  const log = rateLimited(context.log, clock, LOG_INTERVAL_MS);
  const walk = createWalk(config, files, log);
  const handles = createHandles(files, config.max_concurrent_files);
  const parts = { config, context, delivery, walk, handles, stopping: ending.stopping };
  let looking: Looking | undefined;
  let loop: Promise<void> = Promise.resolve();

  const stop = async (): Promise<void> => {
    ending.begin();
    await loop;
    await Promise.all([looking?.turns.idle(), delivery.idle()]);
    looking?.archives.closeAll();
    await looking?.writer.stop();
    await handles.closeAll();
  };
  return {
    start: async () => {
      looking = await startLooking(parts);
      // So that what is written after the start is new to the very first start, too.
      await looking.look();
      loop = pollLoop(looking, config.poll_interval, clock, ending.stopping);
    },
    poll: async () => {
      // Twice: turns that are under way may have begun with what is outdated by now.
      for (let look = 0; look < 2; look++) {
        await looking!.look();
        await looking!.turns.idle();
        await delivery.idle();
      }
    },
    stop: ending.stop(stop),
  };
}

interface Parts {
  readonly config: FileLogConfig;
  readonly context: ComponentContext;
  readonly delivery: Delivery;
  readonly walk: Walk;
  readonly handles: Handles;
  readonly stopping: AbortSignal;
}

interface Looking {
  readonly turns: Turns;
  readonly archives: Archives;
  readonly writer: CheckpointWriter;
  /** Walks the globs and gives files that changed a turn. One look at a time. */
  look(): Promise<void>;
}

async function startLooking(parts: Parts): Promise<Looking> {
  const { config, context, walk, handles } = parts;
  const { clock } = context.world;
  const { world: { files }, folder, log: ownLog, counters, id } = context;
  const unusable = counters.counter('binnacle_file_log_unusable_checkpoints_total',
    'Starts that found checkpoints they could not use.', { receiver: id });
  const loaded = await loadCheckpoints({
    files, folder, log: ownLog, quarantined: () => unusable.add(1),
  });
  const run = context.world.random.uuid();
  const tails = new Tails({
    saved: loaded === null ? null : raise(loaded, context.durable?.() ?? []),
    run,
    startAtEnd: config.start_at === 'end',
    fingerprintBytes: config.fingerprint_size,
  }, clock.monotonicMs());
  const log = rateLimited(context.log, clock, LOG_INTERVAL_MS);
  const writer = createCheckpointWriter(context.world, context.folder, log,
    () => tails.snapshot());
  const mark = createMark({ receiver: id, run }, (position) => tails.contentOf(position));
  const { turn, archives, holdMs } = createReaderTurn(parts, tails, writer, mark);
  const turns = createTurns(turn, readBytes(config), parts.stopping);
  countFiles(parts, tails);
  let first = true;
  const lookOnce = async (): Promise<void> => {
    const found = withoutOld(await walk(), tails, config.exclude_older_than, clock.nowMs());
    if (parts.stopping.aborted) return;
    const nowMs = clock.monotonicMs();
    for (const gone of tails.update(found, nowMs)) {
      archives.close(gone);
      await handles.close(gone);
    }
    // Where a first start begins must be known before anything is read, for the second.
    if (first) await writer.save();
    first = false;
    await lookAtLost(tails);
    for (const tail of tails.all.values()) {
      if (needsTurn(tail, config.force_flush_period, holdMs, nowMs)) turns.add(tail);
    }
  };
  let last: Promise<void> = Promise.resolve();
  const look = (): Promise<void> => (last = last.then(lookOnce));
  return { turns, archives, writer, look };
}

/** More than the longest record with its line end, so that reading always gets on. */
function readBytes(config: FileLogConfig): number {
  return Math.max(limits.readBytes, config.max_log_size) + 2 * MARK_BYTES;
}

async function pollLoop(
  { look }: Looking, intervalMs: number, clock: ComponentContext['world']['clock'],
  stopping: AbortSignal,
): Promise<void> {
  let waitMs = intervalMs;
  for (;;) {
    await clock.sleep(waitMs, stopping);
    if (stopping.aborted) return;
    const startMs = clock.monotonicMs();
    await look();
    const walkMs = clock.monotonicMs() - startMs;
    waitMs = Math.max(intervalMs, (limits.walkShare - 1) * walkMs);
  }
}

/** Old files are not begun; one that is followed already is followed on. */
function withoutOld(
  found: FoundFile[], tails: Tails, olderThanMs: number | undefined, nowMs: number,
): FoundFile[] {
  if (olderThanMs === undefined || olderThanMs === 0) return found;
  return found.filter(({ stat }) => nowMs - stat.modifiedMs <= olderThanMs || tails.has(stat));
}

/** Files that no glob names any more are looked at by their open handle. */
async function lookAtLost(tails: Tails): Promise<void> {
  for (const tail of tails.all.values()) {
    if (tail.lostSinceMs === null || tail.file === null) continue;
    const stat = await tail.file.stat().catch(() => null);
    if (stat === null) continue;
    tail.seen = { sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
  }
}

function needsTurn(
  tail: Tail, flushMs: number, holdMs: number | null, nowMs: number,
): boolean {
  if (tail.busy || tail.ignored || nowMs < tail.notBeforeMs) return false;
  if (!isUnchanged(tail)) return true;
  return isFlushDue(tail, flushMs, nowMs) || isJoinDue(tail, holdMs, nowMs)
    || (tail.position === null && tail.held !== null);
}

function createReaderTurn(parts: Parts, tails: Tails, writer: CheckpointWriter, mark: Mark) {
  const { config, context, delivery, handles, stopping } = parts;
  const { world: { clock } } = context;
  const encoding = parseEncoding(config.encoding)!;
  const split = createSplit({
    encoding,
    maxBytes: config.max_log_size,
    recordsMax: limits.recordsMax,
    ...(config.multiline === undefined ? {} : { multiline: config.multiline }),
  });
  const readerOptions = {
    encoding,
    fingerprintBytes: config.fingerprint_size,
    flushMs: config.force_flush_period,
    trimLeading: !config.preserve_leading_whitespaces,
    trimTrailing: !config.preserve_trailing_whitespaces,
    readUnknown: config.compression !== '',
    recordsMax: limits.recordsMax,
  };
  const { build, holdMs } = createBuild(config, context);
  const readerParts = {
    tails, handles, split, delivery, clock, stopping, mark,
    build, holdMs,
    log: rateLimited(context.log, clock, LOG_INTERVAL_MS),
    factsOf: createFacts(config, context),
    moved: writer.touch,
    count: readerCounters(context),
  };
  const archives = createArchives(readerOptions, readerParts);
  return { archives, holdMs, turn: createTurn(readerOptions, readerParts, archives) };
}

function createBuild(
  config: FileLogConfig, context: ComponentContext,
): { build: Build; holdMs: number | null } {
  const options = {
    encoding: parseEncoding(config.encoding)!,
    withNumber: config.include_file_record_number,
    withOffset: config.include_file_record_offset,
  };
  const operators = [...settersOf(config.attributes, config.resource), ...config.operators];
  if (operators.length === 0) return { build: createPlainBuild(options), holdMs: null };
  const batches = createEntryBatches(operators, context);
  return { build: createOperatorBuild(options, batches), holdMs: batches.holdMs };
}

/** What every record of a file says; made anew when its path changes. */
function createFacts(config: FileLogConfig, { world }: ComponentContext) {
  const fixed = toPairs(textsOf(config.attributes));
  const resource = toPairs(textsOf(config.resource));
  const owners = createOwners(world.files);
  return async (tail: Tail): Promise<FileFacts> => {
    if (tail.facts !== null) return tail.facts;
    const { path } = tail;
    const withReal = config.include_file_name_resolved || config.include_file_path_resolved;
    const real = withReal ? await world.files.realPath(path).catch(() => null) ?? path : path;
    const { owner, group } = config.include_file_owner_name
      || config.include_file_owner_group_name ? await owners(path) : NOBODY;
    const named: [boolean, string, string][] = [
      [config.include_file_name, 'log.file.name', basename(path)],
      [config.include_file_path, 'log.file.path', path],
      [config.include_file_name_resolved, 'log.file.name_resolved', basename(real)],
      [config.include_file_path_resolved, 'log.file.path_resolved', real],
      [config.include_file_owner_name && owner !== '', 'log.file.owner.name', owner],
      [config.include_file_owner_group_name && group !== '', 'log.file.owner.group.name', group],
    ];
    const names = named.filter(([wanted]) => wanted).map(([, key, value]) => pair(key, value));
    const own = new Set(names.map(({ key }) => key));
    const attributes = [...fixed.filter(({ key }) => !own.has(key)), ...names];
    const facts = { attributes, resource };
    // The path may have changed while links were resolved.
    if (tail.path === path) tail.facts = facts;
    return facts;
  };
}

const pair = (key: string, value: string): KeyValue => ({ key, value: { type: 'string', value } });

const toPairs = (map: Readonly<Record<string, string>>): KeyValue[] =>
  Object.entries(map).map(([key, value]) => pair(key, value));

function readerCounters({ counters, id }: ComponentContext): ReaderCounters {
  const labels = { receiver: id };
  const bytes = counters.counter('binnacle_file_log_read_bytes_total',
    'Bytes of records read.', labels);
  const truncated = counters.counter('binnacle_file_log_truncated_files_total',
    'Files found truncated or rewritten and read from their beginning.', labels);
  const broken = counters.counter('binnacle_file_log_broken_archives_total',
    'Packed files that could not be unpacked to their end.', labels);
  const mended = counters.counter('binnacle_file_log_mended_records_total',
    'Records with bytes that are not of the encoding, replaced by U+FFFD.', labels);
  return {
    bytes: bytes.add,
    truncated: () => truncated.add(1),
    broken: () => broken.add(1),
    mended: mended.add,
  };
}

function countFiles({ context: { counters, id }, handles }: Parts, tails: Tails): void {
  const labels = { receiver: id };
  counters.gauge('otelcol_fileconsumer_open_files', 'Files kept open.', handles.count, labels);
  counters.gauge('binnacle_file_log_followed_files', 'Files followed.',
    () => tails.all.size, labels);
}
