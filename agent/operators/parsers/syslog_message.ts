// Messages of syslog, both kinds.
//
//   RFC 5424   <34>1 2026-01-02T03:04:05.123Z host app 123 ID47 [id a="b"][…] text
//   RFC 3164   <34>Jan  2 03:04:05 host app[123]: text
//
//   34 = facility 4 * 8 + severity 2; `-` stands for what is not known (RFC 5424 only).
//
// What does not follow the grammar is answered with what is wrong, never thrown. Of RFC 3164, which
// describes what was seen rather than what is right, the time may also be one of RFC 3339, as
// rsyslog sends it, and the tag may be missing.

import { emptyMap, type ValueMap } from '../entry.ts';

export interface SyslogMessage {
  /** Null when the message has none and may have none. */
  readonly priority: number | null;
  readonly version?: number;
  /** As it stands there; undefined when it is not known. */
  readonly time: string | undefined;
  readonly hostname: string | undefined;
  readonly appname: string | undefined;
  readonly procId: string | undefined;
  readonly msgId: string | undefined;
  readonly structuredData: ValueMap | undefined;
  readonly message: string | undefined;
}

const PRIORITY_MAX = 191;

interface Priority {
  readonly priority: number | null;
  readonly rest: string;
}

function readPriority(text: string, mayMiss: boolean): Priority | string {
  const match = /^<(0|[1-9]\d{0,2})>/.exec(text);
  if (match === null) {
    return mayMiss && !text.startsWith('<') ? { priority: null, rest: text }
      : 'the message does not begin with a priority';
  }
  const priority = Number(match[1]);
  if (priority > PRIORITY_MAX) return 'the priority is beyond 191';
  return { priority, rest: text.slice(match[0].length) };
}

const known = (part: string | undefined): string | undefined =>
  (part === '-' || part === '' ? undefined : part);

const HEADER = new RegExp('^([1-9]\\d{0,2}) (-|\\d{4}-\\d{2}-\\d{2}T\\S{9,32}) ([!-~]{1,255}) '
  + '([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32})(?: |$)');

/** Or what is wrong with it. */
export function parseRfc5424(text: string, mayMissPriority: boolean): SyslogMessage | string {
  const begun = readPriority(text, mayMissPriority);
  if (typeof begun === 'string') return begun;
  const { priority, rest } = begun;
  const match = HEADER.exec(rest);
  if (match === null) return 'the header is not that of RFC 5424';
  const [head, version, time, hostname, appname, procId, msgId] = match;
  const data = readStructuredData(rest, head.length);
  if (data === null) return 'the structured data is broken';
  // A byte order mark says that what follows is UTF-8, and is no part of it.
  const message = rest.slice(data.end).replace(/^ ?\ufeff?/, '');
  return {
    priority, version: Number(version), time: known(time), hostname: known(hostname),
    appname: known(appname), procId: known(procId), msgId: known(msgId),
    structuredData: data.elements, message: message === '' ? undefined : message,
  };
}

interface StructuredData {
  readonly elements: ValueMap | undefined;
  /** Where it ends. */
  readonly end: number;
}

function readStructuredData(text: string, start: number): StructuredData | null {
  if (text[start] === '-') return isEnd(text, start + 1) ? { elements: undefined, end: start + 1 }
    : null;
  // A header alone, whose fields are all that there is, is taken for one without data.
  if (start >= text.length) return { elements: undefined, end: text.length };
  const elements = emptyMap();
  const element = /\[([!-~]{1,32}?)(?=[ \]])/y;
  const parameter = / +([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\.)*)"/sy;
  let at = start;
  while (text[at] === '[') {
    element.lastIndex = at;
    const id = element.exec(text);
    if (id === null) return null;
    const values = emptyMap();
    at = element.lastIndex;
    parameter.lastIndex = at;
    for (let found = parameter.exec(text); found !== null; found = parameter.exec(text)) {
      values[found[1]!] = found[2]!.replace(/\\(["\\\]])/g, '$1');
      at = parameter.lastIndex;
    }
    if (text[at] !== ']') return null;
    at++;
    elements[id[1]!] = values;
  }
  return at > start && isEnd(text, at) ? { elements, end: at } : null;
}

const isEnd = (text: string, at: number): boolean => at === text.length || text[at] === ' ';

const STAMP = new RegExp('^([A-Z][a-z]{2} [ \\d]\\d \\d{2}:\\d{2}:\\d{2}'
  + '|\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d{1,9})?(?:Z|[+-]\\d{2}:\\d{2})) ');
const TAG = /^([^\s:[\]]{1,128})(?:\[([^\]\s]{0,128})\])?:(?: |$)/;

/** Or what is wrong with it. */
export function parseRfc3164(text: string, mayMissPriority: boolean): SyslogMessage | string {
  const begun = readPriority(text, mayMissPriority);
  if (typeof begun === 'string') return begun;
  const stamp = STAMP.exec(begun.rest);
  if (stamp === null) return 'the time is not that of RFC 3164';
  const rest = begun.rest.slice(stamp[0].length);
  const space = rest.indexOf(' ');
  const hostname = space === -1 ? rest : rest.slice(0, space);
  const content = space === -1 ? '' : rest.slice(space + 1);
  const tag = TAG.exec(content);
  const message = content.slice(tag?.[0].length ?? 0);
  return {
    priority: begun.priority, time: stamp[1], hostname: known(hostname), appname: tag?.[1],
    procId: known(tag?.[2]), msgId: undefined, structuredData: undefined,
    message: message === '' ? undefined : message,
  };
}
