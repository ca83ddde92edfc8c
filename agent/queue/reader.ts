// The reading side: hands out sealed batches in order, from memory while the writer is just ahead,
// from the segments otherwise. What is read ahead is bounded. Damage that comes to light is put
// into quarantine, said with its sequences, and read over.

import type { Batch } from '../../proto/contract/batch.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { OpenFile } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import {
  decodeRecord, openRecord, RECORD_HEAD_BYTES, type FoundRecord,
} from './format.ts';
import { createPieces, nextRecord, type Expected } from './pieces.ts';
import type { Quarantine } from './quarantine.ts';
import { batchOf, createRereader, readChunk } from './rereader.ts';
import type { Segment, SequenceRange } from './segment.ts';
import type { Sealed } from './writer.ts';

export const limits = {
  /** Payload bytes that are read ahead; one record is always. */
  aheadBytesMax: 16 * 1024 * 1024,
  /** Wait before a segment that cannot be read is tried again. */
  failureWaitMs: 1000,
  /** A segment that cannot be read so often in a row is passed over, and its records are missed. */
  failuresMax: 60,
} as const;

/** A record that can be handed out, and where it was. */
export interface Ready extends Sealed {
  readonly segment: Segment;
}

export interface ReaderOptions {
  readonly folder: string;
  readonly world: World;
  readonly log: Log;
  readonly quarantine: Quarantine;
  /** Oldest first; the queue appends and removes. */
  readonly segments: Segment[];
  /** Where the first record to hand out begins in the first segment. */
  readonly resumeAt: number;
  /** Sequences up to this one were delivered. */
  readonly done: number;
  missed(range: SequenceRange, segment: Segment): void;
}

export interface Reader {
  /** The next record; null when `abort` fires. */
  next(abort: AbortSignal): Promise<Ready | null>;
  /** Takes what was just made durable; keeps it when everything before it was read. */
  offer(segment: Segment, records: readonly Sealed[], bytesBefore: number): void;
  /** The batch whose record begins there, once more; null when it cannot be read. */
  again(segment: Segment, at: number): Promise<Batch | null>;
  /** Leaves everything of this segment that was not handed out. */
  drop(segment: Segment): void;
  stop(): Promise<void>;
}

interface Position {
  segment: Segment | null;
  at: number;
  /** The last sequence that was read. */
  sequence: number;
}

export function createReader(options: ReaderOptions): Reader {
  const { segments, world, log } = options;
  const stopped = new AbortController();
  const rereader = createRereader(options);
  const position: Position = {
    segment: segments[0] ?? null, at: options.resumeAt, sequence: options.done,
  };
  const ready: Ready[] = [];
  const waiters = new Set<(record: Ready | null) => void>();
  let readyBytes = 0;
  let filling: Promise<void> | null = null;
  let file: { readonly segment: Segment; readonly open: OpenFile } | null = null;
  let failures = 0;

  const push = (record: Ready) => {
    const [waiter] = waiters;
    if (waiter !== undefined) return waiter(record);
    ready.push(record);
    readyBytes += record.batch.bytes.length;
  };
  const hasRoom = () => ready.length === 0 || readyBytes < limits.aheadBytesMax;
  /** Goes to the next segment when this one is read; false when there is nothing to read. */
  const behind = (): boolean => {
    for (;;) {
      const { segment } = position;
      if (segment !== null && position.at < segment.bytes) return true;
      const following = segments[segment === null ? 0 : segments.indexOf(segment) + 1];
      if (following === undefined || following === segment) return false;
      if (segment !== null && segment.last > position.sequence) {
        options.missed({ from: position.sequence + 1, to: segment.last }, segment);
      }
      position.segment = following;
      position.at = following.startAt;
      position.sequence = Math.max(position.sequence, following.first - 1);
    }
  };
  const read = async (): Promise<void> => {
    const { segment, at } = position;
    if (file?.segment !== segment) {
      await file?.open.close();
      file = null;
      const open = await world.files.open(segment!.path, 'read');
      if (open === null) throw new Error('it is gone');
      file = { segment: segment!, open };
    }
    const chunk = await readChunk(file.open, at, segment!.bytes);
    // It was dropped meanwhile.
    if (position.segment !== segment || position.at !== at) return;
    const records = recordsOf(chunk, { after: position.sequence, last: segment!.last },
      hasRoom() ? undefined : 1);
    if (records.length === 0) return skipDamage(file.open, position, options);
    for (const record of records) {
      position.at = at + record.end;
      position.sequence = record.sequence;
      const payload = openRecord(chunk, record, segment!.seal);
      const batch = payload === null ? null
        : batchOf(record.signal, payload, `${segment!.ids}/${record.sequence}`);
      if (batch === null) {
        log.error(`cannot ${payload === null ? 'decrypt' : 'decode'} a record of the segment `
          + `${segment!.name}: it was changed`, { sequence: record.sequence });
        await options.quarantine.keep(segment!.name, file!.open, at + record.start,
          at + record.end);
        options.missed({ from: record.sequence, to: record.sequence }, segment!);
      } else {
        const { sequence, enqueuedMs } = record;
        push({ sequence, at: at + record.start, batch, enqueuedMs, segment: segment! });
      }
    }
  };
  const fill = async () => {
    while (!stopped.signal.aborted && hasRoom() && behind()) {
      const { segment } = position;
      try {
        await read();
        failures = 0;
      } catch (error) {
        if (position.segment !== segment || position.at >= segment!.bytes) continue;
        failures += 1;
        log.error(`cannot read the segment ${segment!.name}: ${errorMessage(error)}`);
        if (failures < limits.failuresMax) {
          await world.clock.sleep(limits.failureWaitMs, stopped.signal);
        } else {
          position.at = segment!.bytes;
          failures = 0;
        }
      }
    }
    filling = null;
  };
  const wake = () => {
    if (!stopped.signal.aborted) filling ??= Promise.resolve().then(fill);
  };
  return {
    next: (abort) => {
      if (abort.aborted || stopped.signal.aborted) return Promise.resolve(null);
      const record = ready.shift();
      wake();
      if (record !== undefined) {
        readyBytes -= record.batch.bytes.length;
        return Promise.resolve(record);
      }
      return new Promise((resolve) => {
        const finish = (found: Ready | null) => {
          waiters.delete(finish);
          abort.removeEventListener('abort', give);
          resolve(found);
        };
        const give = () => finish(null);
        waiters.add(finish);
        abort.addEventListener('abort', give, { once: true });
      });
    },
    offer: (segment, records, bytesBefore) => {
      if (filling === null && position.segment === null && segments[0] === segment) {
        position.segment = segment;
        position.at = segment.startAt;
      }
      const caughtUp = filling === null && records[0]!.sequence === position.sequence + 1
        && (position.segment === segment ? position.at === bytesBefore
          : position.segment === null || position.at >= position.segment.bytes);
      if (!caughtUp || !hasRoom()) return wake();
      const named = records.map(({ sequence, at, enqueuedMs, batch: { signal, bytes } }) =>
        ({ sequence, at, enqueuedMs, segment,
          batch: batchOf(signal, bytes, `${segment.ids}/${sequence}`) }));
      // One that nobody can count is read from the disk, where it is put into quarantine.
      if (named.some(({ batch }) => batch === null)) return wake();
      for (const record of named) push(record as Ready);
      position.segment = segment;
      position.at = segment.bytes;
      position.sequence = segment.last;
    },
    again: rereader.read,
    drop: (segment) => {
      for (let index = ready.length - 1; index >= 0; index--) {
        if (ready[index]!.segment !== segment) continue;
        readyBytes -= ready[index]!.batch.bytes.length;
        ready.splice(index, 1);
      }
      if (position.segment === segment) {
        // At its end, where the next one is gone to: there may be none yet.
        position.sequence = segment.last;
        position.at = segment.bytes;
      }
      wake();
    },
    stop: async () => {
      stopped.abort();
      for (const waiter of [...waiters]) waiter(null);
      while (filling !== null) await filling;
      await rereader.stop();
      await file?.open.close().catch(() => {});
    },
  };
}

/** The valid records that follow each other from the beginning of `chunk` on. */
function recordsOf(
  chunk: Buffer,
  { after, last }: Expected,
  max = Number.POSITIVE_INFINITY,
): FoundRecord[] {
  const found: FoundRecord[] = [];
  let at = 0;
  let before = after;
  while (found.length < max && chunk.length - at >= RECORD_HEAD_BYTES) {
    const record = decodeRecord(chunk, at);
    if (record === null || record.sequence <= before || record.sequence > last) break;
    // Only the first may leave out sequences: those in between are damaged, or missing.
    if (found.length > 0 && record.sequence !== before + 1) break;
    found.push(record);
    at = record.end;
    before = record.sequence;
  }
  return found;
}

/** Moves past bytes that are no record, to the next one or to the end of the segment. */
async function skipDamage(
  file: OpenFile,
  position: Position,
  { quarantine, log, missed }: ReaderOptions,
): Promise<void> {
  const segment = position.segment!;
  const { at } = position;
  const record = await nextRecord(createPieces(file, segment.bytes), at,
    { after: position.sequence, last: segment.last });
  if (position.segment !== segment || position.at !== at) return;
  const end = record?.start ?? segment.bytes;
  const to = record === null ? segment.last : record.sequence - 1;
  position.at = end;
  const from = position.sequence + 1;
  position.sequence = to;
  if (segment.damages.has(at)) return;
  segment.damages.add(at);
  log.error(`the segment ${segment.name} is damaged`, { start: at, end });
  await quarantine.keep(segment.name, file, at, end);
  if (to >= from) missed({ from, to }, segment);
}
