// Opens what an earlier process left. Whatever the bytes are, it comes to an end and gives a queue
// that works:
//
// - A segment that was delivered as a whole is removed, once it is kept where its records are from.
// - A torn tail of the last segment is cut (and copied to quarantine: whether it was a write that
//   nobody was told of, or damage, cannot be known).
// - Bytes between records that are no record stay, are copied to quarantine, and are read over.
// - Records that the next segment has too are void: their sync had failed, they were written again.
// - A segment that is sealed with an unknown key is left alone, and the start refused: a person who
//   forgot a key loses nothing.
// - A header that is damaged is taken from its copy. Without either, records keep their sequences
//   and get the new epoch: they may then be stored twice, but are not lost.
// - Sequences that must have been there and are not are named; what the cursor has passed is not
//   missed.

import { join } from 'node:path';
import { errorCode, errorMessage, OperatorError } from '../../runtime/errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Files, OpenFile } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import type { KeyRing } from './cipher.ts';
import { CURSOR, decodeCursor } from './cursor.ts';
import { parseSegmentName, sealOf, type RecordSeal, type SegmentHeader } from './format.ts';
import type { Marks } from './origins.ts';
import { createPieces } from './pieces.ts';
import type { Quarantine } from './quarantine.ts';
import {
  above, limits, scanSegment, type OriginsWanted, type Segment, type SegmentScan,
  type SequenceRange,
} from './segment.ts';

export interface RecoveryOptions {
  readonly folder: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  readonly quarantine: Quarantine;
  /** For records of a segment both of whose headers are damaged. */
  readonly agentId: string;
  readonly epoch: string;
  readonly keys: KeyRing;
  /** Told where all records are from. */
  readonly marks: Pick<Marks, 'add' | 'clear' | 'save'>;
}

export interface Recovered {
  /** By sequence; the last is not written any more either. */
  readonly segments: Segment[];
  /** Everything up to here was delivered, or is missing from the beginning. */
  readonly done: number;
  /** Nothing beyond it was handed out; null when that is not known. */
  readonly handed: number | null;
  /** The sequence of the next record. */
  readonly next: number;
  /** Where the first record that was not delivered begins, in `segments[0]`. */
  readonly resumeAt: number;
  readonly records: number;
  readonly items: number;
  /** Found to be missing now, not at an earlier start. */
  readonly missing: readonly SequenceRange[];
}

interface Place {
  readonly name: string;
  readonly path: string;
  readonly first: number;
  /** The first sequence of the next segment. */
  readonly before: number;
}

/**
 * Throws only when the folder itself cannot be made or listed, or the disk neither reads a segment
 * nor moves it, and OperatorError when one is encrypted with a key that is not there. Nothing has
 * become of that segment then.
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { folder, files } = options;
  await makePrivate(options);
  const names = ((await files.list(folder)) ?? [])
    .filter(({ kind }) => kind === 'file').map(({ name }) => name);
  const read = names.includes(CURSOR) ? await readCursor(options) : null;
  const cursor = read?.done ?? null;
  const segments: Segment[] = [];
  const missing: SequenceRange[] = [];
  const delivered: Place[] = [];
  let last = cursor;
  let floor = 0;
  let resumeAt: number | undefined;
  for (const place of placesOf(folder, names)) {
    const done = cursor ?? 0;
    if (place.before - 1 <= done) {
      await learnDelivered(place, options);
      delivered.push(place);
      continue;
    }
    // Without a cursor nobody knows what was before the first segment.
    last ??= place.first - 1;
    if (place.first > last + 1) missing.push({ from: last + 1, to: place.first - 1 });
    const found = await openSegment(place, done, options);
    if (found === null) {
      // No new segment may take its name: it may still be there.
      floor = place.first;
      continue;
    }
    last = Math.max(last, found.scan.last);
    if (found.fresh) missing.push(...above(found.scan.missing, done));
    if (found.scan.records === 0) {
      if (await hasNothing(place, found.scan, options)) delivered.push(place);
      else await options.quarantine.move(place.path, place.name);
      continue;
    }
    resumeAt ??= found.scan.resumeAt;
    segments.push(found.segment);
  }
  const sum = (of: (segment: Segment) => number) =>
    segments.reduce((total, segment) => total + of(segment), 0);
  reportMissing(missing, options.log);
  // What is not durable must be read again.
  if (!await syncNewest(segments.at(-1), options)) options.marks.clear();
  if (delivered.length > 0) await options.marks.save();
  for (const place of delivered) await removeDelivered(place, options);
  return {
    segments, missing,
    done: Math.max(cursor ?? 0, (segments[0]?.first ?? 1) - 1),
    handed: read?.handed ?? null,
    next: Math.max(last ?? 0, floor) + 1,
    resumeAt: resumeAt ?? 0,
    records: sum(({ waitingRecords }) => waitingRecords),
    items: sum(({ waitingItems }) => waitingItems),
  };
}

/**
 * A process that was killed may have written more than it had synced. From now on this counts as
 * there, so it must outlast a loss of power. Earlier segments were synced before the newest began.
 */
async function syncNewest(
  newest: Segment | undefined,
  { folder, files, log }: RecoveryOptions,
): Promise<boolean> {
  if (newest === undefined) return true;
  try {
    const file = await files.open(newest.path, 'write');
    try {
      await file?.sync();
    } finally {
      await file?.close();
    }
    await files.syncFolder(folder);
    return true;
  } catch (error) {
    log.warn(`cannot sync the segment ${newest.name}: ${errorMessage(error)}`);
    return false;
  }
}

export function reportMissing(missing: readonly SequenceRange[], log: Log): void {
  for (const { from, to } of missing) {
    log.error('the queue has lost records', { records: to - from + 1, from, to });
  }
}

/** Null when there is none that can be read; then all that is there is sent again. */
async function readCursor({ folder, files, log, quarantine }: RecoveryOptions) {
  const path = join(folder, CURSOR);
  try {
    const bytes = await files.read(path);
    const cursor = bytes === null ? { why: 'it is gone' } : decodeCursor(bytes);
    if (!('why' in cursor)) return cursor;
    log.warn(`cannot read the cursor of the queue: ${cursor.why}; what is there is sent again`);
  } catch (error) {
    log.warn(`cannot read the cursor of the queue: ${errorMessage(error)}`);
  }
  await quarantine.move(path, CURSOR);
  return null;
}

function placesOf(folder: string, names: readonly string[]): Place[] {
  const found = names.flatMap((name) => {
    const first = parseSegmentName(name);
    return first === null ? [] : [{ name, first, path: join(folder, name) }];
  }).sort((a, b) => a.first - b.first);
  return found.map((place, index) => ({
    ...place, before: found[index + 1]?.first ?? Number.POSITIVE_INFINITY,
  }));
}

/** Only the agent's user may look into it. */
async function makePrivate({ folder, files, log }: RecoveryOptions): Promise<void> {
  try {
    await files.makeFolder(folder, 0o700);
  } catch (error) {
    // It may be there, and be somebody else's; whether it can be used shows itself.
    if (errorCode(error) !== 'EPERM') throw error;
    log.warn(`cannot keep others out of ${folder}: ${errorMessage(error)}`);
  }
}

/** One that cannot be removed now is removed at the next start. */
async function removeDelivered({ path, name }: Place, { files, log }: RecoveryOptions) {
  await files.remove(path).catch((error: unknown) =>
    log.warn(`cannot remove the segment ${name}: ${errorMessage(error)}`));
}

/** Where its records are from, as far as it can be read; that it was delivered is known. */
async function learnDelivered({ path, first, before }: Place, options: RecoveryOptions) {
  let file: OpenFile | null = null;
  try {
    file = await options.files.open(path, 'read');
    const { sizeBytes } = await file!.stat();
    if (sizeBytes > limits.fileBytesMax) return;
    const range = { first, before, done: before - 1 };
    await scanSegment(createPieces(file!, sizeBytes), range, originsWanted(options));
  } catch (error) {
    options.log.warn(`cannot read the delivered segment ${path}: ${errorMessage(error)}`);
  } finally {
    await file?.close().catch(() => {});
  }
}

const originsWanted = ({ keys, marks }: RecoveryOptions): OriginsWanted => ({
  sealFor: (header) => {
    const key = header === null || header.seal === null ? null : keys.find(header.seal.keyId);
    return key === null ? null : sealOf(header!, key);
  },
  found: (origins) => marks.add(origins),
});

interface Found {
  readonly segment: Segment;
  readonly scan: SegmentScan;
  /** False when an earlier start has reported its damage. */
  readonly fresh: boolean;
}

/** Null when it cannot be read at all; then it is in quarantine. */
async function openSegment(
  place: Place,
  done: number,
  options: RecoveryOptions,
): Promise<Found | null> {
  const { name, path, first, before } = place;
  const { files, log, quarantine } = options;
  // A failure to read may pass; only one that stays makes a segment unreadable.
  for (let failures = 0; ; failures++) {
    let file: OpenFile | null = null;
    try {
      file = await files.open(path, 'read');
      if (file === null) throw new Error('it is gone');
      const { sizeBytes } = await file.stat();
      if (sizeBytes > limits.fileBytesMax) throw new Error(`it has ${sizeBytes} bytes`);
      const scan = await scanSegment(createPieces(file, sizeBytes), { first, before, done },
        originsWanted(options));
      return await settleFound(place, { file, sizeBytes, scan }, options);
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      if (failures < limits.readFailuresMax) {
        await options.clock.sleep(limits.readRetryMs);
        continue;
      }
      log.error(`cannot read the segment ${name}: ${errorMessage(error)}`);
      // A disk that neither reads nor moves may do so later: nothing is given up for it.
      if (!await quarantine.move(path, name)) throw error;
      return null;
    } finally {
      await file?.close().catch(() => {});
    }
  }
}

interface Scanned {
  readonly file: OpenFile;
  readonly sizeBytes: number;
  readonly scan: SegmentScan;
}

/** Puts what is damaged into quarantine and makes a segment of the rest. */
async function settleFound(
  place: Place,
  { file, sizeBytes, scan }: Scanned,
  options: RecoveryOptions,
): Promise<Found> {
  const { name, path, first, before } = place;
  // What was delivered needs no key.
  const seal = scan.records === 0 ? null : sealNeeded(scan.header, name, options);
  let fresh = scan.damages.length === 0;
  for (const { start, end } of scan.damages) {
    const isNew = await options.quarantine.keep(name, file, start, end);
    fresh ||= isNew;
    options.log.warn(`the segment ${name} is damaged`, { start, end });
  }
  if (scan.end < sizeBytes && before === Number.POSITIVE_INFINITY && scan.last >= first) {
    await cutTail(place, { file, sizeBytes, scan }, options);
  }
  const { agentId, epoch } = scan.header ?? options;
  const segment: Segment = {
    path, name, first, seal,
    ids: `${agentId}/${epoch}`,
    startAt: scan.startAt,
    last: scan.last,
    bytes: scan.end,
    waitingRecords: scan.records,
    waitingItems: scan.items,
    damages: new Set(scan.damages.map(({ start }) => start)),
  };
  return { segment, scan, fresh };
}

/** Throws when a key is needed that is not there: nothing may become of its records unseen. */
function sealNeeded(
  header: SegmentHeader | null,
  name: string,
  { folder, keys }: RecoveryOptions,
): RecordSeal | null {
  if (header === null || header.seal === null) return null;
  const key = keys.find(header.seal.keyId);
  if (key !== null) return sealOf(header, key);
  throw new OperatorError(
    `cannot read the segment ${name}: it is encrypted with key ${header.seal.keyId}, `
      + 'which is not configured',
    `add that key to encryption.previous_key_files, or move ${join(folder, name)} away to give its `
      + 'records up');
}

async function cutTail(
  { name, path }: Place,
  { file: source, sizeBytes, scan: { end, last } }: Scanned,
  { files, log, quarantine }: RecoveryOptions,
): Promise<void> {
  await quarantine.keep(name, source, end, sizeBytes);
  log.warn(`the segment ${name} ends in bytes that are no record; they are cut`,
    { bytes: sizeBytes - end, after: last });
  try {
    const file = await files.open(path, 'write');
    try {
      await file?.truncate(end);
      await file?.sync();
    } finally {
      await file?.close();
    }
  } catch (error) {
    // It is not read either way.
    log.warn(`cannot cut the segment ${name}: ${errorMessage(error)}`);
  }
}

/** A segment with nothing to deliver: its records were delivered, or it never had one. */
async function hasNothing(
  place: Place, scan: SegmentScan, { files }: RecoveryOptions,
): Promise<boolean> {
  const size = (await files.stat(place.path).catch(() => null))?.sizeBytes ?? 0;
  const hadRecords = scan.last >= place.first;
  return hadRecords || size <= scan.end;
}

