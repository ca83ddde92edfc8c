// A desk over the storage of a test, and somebody who asks.

import type { Caller } from '../../../backend/access/roles.ts';
import { createDesk, type Desk } from '../../../backend/query/desk.ts';
import type { QueryLimits } from '../../../backend/query/limits.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createWorld } from '../../../runtime/world.ts';
import type { StorageFixture } from '../storage/clickhouse/storage_fixture.ts';

export const SOMEBODY: Caller = { name: 'anonymous', role: 'admin', address: '127.0.0.1' };

export const WIDE: QueryLimits = {
  executionMsMax: 600_000, resultRowsMax: 10_000_000, memoryBytesMax: 4 * 1024 ** 3,
  concurrentMax: 8,
};

export const deskOf = ({ storage }: Pick<StorageFixture, 'storage'>, limits = WIDE): Desk =>
  createDesk({ storage, gate: null, limits, world: createWorld(), counters: createCounters(),
    log: SILENT_LOG });
