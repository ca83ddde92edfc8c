// What a person writes under `receivers.syslog`: the keys and defaults of the Collector's, with
// these differences: preserve_*_whitespaces, storage and retry_on_failure as in file_log;
// max_connections of 0 is 4096 connections.

import * as z from 'zod';
import {
  byteSize, count, duration, endpoint, fault, ignoredKey, optionalSection, strictObject,
} from '../../../config/schema.ts';
import { pattern } from '../../../config/pattern.ts';
import { serverTls } from '../../../config/tls.ts';
import { forBytes } from '../../lines/byte_pattern.ts';
import { parseEncoding } from '../../lines/encoding.ts';
import { fixedTexts } from '../../operators/fixed.ts';
import { operatorList } from '../../operators/pipeline.ts';
import { checkSyslog, syslogKeys } from '../../operators/parsers/syslog.ts';
import { retryOnFailure } from '../sending/settings.ts';

const flag = (describe: string, fallback = false) => z.boolean().describe(describe)
  .default(fallback);

/** What tcp and udp have in common. */
const input = () => ({
  listen_address: endpoint().describe('Where to listen, such as 0.0.0.0:514.'),
  add_attributes: flag('Attributes net.transport, net.peer.ip, net.peer.port, net.host.ip and '
    + 'net.host.port.'),
  one_log_per_packet: flag('What comes at one time is one message.'),
  encoding: z.string()
    .refine((name) => !['nop', undefined].includes(parseEncoding(name)?.kind),
      'is not an encoding of text')
    .describe('How the bytes of a message become text.').default('utf-8'),
  multiline: optionalSection({
    line_start_pattern: pattern('gm').describe('Begins a message.').optional(),
    line_end_pattern: pattern('gm').describe('Ends a message.').optional(),
    omit_pattern: flag('Leave what matches the pattern out of the message.'),
  }).describe('How messages are told apart, instead of by lines.'),
  preserve_leading_whitespaces: flag('Keep white space in front of a message.', true),
  preserve_trailing_whitespaces: flag('Keep white space behind a message.', true),
});

const tcp = () => optionalSection({
  ...input(),
  max_log_size: byteSize({ min: '64', max: '16MiB' })
    .describe('A longer message is split into several.').prefault('1MiB'),
  max_buffer_size: ignoredKey('buffers grow up to max_log_size'),
  max_connections: count({ max: 65_536 }).describe('Connections at a time; 0: 4096.').default(0),
  connection_idle_timeout: duration()
    .describe('A connection on which nothing comes is closed after so long; 0: never.')
    .prefault('0s'),
  tls: serverTls(),
}).describe('Messages over TCP, or TLS.');

const udp = () => optionalSection({
  ...input(),
  one_log_per_packet: flag('Accepted; a packet is a message unless multiline says otherwise.',
    true),
  async: ignoredKey('packets are read while others are worked on'),
}).describe('Messages over UDP.');

export const syslogSchema = () => strictObject({
  tcp: tcp(),
  udp: udp(),
  ...syslogKeys(),
  on_error: z.enum(['send', 'drop', 'send_quiet', 'drop_quiet'])
    .describe('A message that cannot be parsed: send it as it is, or drop it; quiet says nothing.')
    .default('send'),
  attributes: fixedTexts().describe('Attributes that every record gets; EXPR(…) is asked of '
    + 'each.').default({}),
  resource: fixedTexts().describe('Attributes of the resource; EXPR(…) is asked of each '
    + 'record.').default({}),
  operators: operatorList().default([]),
  storage: ignoredKey('nothing is kept that a storage would hold'),
  retry_on_failure: retryOnFailure(),
}).superRefine((config, ctx) => {
  if ((config.tcp === undefined) === (config.udp === undefined)) {
    fault(ctx, 'needs tcp or udp, one of them',
      'for both define two receivers, such as syslog/tcp and syslog/udp');
  }
  checkSyslog(config, ctx);
  const trailer = config.non_transparent_framing_trailer ?? null;
  if (config.udp !== undefined && (config.enable_octet_counting || trailer !== null)) {
    const key = trailer === null ? 'enable_octet_counting' : 'non_transparent_framing_trailer';
    fault(ctx, 'needs tcp', 'a packet is a message', [key]);
  }
  for (const kind of ['tcp', 'udp'] as const) {
    const multiline = config[kind]?.multiline;
    if (multiline === undefined) continue;
    const { line_start_pattern: start, line_end_pattern: end } = multiline;
    if ((start === undefined) === (end === undefined)) {
      fault(ctx, 'needs line_start_pattern or line_end_pattern, one of them', '',
        [kind, 'multiline']);
    }
    const expression = start ?? end;
    const isBytes = parseEncoding(config[kind]!.encoding)?.unitBytes === 1;
    if (isBytes && expression !== undefined && forBytes(expression) === null) {
      fault(ctx, 'may hold only ASCII in brackets, and no classes such as \\p{L}',
        'write (ä|ö) for [äö]', [kind, 'multiline']);
    }
    if (trailer !== null || config.enable_octet_counting) {
      fault(ctx, 'cannot be set together with another framing', 'leave one of them out',
        [kind, 'multiline']);
    }
  }
});

export type SyslogReceiverConfig = z.output<ReturnType<typeof syslogSchema>>;
export type InputConfig = NonNullable<SyslogReceiverConfig['tcp']>
  | NonNullable<SyslogReceiverConfig['udp']>;
