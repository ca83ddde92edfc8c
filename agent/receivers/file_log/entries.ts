// Records become entries that operators work on. What every record says of its file is the same for
// all of a file, but each entry gets attributes of its own, since operators change them in place.

import {
  createEntry, emptyMap, type Entry, type ValueMap,
} from '../../operators/entry.ts';
import type { EntryBatches } from '../../operators/batches.ts';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import {
  createConversion, NUMBER_KEY, OFFSET_KEY, type Build, type BuildOptions, type Chunk, type Texts,
} from './records.ts';

export function createOperatorBuild(options: BuildOptions, batches: EntryBatches): Build {
  const convert = createConversion(options.encoding);
  return (chunk) => {
    const { spans: { starts, ends }, facts, observedNs, isDue } = chunk;
    const texts = convert(chunk.bytes, chunk.spans);
    const resource = toMap(facts.resource);
    const built = batches.build({
      count: starts.length,
      entry: (index) => starts[index] === ends[index] ? null
        : toEntry(options, chunk, { texts, index, resource }),
      observedNs, isDue,
    });
    return { ...built, mended: texts.mended };
  };
}

function toEntry(
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
  // A copy: the buffer of the file is used again.
  const body = isBlob(index)
    ? Uint8Array.prototype.slice.call(bytes, start, end)
    : (text ?? bytes.toString('utf8', start, end));
  return createEntry(body, attributes, resource);
}

function toMap(pairs: readonly KeyValue[]): ValueMap {
  const map = emptyMap();
  // Facts are text, whole of them.
  for (const { key, value } of pairs) map[key] = value.value as string;
  return map;
}
