// Requests of spans that are nothing like what a web service sends, each shape for itself.

import type { KeyValue, Span } from '../../proto/otlp/model.ts';
import { encodeRequest } from '../../proto/otlp/codec.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';

export interface Shape {
  readonly spansPerRequest: number;
  readonly bytes: Uint8Array;
}

const text = (key: string, value: string): KeyValue => ({ key, value: { type: 'string', value } });

export const AWKWARD: Readonly<Record<string, Shape>> = {
  '1 span a request': shapeOf(1, (span) => span),
  '200 attributes': shapeOf(100, (span, index) => ({
    ...span,
    attributes: Array.from({ length: 200 }, (_, at) =>
      text(`app.key.${at}`, `value ${index + at}`)),
  })),
  'values of 64 KiB': shapeOf(10, (span) => ({
    ...span, attributes: [text('exception.stacktrace', 'at main\n'.repeat(8192))],
  })),
  'no ASCII': shapeOf(1000, (span) => ({
    ...span, name: 'Zürich → 東京 🚆', attributes: [text('名前', 'Привет, мир'), text('ключ', '値')],
  })),
  // Each request is walked twice, since one of its spans is refused.
  'an empty id in 100': shapeOf(1000, (span, index) =>
    (index % 100 === 0 ? { ...span, traceId: '' } : span)),
};

function shapeOf(spansPerRequest: number, change: (span: Span, index: number) => Span): Shape {
  const request = generateServiceSpans(seededRandom(1), spansPerRequest);
  const [resourceSpans] = request.resourceSpans;
  const [scopeSpans] = resourceSpans!.scopeSpans;
  const spans = scopeSpans!.spans.map(change);
  const bytes = encodeRequest('traces', {
    resourceSpans: [{ ...resourceSpans!, scopeSpans: [{ ...scopeSpans!, spans }] }],
  });
  return { spansPerRequest, bytes };
}
