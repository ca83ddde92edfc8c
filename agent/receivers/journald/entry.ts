// An entry of the journal, as journalctl prints it in JSON, becomes a log record:
//
//     {"__CURSOR":"s=…;i=…","__REALTIME_TIMESTAMP":"1700000000000000","PRIORITY":"6",
//      "MESSAGE":"started","_SYSTEMD_UNIT":"a.service", …}
//
// The body is the map of all fields but __REALTIME_TIMESTAMP, which is the time of the record, as
// in the Collector. A field that is too long is null (`all` has it whole), one that is not text a
// list of its bytes, one that is there several times a list. The severity is that of PRIORITY, by
// the mapping of syslog in the log data model of OpenTelemetry (appendix B).

import {
  createEntry, emptyMap, type Entry, type Value, type ValueMap,
} from '../../operators/entry.ts';

export interface EntryOptions {
  readonly attributes: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  /** A MESSAGE that is a list of bytes becomes text. */
  readonly convertMessage: boolean;
}

const TIME = '__REALTIME_TIMESTAMP';
const MESSAGE = 'MESSAGE';

const SEVERITIES: ReadonlyMap<unknown, readonly [number, string]> = new Map([
  ['0', [21, 'emerg']], ['1', [19, 'alert']], ['2', [18, 'crit']], ['3', [17, 'err']],
  ['4', [13, 'warning']], ['5', [10, 'notice']], ['6', [9, 'info']], ['7', [5, 'debug']],
]);

/** Null for a line that is no entry. */
export function createEntryReader(
  { attributes, resource, convertMessage }: EntryOptions,
): (line: Buffer) => Entry | null {
  const shared = toMap(resource);
  return (line) => {
    const fields = parseLine(line);
    const microseconds = fields?.[TIME];
    if (fields === null || !isDigits(microseconds)) return null;
    const body = emptyMap();
    for (const key of Object.keys(fields)) {
      if (key !== TIME) body[key] = toValue(fields[key]);
    }
    const message = body[MESSAGE];
    if (convertMessage && isByteList(message)) body[MESSAGE] = Buffer.from(message).toString();
    const entry = createEntry(body, toMap(attributes), shared);
    entry.timeNs = BigInt(microseconds) * 1000n;
    const [number, text] = SEVERITIES.get(fields['PRIORITY']) ?? [0, ''];
    entry.severityNumber = number;
    entry.severityText = text;
    return entry;
  };
}

/** The cursor of a line; null when it is none of an entry. */
export function cursorOf(line: Buffer): string | null {
  const cursor = parseLine(line)?.['__CURSOR'];
  return typeof cursor === 'string' && cursor !== '' ? cursor : null;
}

function parseLine(line: Buffer): Record<string, unknown> | null {
  try {
    const fields: unknown = JSON.parse(line.toString('utf8'));
    const isMap = typeof fields === 'object' && fields !== null && !Array.isArray(fields);
    return isMap ? fields as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

const isDigits = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{1,18}$/.test(value);

const isByteList = (value: Value | undefined): value is readonly number[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'number');

function toValue(value: unknown): Value {
  if (Array.isArray(value)) return value.map(toValue);
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

function toMap(texts: Readonly<Record<string, string>>): ValueMap {
  const map = emptyMap();
  for (const key of Object.keys(texts)) map[key] = texts[key]!;
  return map;
}
