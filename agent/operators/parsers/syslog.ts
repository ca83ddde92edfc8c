// syslog_parser: a text as RFC 5424 or RFC 3164, into the attributes that the Collector makes of
// it: appname, facility, hostname, message, msg_id, priority, proc_id, structured_data, version;
// time and severity become those of the record. Ours besides: facility_text, the facility's name.

import * as z from 'zod';
import { byteSize, fault } from '../../../config/schema.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { parseZone } from '../../times/zone.ts';
import { emptyMap, type Entry, type Value, type ValueMap } from '../entry.ts';
import { parserKeys, parserStep, type Parsed } from '../parser.ts';
import { stepOperator } from '../step.ts';
import { createTimeReader } from '../time.ts';
import { parseRfc3164, parseRfc5424, type SyslogMessage } from './syslog_message.ts';

/** What the receiver syslog has, too. */
export const syslogKeys = () => ({
  protocol: z.enum(['rfc3164', 'rfc5424']).describe('Which of the two kinds the messages are.'),
  location: z.string().refine((zone) => parseZone(zone) !== null, 'is not a time zone; write '
    + 'Local, UTC or a name such as Europe/Berlin')
    .describe('Time zone of times without one (RFC 3164).').default('UTC'),
  enable_octet_counting: z.boolean()
    .describe('Each message has its length in front (RFC 6587, 3.4.1; RFC 5424 only).')
    .default(false),
  allow_skip_pri_header: z.boolean().describe('Take messages without priority: they get no '
    + 'severity.').default(false),
  non_transparent_framing_trailer: z.enum(['LF', 'NUL']).nullable()
    .describe('What ends a message (RFC 6587, 3.4.2; RFC 5424 only).').optional(),
  max_octets: byteSize({ min: '1', max: '16MiB' })
    .describe('Bytes of a message with its length in front; a longer one is an error.')
    .prefault('8192'),
});

export interface SyslogConfig {
  readonly protocol: 'rfc3164' | 'rfc5424';
  readonly location: string;
  readonly enable_octet_counting: boolean;
  readonly allow_skip_pri_header: boolean;
  readonly non_transparent_framing_trailer?: 'LF' | 'NUL' | null | undefined;
  readonly max_octets: number;
}

/** Reports what does not go together. */
export function checkSyslog(config: SyslogConfig, ctx: z.core.$RefinementCtx<unknown>): void {
  const trailer = config.non_transparent_framing_trailer ?? null;
  const { enable_octet_counting: counting, allow_skip_pri_header: skips, protocol } = config;
  const say = (key: string, why: string) => fault(ctx, why, 'leave one of them out', [key]);
  if (protocol === 'rfc3164' && counting) say('enable_octet_counting', 'needs protocol rfc5424');
  if (protocol === 'rfc3164' && trailer !== null) {
    say('non_transparent_framing_trailer', 'needs protocol rfc5424');
  }
  if (counting && trailer !== null) {
    say('non_transparent_framing_trailer', 'cannot be set with enable_octet_counting');
  }
  if (counting && skips) {
    say('allow_skip_pri_header', 'cannot be set with enable_octet_counting');
  }
}

export const syslogParser = stepOperator({
  keys: () => ({ ...parserKeys(), ...syslogKeys() }),
  check: checkSyslog,
  create: (config, making) => {
    const parse = createSyslog(config, making.clock);
    return parserStep(config, making, (text, entry) => {
      const unframed = withoutFrame(config, text);
      return unframed === null ? 'the length in front is not that of the message'
        : parse(unframed, entry);
    });
  },
});

/** The message without what frames it; null when the length does not fit. */
function withoutFrame(config: SyslogConfig, text: string): string | null {
  if (config.enable_octet_counting) {
    const match = /^([1-9]\d{0,8}) /.exec(text);
    if (match === null) return null;
    const bytes = Buffer.from(text.slice(match[0].length), 'utf8');
    const length = Number(match[1]);
    if (bytes.length < length || length > config.max_octets) return null;
    return bytes.toString('utf8', 0, length);
  }
  const trailer = config.non_transparent_framing_trailer ?? null;
  if (trailer === null) return text;
  const end = trailer === 'LF' ? '\n' : '\0';
  return text.endsWith(end) ? text.slice(0, -1) : text;
}

/** From a message without frame to attributes; sets time and severity. */
export function createSyslog(
  { protocol, location, allow_skip_pri_header: mayMiss }: SyslogConfig, clock: Clock,
): (text: string, entry: Entry) => Parsed {
  const parse = protocol === 'rfc5424' ? parseRfc5424 : parseRfc3164;
  const zones = { location, time_zone_locations: {} };
  const readStamp = createTimeReader(
    { layout_type: 'strptime', layout: '%b %e %H:%M:%S', ...zones }, clock);
  const readRfc3339 = createTimeReader(
    { layout_type: 'gotime', layout: '2006-01-02T15:04:05Z07:00', ...zones }, clock);
  return (text, entry) => {
    const message = parse(text, mayMiss);
    if (typeof message === 'string') return message;
    const { time, priority } = message;
    const read = time === undefined || /^\d/.test(time) ? readRfc3339 : readStamp;
    const timeNs = time === undefined ? 0n : read(time);
    if (timeNs === null || timeNs < 0n) return 'the time of the message is none';
    entry.timeNs = timeNs;
    if (priority !== null) setSeverity(entry, priority % 8);
    return { value: toMap(message) };
  };
}

/** The Collector's numbers: emerg is FATAL, alert ERROR3, …, debug DEBUG. */
const SEVERITIES: readonly (readonly [number, string])[] = [
  [21, 'emerg'], [19, 'alert'], [18, 'crit'], [17, 'err'], [13, 'warning'], [10, 'notice'],
  [9, 'info'], [5, 'debug'],
];

function setSeverity(entry: Entry, severity: number): void {
  const [number, text] = SEVERITIES[severity]!;
  entry.severityNumber = number;
  entry.severityText = text;
}

const FACILITIES = [
  'kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv',
  'ftp', 'ntp', 'security', 'console', 'solaris-cron', 'local0', 'local1', 'local2', 'local3',
  'local4', 'local5', 'local6', 'local7',
];

function toMap(message: SyslogMessage): ValueMap {
  const { priority, version } = message;
  const map = emptyMap();
  const put = (key: string, value: Value | undefined) => {
    if (value !== undefined) map[key] = value;
  };
  put('appname', message.appname);
  if (priority !== null) {
    map['facility'] = BigInt(priority >> 3);
    map['facility_text'] = FACILITIES[priority >> 3]!;
  }
  put('hostname', message.hostname);
  put('message', message.message);
  put('msg_id', message.msgId);
  if (priority !== null) map['priority'] = BigInt(priority);
  put('proc_id', message.procId);
  put('structured_data', message.structuredData);
  if (version !== undefined) map['version'] = BigInt(version);
  return map;
}
