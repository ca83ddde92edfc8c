// The records that were gathered since the last flush: the first of each that say the same, how
// many came, and when the first and the last.

import { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import type {
  KeyValue, LogRecord, Resource, ResourceLogs, Scope,
} from '../../../proto/otlp/model.ts';
import { setAttribute } from '../edit/actions.ts';
import { editRecords } from '../edit/records.ts';
import { parseField, without, type Field } from './fields.ts';
import { keyOf, placeKey } from './key.ts';

export const limits = {
  /** Records of a batch that is handed on. */
  recordsMax: 8192,
  /** What a record takes besides what it says. */
  recordBytes: 600,
  /** How many times its encoded size a decoded record takes. */
  decodedFactor: 4,
} as const;

export interface GatheringConfig {
  readonly log_count_attribute: string;
  readonly timezone: string;
  readonly include_fields: readonly string[];
  readonly exclude_fields: readonly string[];
}

export interface Gathering {
  /**
   * Takes in the records that are chosen, by their place in the batch (null: all). The batch
   * without them, null when nothing is left.
   */
  add(batch: Batch<'logs'>, isChosen: readonly boolean[] | null, nowMs: number): Batch | null;
  /** What it takes in memory, estimated. */
  bytes(): number;
  batches(): Batch<'logs'>[];
  clear(): void;
}

interface Kept {
  readonly resource: Resource | undefined;
  readonly resourceSchemaUrl: string;
  readonly scope: Scope | undefined;
  readonly scopeSchemaUrl: string;
  readonly record: LogRecord;
  readonly firstMs: number;
  lastMs: number;
  count: number;
}

export function createGathering(
  config: GatheringConfig, { id, counters, world }: ComponentContext,
): Gathering {
  const parsed = (list: readonly string[]): Field[] => list.map((text) => parseField(text)!);
  const includes = parsed(config.include_fields);
  const excludes = parsed(config.exclude_fields);
  const timeText = createTimeText(config.timezone);
  const kept = new Map<string, Kept>();
  let bytes = 0;
  const labels = { processor: id };
  const gathered = counters.counter('binnacle_log_dedup_gathered_records_total',
    'Log records that were gathered.', labels);
  const emitted = counters.counter('binnacle_log_dedup_emitted_records_total',
    'Log records that were made of them.', labels);
  counters.gauge('binnacle_log_dedup_memory_bytes', 'Bytes that what was gathered takes in memory.',
    () => bytes, labels);
  const take = (place: Omit<Kept, 'firstMs' | 'lastMs' | 'count'>, size: number, nowMs: number) => {
    gathered.add(1);
    const record = excludes.length === 0 ? place.record : without(place.record, excludes);
    const key = keyOf(place.resource, place.scope, record, includes);
    const known = kept.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.lastMs = Math.max(known.lastMs, nowMs);
      return;
    }
    kept.set(key, { ...place, record, firstMs: nowMs, lastMs: nowMs, count: 1 });
    bytes += size;
  };
  return {
    add: (batch, isChosen, nowMs) => {
      const size = limits.recordBytes
        + (limits.decodedFactor * batch.bytes.length) / Math.max(1, batch.itemCount);
      let index = 0;
      for (const group of batch.request.resourceLogs) {
        for (const scopeGroup of group.scopeLogs) {
          for (const record of scopeGroup.logRecords) {
            if (isChosen?.[index++] === false) continue;
            take({
              resource: group.resource, resourceSchemaUrl: group.schemaUrl,
              scope: scopeGroup.scope, scopeSchemaUrl: scopeGroup.schemaUrl, record,
            }, size, nowMs);
          }
        }
      }
      if (isChosen === null) return null;
      let at = 0;
      return editRecords(batch, (record) => (isChosen[at++] === true ? null : record));
    },
    bytes: () => bytes,
    batches: () => {
      const nowNs = BigInt(Math.trunc(world.clock.nowMs())) * 1_000_000n;
      emitted.add(kept.size);
      return batchesOf([...kept.values()], (one) => counted(one, nowNs, config, timeText));
    },
    clear: () => {
      kept.clear();
      bytes = 0;
    },
  };
}

function counted(
  { record, count, firstMs, lastMs }: Kept,
  nowNs: bigint,
  { log_count_attribute: countKey }: GatheringConfig,
  timeText: (ms: number) => string,
): LogRecord {
  const more: KeyValue[] = [
    { key: countKey, value: { type: 'int', value: BigInt(count) } },
    { key: 'first_observed_timestamp', value: { type: 'string', value: timeText(firstMs) } },
    { key: 'last_observed_timestamp', value: { type: 'string', value: timeText(lastMs) } },
  ];
  return {
    ...record,
    timeUnixNano: nowNs,
    observedTimeUnixNano: BigInt(Math.trunc(firstMs)) * 1_000_000n,
    attributes: more.reduce((all, { key, value }) => setAttribute(all, key, value),
      record.attributes),
  };
}

/** Records of one resource and scope stand together. */
function batchesOf(all: readonly Kept[], record: (one: Kept) => LogRecord): Batch<'logs'>[] {
  const batches: Batch<'logs'>[] = [];
  for (let at = 0; at < all.length; at += limits.recordsMax) {
    const groups = new Map<string, Kept[]>();
    for (const one of all.slice(at, at + limits.recordsMax)) {
      const place = placeKey(one.resource, one.scope);
      const group = groups.get(place);
      if (group === undefined) groups.set(place, [one]);
      else group.push(one);
    }
    const resourceLogs = [...groups.values()].map((group): ResourceLogs => ({
      resource: group[0]!.resource,
      schemaUrl: group[0]!.resourceSchemaUrl,
      scopeLogs: [{
        scope: group[0]!.scope, schemaUrl: group[0]!.scopeSchemaUrl, logRecords: group.map(record),
      }],
    }));
    batches.push(Batch.fromRequest('logs', { resourceLogs }));
  }
  return batches;
}

export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '';
  } catch {
    return false;
  }
}

/** RFC 3339 with seconds, in a time zone. */
function createTimeText(timeZone: string): (ms: number) => string {
  const ofUtc = (ms: number) => new Date(ms).toISOString().slice(0, 19);
  if (timeZone === 'UTC') return (ms) => `${ofUtc(ms)}Z`;
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  return (ms) => {
    const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')!.value;
    const parts = /GMT([+-])(\d\d):?(\d\d)?/.exec(name) ?? [];
    const [, sign = '+', hours = '00', minutes = '00'] = parts;
    const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
    return `${ofUtc(ms + offsetMs)}${offsetMs === 0 ? 'Z' : `${sign}${hours}:${minutes}`}`;
  };
}
