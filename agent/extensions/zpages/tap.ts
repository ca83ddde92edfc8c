// A live view of what passes a place of the pipelines, as server-sent events: each record is one
// `data:` line of JSON; `event: left_out` says how many records were not shown.
//
// What passes is looked at only while somebody listens, and no more than `limits` of it: the agent
// goes on at its speed.

import type { GraphView, Host, PartView } from '../../../proto/contract/component.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { TextStream } from '../../text_server.ts';
import { shownRecords } from './show.ts';

export const limits = {
  /** Of `rate`, records in a second. */
  rateMax: 1000,
  /** Records that are looked at in a second; all others are left out, whatever they are. */
  lookedMax: 10_000,
  /** Listeners; further ones are refused. */
  listenersMax: 8,
  /** How often it is told what was left out, and parts that a reload has made are found. */
  turnMs: 1000,
  /** A record that is longer is cut. */
  recordChars: 16_384,
} as const;

export interface TapOptions {
  /** `exporter:otlp`, `processor:batch@logs`, an id of a component or pipeline; '': receivers. */
  readonly at: string;
  /** Records in a second. */
  readonly rate: number;
  /** Only those with this text in their JSON, in whatever case. */
  readonly filter: string;
}

/** The parts that a text names; none when there is no such. */
export function partsAt(at: string, { parts, pipelines }: GraphView): PartView[] {
  if (at === '') return parts.filter(({ kind }) => kind === 'receiver');
  const pipeline = pipelines.find(({ id }) => id === at);
  if (pipeline !== undefined) {
    const last = pipeline.processors.at(-1);
    return parts.filter(({ kind, id, ...part }) => (last === undefined
      ? (kind === 'receiver' || kind === 'connector') && pipeline.receivers.includes(id)
      : kind === 'processor' && id === last && part.pipeline === at));
  }
  const [kind, name] = at.includes(':') ? at.split(/:(.*)/s) as [string, string] : [null, at];
  const [id, of] = name.split('@');
  return parts.filter((part) => part.kind !== 'extension' && part.id === id
    && (kind === null || part.kind === kind) && (of === undefined || part.pipeline === of));
}

export function createTap(host: Host, clock: Clock) {
  let listeners = 0;
  return {
    isFull: () => listeners >= limits.listenersMax,
    stream: (options: TapOptions): TextStream => ({
      contentType: 'text/event-stream',
      run: (write, gone) => {
        listeners += 1;
        const end = listen(host, clock, options, write);
        gone.addEventListener('abort', () => {
          listeners -= 1;
          end();
        }, { once: true });
      },
    }),
  };
}

function listen(
  host: Host,
  clock: Clock,
  { at, rate, filter }: TapOptions,
  write: (text: string) => boolean,
): () => void {
  const wanted = filter.toLowerCase();
  const signal = host.view!().pipelines.find(({ id }) => id === at)?.signal;
  let shown = 0;
  let looked = 0;
  let leftOut = 0;
  let slow = false;
  let ends: (() => void)[] = [];
  const see = (part: PartView): Parameters<NonNullable<Host['tap']>>[1] => (batch) => {
    if (signal !== undefined && batch.signal !== signal) return;
    if (shown >= rate || looked >= limits.lookedMax || slow) {
      leftOut += batch.itemCount;
      return;
    }
    try {
      for (const record of shownRecords(batch)) {
        looked += 1;
        const text = JSON.stringify({ at: part.key, ...record });
        if (wanted !== '' && !text.toLowerCase().includes(wanted)) continue;
        if (shown >= rate || slow) leftOut += 1;
        else {
          shown += 1;
          slow = !write(`data: ${text.slice(0, limits.recordChars)}\n\n`);
        }
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  };
  const attach = () => {
    ends.forEach((end) => end());
    ends = partsAt(at, host.view!())
      .flatMap((part) => host.tap!(part.key, see(part)) ?? []);
  };
  attach();
  const timer = clock.every(limits.turnMs, () => {
    write(leftOut === 0 ? ': still here\n\n' : `event: left_out\ndata: ${leftOut}\n\n`);
    shown = 0;
    looked = 0;
    leftOut = 0;
    slow = false;
    attach();
  });
  return () => {
    timer.cancel();
    ends.forEach((end) => end());
  };
}
