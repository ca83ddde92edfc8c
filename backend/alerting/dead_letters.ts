// Notifications that no channel took: kept in the journal until somebody sends them again or
// deletes them.

import { createHash } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import { errorMessage } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Draft, Journal } from '../journal/journal.ts';
import { ALERT_NAME } from '../labels/labels.ts';
import type { Channel, Notification } from './model.ts';

export const limits = {
  /** Letters that are kept; one more, and the oldest is deleted. */
  lettersMax: 1000,
  /** Attempts to write one; then it is only in the log. */
  writesMax: 5,
  writePauseMs: 2000,
} as const;

export interface DeadLetter {
  readonly id: string;
  readonly atMs: number;
  readonly channel: Channel;
  readonly notification: Notification;
  /** What the last attempt on the channel said. */
  readonly reason: string;
}

export interface DeadLetters {
  /** The newest first. Throws QueryError. */
  deadLetters(abort: AbortSignal): Promise<readonly DeadLetter[]>;
  /** False when there is none with the id. Throws QueryError. */
  discard(id: string, actor: string, abort: AbortSignal): Promise<boolean>;
}

type Written = Omit<DeadLetter, 'id' | 'atMs'>;

export interface DeadLetterBox extends DeadLetters {
  /** Never throws. */
  write(letter: Written, abort: AbortSignal): Promise<void>;
}

export function createDeadLetters(
  journal: Pick<Journal, 'load' | 'write'>,
  clock: Clock,
  log: Log,
): DeadLetterBox {
  const all = async (abort: AbortSignal): Promise<DeadLetter[]> =>
    (await journal.load(['dead_letter'], abort))
      .map(({ key, atMs, data }) => ({ ...(data as Written), id: key, atMs }))
      .sort((one, other) => other.atMs - one.atMs || (one.id < other.id ? -1 : 1));
  const store = async (letter: Written, abort: AbortSignal) => {
    const kept = await all(abort);
    const gone = kept.slice(limits.lettersMax - 1).map((one) => deleted(one, '', clock.nowMs()));
    await journal.write([draftOf(letter, clock.nowMs()), ...gone], abort);
  };
  return {
    deadLetters: all,
    discard: async (id, actor, abort) => {
      const found = (await all(abort)).find((one) => one.id === id);
      if (found === undefined) return false;
      await journal.write([deleted(found, actor, clock.nowMs())], abort);
      return true;
    },
    write: async (letter, abort) => {
      const { channel, notification: { id } } = letter;
      log.error(`cannot deliver notification ${id}: it is a dead letter now`, { ...channel });
      for (let written = 1; written <= limits.writesMax; written++) {
        try {
          return await store(letter, abort);
        } catch (error) {
          const cause = errorMessage(error);
          log.error(`cannot keep dead letter ${id}: ${cause}`, { attempt: written });
        }
        await clock.sleep(limits.writePauseMs, abort);
        if (abort.aborted) return;
      }
    },
  };
}

/** The same message to the same channel is the same letter. */
function idOf({ channel, notification }: Written): string {
  const { receiver, type, index } = channel;
  return createHash('sha256').update([receiver, type, index, notification.id].join('\0'))
    .digest('hex').slice(0, 16);
}

const draftOf = (letter: Written, nowMs: number): Draft => ({
  kind: 'dead_letter',
  key: idOf(letter),
  atMs: nowMs,
  name: letter.notification.groupLabels[ALERT_NAME]
    ?? letter.notification.commonLabels[ALERT_NAME] ?? '',
  state: 'dead',
  labels: letter.notification.groupLabels,
  note: letter.reason,
  data: letter,
});

const deleted = (letter: DeadLetter, actor: string, nowMs: number): Draft => {
  const { id: _, atMs: __, ...written } = letter;
  return { ...draftOf(written, nowMs), key: letter.id, deleted: true, actor };
};
