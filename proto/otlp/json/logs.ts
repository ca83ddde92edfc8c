// The JSON form of logs.

import type { LogRecord, LogsRequest, ResourceLogs, ScopeLogs } from '../model.ts';
import { field, list, message, optional } from './fields.ts';
import type { Kind } from './fields.ts';
import { ENUM, ID, STRING, UINT32, UINT64 } from './scalars.ts';
import { ANY_VALUE, KEY_VALUE, RESOURCE, SCOPE } from './value.ts';

const LOG_RECORD = message<LogRecord>({
  timeUnixNano: field(UINT64, 0n),
  observedTimeUnixNano: field(UINT64, 0n),
  severityNumber: field(ENUM, 0),
  severityText: field(STRING, ''),
  body: optional(ANY_VALUE),
  attributes: list(KEY_VALUE),
  droppedAttributesCount: field(UINT32, 0),
  flags: field(UINT32, 0),
  traceId: field(ID, ''),
  spanId: field(ID, ''),
  eventName: field(STRING, ''),
});

const SCOPE_LOGS = message<ScopeLogs>({
  scope: optional(SCOPE),
  logRecords: list(LOG_RECORD),
  schemaUrl: field(STRING, ''),
});

const RESOURCE_LOGS = message<ResourceLogs>({
  resource: optional(RESOURCE),
  scopeLogs: list(SCOPE_LOGS),
  schemaUrl: field(STRING, ''),
});

export const LOGS_JSON: Kind<LogsRequest> = message<LogsRequest>({
  resourceLogs: list(RESOURCE_LOGS),
});
