// Keeps the process out of trouble by refusing data while it holds too much memory.
//
// Two limits: the hard one is `limit_mib` (or `limit_percentage` of what this process may have),
// the soft one lies `spike_limit` below it. Above the soft limit every batch is answered
// `retryable`, so that senders keep it; nothing is lost. Above the hard limit the garbage collector
// is run besides, when Node.js was started with --expose-gc. It belongs first in a pipeline.
//
// What is measured is the memory that values of the program take (heap and buffers), not the
// resident size of the process: the resident size also holds pages that were freed and kept by the
// allocator, often for good, and a limiter that looks at it may refuse forever. Leave some 60 MiB
// between `limit_mib` and what the container or unit may take, for code and stacks.

import { totalmem } from 'node:os';
import * as z from 'zod';
import {
  count, duration, fault, ignoredKey, percentage, section,
} from '../../config/schema.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../proto/contract/component.ts';
import { retryable } from '../../proto/contract/outcome.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import type { Timer } from '../../runtime/clock.ts';

const SPIKE_PERCENTAGE = 20;
const MIB = 1024 * 1024;

const createSchema = () => section({
  check_interval: duration().describe('Time between two looks at the memory. 1s is advised.')
    .prefault('0s'),
  limit_mib: count().describe('Hard limit in MiB; 0 means limit_percentage.').default(0),
  spike_limit_mib: count()
    .describe('How far below the hard limit data is refused, in MiB; 0 means 20 % of it.')
    .default(0),
  limit_percentage: percentage()
    .describe('Hard limit as a share of the memory of the container or machine.').prefault(0),
  spike_limit_percentage: percentage()
    .describe('The spike limit as a share of the same memory; 0 means 20 % of the limit.')
    .prefault(0),
  min_gc_interval_when_soft_limited: duration()
    .describe('Least time between two forced garbage collections above the soft limit.')
    .prefault('10s'),
  min_gc_interval_when_hard_limited: duration()
    .describe('Least time between two forced garbage collections above the hard limit.')
    .prefault('0s'),
  max_gc_interval_when_soft_limited: ignoredKey('the least time is used throughout'),
  max_gc_interval_when_hard_limited: ignoredKey('the least time is used throughout'),
}).superRefine((config, ctx) => {
  if (config.check_interval === 0) {
    fault(ctx, 'must be greater than 0', 'write 1s', ['check_interval']);
  }
  if (config.limit_mib === 0 && config.limit_percentage === 0) {
    fault(ctx, 'limit_mib or limit_percentage is required', 'write limit_mib: 256');
  }
  if (config.limit_mib > 0 && config.spike_limit_mib >= config.limit_mib) {
    fault(ctx, 'must be less than limit_mib', '', ['spike_limit_mib']);
  }
  const share = config.limit_percentage;
  if (config.limit_mib === 0 && share > 0 && config.spike_limit_percentage >= share) {
    fault(ctx, 'must be less than limit_percentage', '', ['spike_limit_percentage']);
  }
});

export type MemoryLimiterConfig = z.output<ReturnType<typeof createSchema>>;

/** What the limiter knows of the process it limits; a test gives its own. */
export interface ProcessMemory {
  /** Bytes that values of the program take now. */
  usedBytes(): number;
  /** Bytes that this process may have in all. */
  totalBytes(): number;
  /** Runs the garbage collector, if this process may do so. */
  collect(): boolean;
}

export const memoryLimiterProcessor: ProcessorFactory<MemoryLimiterConfig> = {
  kind: 'processor',
  type: 'memory_limiter',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => createMemoryLimiter(config, context, next, PROCESS_MEMORY),
};

export function createMemoryLimiter(
  config: MemoryLimiterConfig,
  { id, world, log, counters }: ComponentContext,
  next: Consumer,
  memory: ProcessMemory,
): Processor {
  const { hardBytes, softBytes } = limitsOf(config, memory);
  let refusing = false;
  let collectedMs = -Infinity;
  let timer: Timer | undefined;

  const collect = (usedBytes: number): number => {
    const hard = usedBytes > hardBytes;
    const pause = hard
      ? config.min_gc_interval_when_hard_limited
      : config.min_gc_interval_when_soft_limited;
    const now = world.clock.monotonicMs();
    if (now - collectedMs < pause) return usedBytes;
    collectedMs = now;
    return memory.collect() ? memory.usedBytes() : usedBytes;
  };
  const look = () => {
    let usedBytes = memory.usedBytes();
    if (usedBytes > softBytes) usedBytes = collect(usedBytes);
    const above = usedBytes > softBytes;
    if (above === refusing) return;
    refusing = above;
    const fields = { usedMib: Math.round(usedBytes / MIB), softMib: Math.round(softBytes / MIB) };
    if (above) log.warn('memory is above the soft limit: data is refused', fields);
    else log.info('memory is below the soft limit: data is taken again', fields);
  };
  const refused = Object.fromEntries(Object.entries(REFUSED).map(([signal, name]) =>
    [signal, counters.counter(name, 'Items refused for lack of memory.', { processor: id })]));
  return {
    start: async () => {
      look();
      timer = world.clock.every(config.check_interval, look);
    },
    stop: async () => timer?.cancel(),
    consume: async (batch, abort) => {
      if (!refusing) return next.consume(batch, abort);
      refused[batch.signal]!.add(batch.itemCount);
      return retryable('memory is above the soft limit', config.check_interval);
    },
  };
}

const REFUSED = {
  traces: 'otelcol_processor_refused_spans_total',
  metrics: 'otelcol_processor_refused_metric_points_total',
  logs: 'otelcol_processor_refused_log_records_total',
};

function limitsOf(
  config: MemoryLimiterConfig,
  memory: ProcessMemory,
): { hardBytes: number; softBytes: number } {
  const share = (percent: number) => (memory.totalBytes() * percent) / 100;
  const fixed = config.limit_mib > 0;
  const hardBytes = fixed ? config.limit_mib * MIB : share(config.limit_percentage);
  const spike = fixed ? config.spike_limit_mib * MIB : share(config.spike_limit_percentage);
  const spikeBytes = spike > 0 ? spike : (hardBytes * SPIKE_PERCENTAGE) / 100;
  return { hardBytes, softBytes: hardBytes - spikeBytes };
}

const PROCESS_MEMORY: ProcessMemory = {
  usedBytes: () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  totalBytes: () => {
    // 0 or an absurdly large number when no control group sets a limit.
    const constrained = process.constrainedMemory();
    return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  },
  collect: () => {
    if (globalThis.gc === undefined) return false;
    globalThis.gc();
    return true;
  },
};
