// Follows the log of one container, from its place to its end: while the container runs the engine
// goes on with the answer. When the connection breaks it is asked again from where it was; when the
// next part is slow the answer is not read any more.

import type { IncomingMessage } from 'node:http';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { parseDetails, type ContainerDetails } from '../../docker_engine/container.ts';
import type { Engine } from '../../docker_engine/engine.ts';
import type { EntryBatches } from '../../operators/batches.ts';
import { createEntry, emptyMap, type ValueMap } from '../../operators/entry.ts';
import { createBacklog, type Backlog, type BacklogRoom } from '../sending/backlog.ts';
import type { Delivery } from '../sending/delivery.ts';
import type { DockerConfig } from './config.ts';
import { createFrameDecoder, createTerminalDecoder, type Message } from './frames.ts';
import {
  createCourse, createSkip, sinceText, type Course, type Place,
} from './place.ts';
import { createJoiner, type LogLine } from './records.ts';

export const limits = {
  /** Bytes of records of one container that wait for their verdict. */
  waitingBytesMax: 1024 * 1024,
} as const;

/** What all followers of a receiver share. */
export interface FollowerParts {
  readonly config: DockerConfig;
  readonly engine: Engine;
  readonly delivery: Delivery;
  readonly batches: EntryBatches;
  readonly clock: Clock;
  readonly room: BacklogRoom;
  readonly stopping: AbortSignal;
  readonly resourceOf: (container: ContainerDetails) => ValueMap;
  readonly bytes: (count: number) => void;
  /** Gives a batch its origin. */
  readonly mark: (batch: Batch<'logs'>, source: Source, move: Move) => Batch<'logs'>;
  /** Places have moved. */
  readonly moved: () => void;
}

export interface Source {
  /** Of the container. */
  readonly id: string;
  /** Its number in this run. */
  readonly content: number;
}

export interface Move {
  readonly before: Course;
  readonly after: Course;
}

export interface Follower {
  readonly source: Source;
  /** True when all that was read has its verdict. */
  done(): boolean;
  /** What has its verdict. */
  course(): Course;
  /** Reads the log to its end, or until it is over. Rejects when it cannot be read. */
  read(): Promise<void>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

interface Item {
  readonly line: LogLine;
  readonly resource: ValueMap;
}

/** About what a record takes besides its text. */
const RECORD_BYTES = 200;

export function createFollower(source: Source, place: Place, parts: FollowerParts): Follower {
  const { engine, config, stopping } = parts;
  let course = createCourse(place);
  // What was read, also when it has no verdict yet: where to go on after a broken connection.
  let read = course;
  const backlog: Backlog<Item> = createBacklog<Item>({
    batches: parts.batches,
    delivery: parts.delivery,
    clock: parts.clock,
    stopping, room: parts.room,
    bytesMax: limits.waitingBytesMax,
    entryOf: ({ line, resource }) => toEntry(line, resource, config),
    mark: (batch, items) =>
      parts.mark(batch, source, { before: course, after: course.with(timesOf(items)) }),
    done: (items) => {
      course = course.with(timesOf(items));
      parts.moved();
    },
  });
  const path = `/containers/${encodeURIComponent(source.id)}`;
  const follow = async (): Promise<void> => {
    const container = parseDetails(await engine.json(`${path}/json`, stopping));
    const resource = parts.resourceOf(container);
    const skipped = createSkip(read.place);
    const joiner = createJoiner(config.max_log_size, (line) => {
      read = read.with(line.timesNs);
      backlog.add({ line, resource }, line.body.length + RECORD_BYTES);
    });
    const message = (one: Message): void => {
      if (!skipped(one.timeNs)) joiner.add(one);
    };
    const decoder = container.tty ? createTerminalDecoder(message) : createFrameDecoder(message);
    const query = `follow=1&timestamps=1&stdout=${Number(config.stdout)}`
      + `&stderr=${Number(config.stderr)}&since=${sinceText(read.place)}`;
    const answer = await engine.stream(`${path}/logs?${query}`, stopping);
    const whole = await drain(answer, decoder.add, backlog, parts);
    // What a broken connection has cut is read again.
    if (whole) joiner.end();
  };
  return {
    source,
    done: () => backlog.last() === undefined,
    course: () => course,
    read: follow,
    idle: backlog.idle,
  };
}

/** Resolves with true at the end of the answer, with false when it is over before. */
function drain(
  answer: IncomingMessage,
  add: (chunk: Buffer) => void,
  backlog: Backlog<Item>,
  { stopping, bytes }: FollowerParts,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let waiting = false;
    answer.on('data', (chunk: Buffer) => {
      if (stopping.aborted) return;
      bytes(chunk.length);
      try {
        add(chunk);
      } catch (error) {
        return void answer.destroy(error as Error);
      }
      if (!backlog.full() || waiting) return;
      waiting = true;
      answer.pause();
      void backlog.room().then(() => {
        waiting = false;
        answer.resume();
      });
    });
    answer.on('error', (error) => (stopping.aborted ? resolve(false) : reject(error)));
    answer.on('end', () => resolve(!stopping.aborted));
    answer.on('close', () => resolve(false));
  });
}

const timesOf = (items: readonly Item[]): bigint[] => items.flatMap(({ line }) => line.timesNs);

function toEntry({ stream, timeNs, body }: LogLine, resource: ValueMap, config: DockerConfig) {
  const attributes = emptyMap();
  for (const key of Object.keys(config.attributes)) attributes[key] = config.attributes[key]!;
  attributes['log.iostream'] = stream;
  const entry = createEntry(body, attributes, resource);
  entry.timeNs = timeNs;
  return entry;
}
