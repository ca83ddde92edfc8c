// What a seed decides before anything runs: sizes, concurrency, which kinds of trouble there are.
// Few kinds at a time find more than all at once, so each seed has its own choice.

import type { FlushOptions } from '../../backend/storage/clickhouse/writer.ts';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import type { Random } from '../../runtime/random.ts';
import type { AgentSettings } from './agent.ts';
import { TROUBLES, type Trouble } from './troubles.ts';

export interface Settings {
  readonly agent: AgentSettings;
  readonly flush: FlushOptions;
  /** Most items of a message that the network lets pass. */
  readonly itemsMax: number;
  readonly sources: readonly SourceSettings[];
  readonly troubles: readonly Trouble[];
  /** Mean time between two troubles. */
  readonly troubleEveryMs: number;
  /** How long there is trouble. */
  readonly troubleMs: number;
}

export interface SourceSettings {
  readonly name: string;
  readonly signal: Signal;
  readonly requests: number;
  readonly recordsMax: number;
  readonly paddingMax: number;
  readonly pauseMs: number;
  readonly bad: number;
}

export function chooseSettings(random: Random): Settings {
  const pick = <T>(...values: readonly T[]): T =>
    values[Math.floor(random.float() * values.length)]!;
  const sources = SIGNALS.flatMap((signal) =>
    Array.from({ length: pick(0, 1, 1, 2) }, (_, index): SourceSettings => ({
      name: `${signal}${index}`, signal,
      requests: pick(10, 20, 30), recordsMax: pick(1, 4, 12),
      paddingMax: pick(0, 100, 1000, 6000), pauseMs: pick(50, 500, 1500),
      bad: pick(0, 0, 0.02),
    })));
  const troubles = TROUBLES.filter(() => random.float() < 0.35);
  return {
    agent: agentSettings(pick),
    flush: {
      intervalMs: pick(20, 200, 1000), rows: pick(5, 50, 100_000), bytes: pick(4096, 1024 * 1024),
      waitingBytesMax: pick(16 * 1024, 1024 * 1024, 64 * 1024 * 1024),
    },
    itemsMax: pick(3, Infinity, Infinity, Infinity),
    sources: sources.length > 0 ? sources : chooseSettings(random).sources,
    troubles: troubles.length > 0 ? troubles : TROUBLES,
    troubleEveryMs: pick(2000, 5000, 15_000),
    troubleMs: pick(20_000, 60_000),
  };
}

function agentSettings(pick: <T>(...values: readonly T[]) => T): AgentSettings {
  const size = pick(2, 10, 50);
  return {
    concurrency: pick(1, 1, 2, 10),
    batcher: pick(true, false) ? { size, max: pick(0, size), timeoutMs: pick(0, 50, 200) } : null,
    queue: {
      whenFull: pick('refuse', 'refuse', 'drop_oldest'),
      size: {
        bytesMax: pick(1_000_000_000, 600_000, 150_000),
        itemsMax: pick(Infinity, Infinity, 40),
        batchesMax: pick(Infinity, Infinity, 10),
        diskShareMax: 1,
      },
    },
  };
}
