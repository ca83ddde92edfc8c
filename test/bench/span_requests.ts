// Requests of spans as bytes, each with ids that no other has, made from a few templates: cheap
// enough to be made while they are sent.

import { encodeRequest } from '../../proto/otlp/codec.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';

const TEMPLATES = 4;

interface Template {
  readonly bytes: Buffer;
  /** Where ids of traces and spans begin. */
  readonly idAt: readonly number[];
}

/** Makes the request of a number; the spans are about two minutes old. */
export function createSpanRequests(spansPerRequest: number): (number: number) => Buffer {
  const templates = Array.from({ length: TEMPLATES }, (_, index) =>
    templateOf(index + 1, spansPerRequest));
  return (number) => {
    const { bytes, idAt } = templates[number % templates.length]!;
    const copy = Buffer.from(bytes);
    for (const at of idAt) copy.writeInt32LE(copy.readInt32LE(at) ^ number, at);
    return copy;
  };
}

function templateOf(seed: number, spans: number): Template {
  const request = generateServiceSpans(seededRandom(seed), spans, Date.now() - 120_000);
  const bytes = Buffer.from(encodeRequest('traces', request));
  const all = request.resourceSpans[0]!.scopeSpans[0]!.spans
    .flatMap(({ traceId, spanId }) => [traceId, spanId]);
  const idAt = [...new Set(all)].flatMap((id) => {
    const wanted = Buffer.from(id, 'hex');
    const found: number[] = [];
    for (let at = -1; (at = bytes.indexOf(wanted, at + 1)) >= 0;) found.push(at);
    return found;
  });
  return { bytes, idAt };
}
