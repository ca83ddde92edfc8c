// Removes attributes that are not allowed and masks values that are blocked, as the Collector's
// processor of this name does: in resources, scopes, spans and their events, log records and their
// bodies, data points. A batch in which nothing changes is handed on as it came.

import { Batch } from '../../../proto/contract/batch.ts';
import type { ProcessorFactory } from '../../../proto/contract/component.ts';
import { rejected } from '../../../proto/contract/outcome.ts';
import { envelopeOf } from '../../../proto/otlp/codec.ts';
import {
  SIGNALS, type Attributes, type LogRecord, type Metric, type Signal, type Span,
} from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { mapList } from '../edit/actions.ts';
import { editAttributes } from '../edit/records.ts';
import { createSchema, type RedactionConfig } from './config.ts';
import { createRedaction, type Redaction } from './redact.ts';
import { cleanUrl } from './statements.ts';
import { systemOf } from './values.ts';

export const redactionProcessor: ProcessorFactory<RedactionConfig> = {
  kind: 'processor',
  type: 'redaction',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, _context, next) => {
    const redaction = createRedaction(config);
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        let redacted: Batch;
        try {
          redacted = redactBatch(batch, redaction, config);
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          throw error;
        }
        return next.consume(redacted, abort);
      },
    };
  },
};

function redactBatch<S extends Signal>(
  batch: Batch<S>,
  redaction: Redaction,
  config: RedactionConfig,
): Batch<S> {
  const envelope = envelopeOf(batch.signal);
  const around = <T extends { readonly attributes: Attributes }>(one: T | undefined) =>
    (one === undefined ? one : editAttributes(one, redaction.attributes));
  const before = envelope.groups(batch.request);
  const groups = mapList(before, (group) => {
    const resource = around(group.resource);
    const old = envelope.scopes(group);
    const scopes = mapList(old, (scope) => {
      const outer = around(scope.scope);
      const records = envelope.records(scope);
      const redacted = mapList(records, (record) =>
        redactRecord(batch.signal, record, redaction, config));
      return outer === scope.scope && redacted === records ? scope
        : envelope.scope(outer, redacted, scope.schemaUrl);
    });
    return resource === group.resource && scopes === old ? group
      : envelope.group(resource, scopes, group.schemaUrl);
  });
  if (groups === before) return batch;
  return Batch.fromRequest(batch.signal, envelope.request(groups), batch.origins);
}

function redactRecord(
  signal: Signal,
  record: unknown,
  redaction: Redaction,
  config: RedactionConfig,
): unknown {
  switch (signal) {
    case 'logs': return redactLog(record as LogRecord, redaction);
    case 'traces': return redactSpan(record as Span, redaction, config);
    case 'metrics': return editAttributes(record as Metric, redaction.attributes);
  }
}

function redactLog(record: LogRecord, redaction: Redaction): LogRecord {
  const edited = editAttributes(record, redaction.attributes);
  if (edited.body === undefined) return edited;
  const { body, attributes } = redaction.body(edited.body, edited.attributes);
  return body === edited.body && attributes === edited.attributes ? edited
    : { ...edited, body, attributes };
}

function redactSpan(span: Span, redaction: Redaction, config: RedactionConfig): Span {
  const edited = editAttributes(span, redaction.attributes);
  const events = mapList(span.events, (event) => editAttributes(event, redaction.attributes));
  const name = redaction.values.isAllowed(span.name) ? span.name
    : spanName(edited, redaction, config);
  return events === span.events && name === span.name ? edited : { ...edited, events, name };
}

const CLIENT = 3;
const SERVER = 2;
const HTTP_KEYS = new Set([
  'http.route', 'http.request.method', 'http.request.method_original', 'http.response.status_code',
  'url.full', 'http.scheme', 'http.target', 'http.method', 'http.url',
]);

/** Names that are paths or statements; one of which nothing would be left stays. */
function spanName(span: Span, { values }: Redaction, config: RedactionConfig): string {
  const { name, kind, attributes } = span;
  const { url_sanitizer: url, db_sanitizer: database } = config;
  if (url.enabled && url.sanitize_span_name && (kind === CLIENT || kind === SERVER)) {
    if (name.includes('/') || attributes.some(({ key }) => HTTP_KEYS.has(key))) {
      const clean = cleanUrl(name);
      if (clean !== name && /[^/*]/.test(clean)) return clean;
    }
  }
  if (!database.sanitize_span_name || kind !== CLIENT) return name;
  const clean = values.statement(name, systemOf(attributes));
  return clean === '' || clean === '...' ? name : clean;
}
