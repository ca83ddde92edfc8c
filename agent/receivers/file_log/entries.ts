// Records become batches of OTLP log records by way of operators: each record is an entry that the
// operators change, and what is left is gathered into one request, grouped by resource.

import { Batch } from '../../../proto/contract/batch.ts';
import type { LogRecord, Resource, ResourceLogs } from '../../../proto/otlp/model.ts';
import {
  emptyMap, toAnyValue, toAttributes, type Entry, type ValueMap,
} from './operators/entry.ts';
import type { Pipeline } from './operators/pipeline.ts';
import {
  createConversion, NUMBER_KEY, OFFSET_KEY, type Build, type BuildOptions, type Chunk, type Texts,
} from './records.ts';

export function createOperatorBuild(options: BuildOptions, pipeline: Pipeline): Build {
  const convert = createConversion(options.encoding);
  return (chunk) => {
    const { starts, ends } = chunk.spans;
    const texts = convert(chunk.bytes, chunk.spans);
    const groups = new Map<string, { resource: ValueMap; records: LogRecord[] }>();
    let dropped = 0;
    for (let index = 0; index < starts.length; index++) {
      if (starts[index] === ends[index]) continue;
      const entry = createEntry(options, chunk, texts, index);
      if (!pipeline(entry)) {
        dropped++;
        continue;
      }
      const record = toRecord(entry, chunk.observedNs);
      const key = resourceKey(entry.resource);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { resource: entry.resource, records: [record] });
      else group.records.push(record);
    }
    const resourceLogs = [...groups.values()].map(toResourceLogs);
    const batch = resourceLogs.length === 0 ? null : Batch.fromRequest('logs', { resourceLogs });
    return { batch, mended: texts.mended, dropped };
  };
}

function createEntry(
  { withNumber, withOffset }: BuildOptions,
  { bytes, spans, facts, firstNumber, offset }: Chunk,
  { converted, isBlob }: Texts,
  index: number,
): Entry {
  const start = spans.starts[index]!;
  const end = spans.ends[index]!;
  const text = converted?.[index]?.toString('utf8');
  const attributes = toMap(facts.attributes);
  if (withNumber) attributes[NUMBER_KEY] = BigInt(firstNumber + index);
  if (withOffset) attributes[OFFSET_KEY] = BigInt(offset + start);
  return {
    timeNs: 0n,
    severityNumber: 0,
    severityText: '',
    // A copy: the buffer of the file is used again.
    body: isBlob(index)
      ? Uint8Array.prototype.slice.call(bytes, start, end)
      : (text ?? bytes.toString('utf8', start, end)),
    attributes,
    resource: toMap(facts.resource),
  };
}

function toMap(pairs: Chunk['facts']['attributes']): ValueMap {
  const map = emptyMap();
  // Facts are text, whole of them.
  for (const { key, value } of pairs) map[key] = value.value as string;
  return map;
}

function toRecord(entry: Entry, observedNs: bigint): LogRecord {
  return {
    timeUnixNano: entry.timeNs,
    observedTimeUnixNano: observedNs,
    severityNumber: entry.severityNumber,
    severityText: entry.severityText,
    body: toAnyValue(entry.body),
    attributes: toAttributes(entry.attributes),
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
  };
}

/** Equal resources have equal keys; most have no or few attributes. */
function resourceKey(resource: ValueMap): string {
  return JSON.stringify(resource, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value);
}

function toResourceLogs(
  { resource, records }: { resource: ValueMap; records: LogRecord[] },
): ResourceLogs {
  const named: Resource = {
    attributes: toAttributes(resource),
    droppedAttributesCount: 0,
    entityRefs: [],
  };
  return {
    resource: named,
    scopeLogs: [{ scope: undefined, logRecords: records, schemaUrl: '' }],
    schemaUrl: '',
  };
}
