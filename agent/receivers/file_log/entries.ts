// Records become batches of OTLP log records by way of operators: each record is an entry that the
// operators change, and what is left of it is written to the bytes of the request at once, grouped
// by resource.

import { Batch } from '../../../proto/contract/batch.ts';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import { EncodeError, Writer } from '../../../proto/protobuf/writer.ts';
import { emptyMap, encodeMap, encodeValue, type Entry, type ValueMap } from './operators/entry.ts';
import type { Pipeline } from './operators/pipeline.ts';
import {
  createConversion, joinGroups, NUMBER_KEY, OFFSET_KEY, type Build, type BuildOptions, type Chunk,
  type Texts,
} from './records.ts';

export interface OperatorBuildOptions extends BuildOptions {
  /** Whether any operator can change the resource. */
  readonly changesResource: boolean;
}

export function createOperatorBuild(options: OperatorBuildOptions, pipeline: Pipeline): Build {
  const convert = createConversion(options.encoding);
  let bytesHint = GROUP_BYTES_HINT;
  return (chunk) => {
    const { starts, ends } = chunk.spans;
    const texts = convert(chunk.bytes, chunk.spans);
    const shared = toMap(chunk.facts.resource);
    const groups = new Map<string, Group>();
    let dropped = 0;
    for (let index = 0; index < starts.length; index++) {
      if (starts[index] === ends[index]) continue;
      const resource = options.changesResource ? toMap(chunk.facts.resource) : shared;
      const entry = createEntry(options, chunk, { texts, index, resource });
      if (!pipeline(entry)) {
        dropped++;
        continue;
      }
      const key = options.changesResource ? resourceKey(entry.resource) : '';
      let group = groups.get(key);
      if (group === undefined) {
        group = { resource: entry.resource, scope: new Writer(bytesHint) };
        group.scope.depth = OUTER_DEPTH;
        groups.set(key, group);
      }
      if (!encodeEntry(group.scope, entry, chunk.observedNs)) dropped++;
    }
    const filled = [...groups.values()].filter(({ scope }) => scope.position > 0);
    const largest = filled.reduce((most, { scope }) => Math.max(most, scope.position), 0);
    bytesHint = Math.min(GROUP_BYTES_HINT_MAX, Math.max(GROUP_BYTES_HINT, largest * 1.125));
    const bytes = filled.length === 0 ? null : joinGroups(filled.map(toEncoded));
    const batch = bytes === null ? null : Batch.fromBytes('logs', bytes);
    return { batch, mended: texts.mended, dropped };
  };
}

interface Group {
  readonly resource: ValueMap;
  /** The records, as they stand in ScopeLogs. */
  readonly scope: Writer;
}

/** A first guess; the buffer grows from there. Later ones are what the largest group took. */
const GROUP_BYTES_HINT = 16 * 1024;
const GROUP_BYTES_HINT_MAX = 4 * 1024 * 1024;
/** ResourceLogs and ScopeLogs, which are put around the records later. */
const OUTER_DEPTH = 2;

function createEntry(
  { withNumber, withOffset }: BuildOptions,
  { bytes, spans, facts, firstNumber, offset }: Chunk,
  { texts: { converted, isBlob }, index, resource }:
    { texts: Texts; index: number; resource: ValueMap },
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
    resource,
  };
}

function toMap(pairs: readonly KeyValue[]): ValueMap {
  const map = emptyMap();
  // Facts are text, whole of them.
  for (const { key, value } of pairs) map[key] = value.value as string;
  return map;
}

/** False when operators have nested values deeper than any reader takes; nothing is written. */
function encodeEntry(writer: Writer, entry: Entry, observedNs: bigint): boolean {
  const start = writer.position;
  try {
    writeEntry(writer, entry, observedNs);
    return true;
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    writer.position = start;
    writer.depth = OUTER_DEPTH;
    return false;
  }
}

function writeEntry(writer: Writer, entry: Entry, observedNs: bigint): void {
  const mark = writer.open((2 << 3) | 2, 2);
  writer.fixed64Field((1 << 3) | 1, entry.timeNs);
  writer.int32Field((2 << 3) | 0, entry.severityNumber);
  writer.stringField((3 << 3) | 2, entry.severityText);
  encodeValue(writer, (5 << 3) | 2, entry.body);
  encodeMap(writer, (6 << 3) | 2, entry.attributes);
  writer.fixed64Field((11 << 3) | 1, observedNs);
  writer.close(mark);
}

/** Equal resources have equal keys; most have no or few attributes. */
function resourceKey(resource: ValueMap): string {
  return JSON.stringify(resource, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value);
}

function toEncoded({ resource, scope }: Group): { resource: Uint8Array; scope: Writer } {
  const writer = new Writer(256);
  const mark = writer.open((1 << 3) | 2, 1);
  encodeMap(writer, (1 << 3) | 2, resource);
  writer.close(mark);
  return { resource: writer.finish(), scope };
}
