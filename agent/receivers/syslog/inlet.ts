// What messages come in by, whatever they come over: they wait in memory, become records, and are
// handed on. Nobody hears of it: syslog has no answer.

import { createEntryBatches } from '../../operators/batches.ts';
import { createEntry, emptyMap, setField, type Entry } from '../../operators/entry.ts';
import { settersOf, textsOf } from '../../operators/fixed.ts';
import { createSyslog } from '../../operators/parsers/syslog.ts';
import { createDecoder, parseEncoding } from '../../lines/encoding.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { createBacklog } from '../sending/backlog.ts';
import type { Delivery } from '../sending/delivery.ts';
import type { InputConfig, SyslogReceiverConfig } from './config.ts';

export const limits = {
  /** Bytes of messages that wait: over TCP their senders wait then, over UDP they are dropped. */
  tcpBytesMax: 4 * 1024 * 1024,
  udpBytesMax: 16 * 1024 * 1024,
  /** What a message takes besides its bytes, about. */
  messageBytes: 200,
} as const;

const LOG_INTERVAL_MS = 60_000;

/** Why messages, or what was no message, went no further. */
export type DropReason = 'full' | 'broken' | 'unfinished' | 'handshake' | 'unparsed' | 'stopped';

export interface Peer {
  readonly transport: 'IP.TCP' | 'IP.UDP';
  readonly peerIp: string;
  readonly peerPort: number;
  readonly hostIp: string;
  readonly hostPort: number;
}

interface Message {
  readonly bytes: Buffer;
  readonly peer: Peer;
}

export interface Inlet {
  add(message: Buffer, peer: Peer): void;
  full(): boolean;
  /** Resolves when it is not full, or with false when it is over. */
  room(): Promise<boolean>;
  dropped(reason: DropReason): void;
  /** Nothing more comes: resolves when all was handed on, or when it is over. */
  end(): Promise<void>;
}

export interface InletParts {
  readonly context: ComponentContext;
  readonly delivery: Delivery;
  /** Fires when nothing is waited for any more. */
  readonly deadline: AbortSignal;
}

export function createInlet(
  config: SyslogReceiverConfig, input: InputConfig, { context, delivery, deadline }: InletParts,
): Inlet {
  const { counters, id, world: { clock } } = context;
  const received = counters.counter('binnacle_syslog_received_messages_total',
    'Messages that came in.', { receiver: id });
  const dropped = (reason: DropReason, count = 1): void =>
    counters.counter('binnacle_syslog_dropped_messages_total',
      'Messages, or what was none, that went no further.', { receiver: id, reason }).add(count);
  const entryOf = createReader(config, input, context, dropped);
  let waiting = 0;
  const backlog = createBacklog<Message>({
    batches: createEntryBatches(
      [...settersOf(config.attributes, config.resource), ...config.operators], context),
    delivery, clock,
    stopping: deadline,
    bytesMax: config.tcp === undefined ? limits.udpBytesMax : limits.tcpBytesMax,
    entryOf,
    mark: (batch) => batch,
    done: (messages) => {
      waiting -= messages.length;
    },
  });
  return {
    add: (bytes, peer) => {
      received.add(1);
      waiting++;
      // A copy: the buffer that it came in is larger.
      backlog.add({ bytes: Buffer.from(bytes), peer }, bytes.length + limits.messageBytes);
    },
    full: backlog.full,
    room: backlog.room,
    dropped,
    end: async () => {
      await backlog.end();
      if (waiting > 0) dropped('stopped', waiting);
      waiting = 0;
    },
  };
}

/** From a message to its entry; null when it cannot be parsed and is to be dropped. */
function createReader(
  config: SyslogReceiverConfig, input: InputConfig, context: ComponentContext,
  dropped: (reason: DropReason) => void,
): (message: Message) => Entry | null {
  const { clock } = context.world;
  const log = rateLimited(context.log, clock, LOG_INTERVAL_MS);
  const errors = context.counters.counter('binnacle_syslog_unparsed_messages_total',
    'Messages that are not of the protocol.', { receiver: context.id });
  const parse = createSyslog(config, clock);
  const decode = createDecoder(parseEncoding(input.encoding)!);
  const resource = Object.assign(emptyMap(), textsOf(config.resource));
  const fixed = textsOf(config.attributes);
  const drops = config.on_error.startsWith('drop');
  const isQuiet = config.on_error.endsWith('_quiet');
  return ({ bytes, peer }) => {
    const text = decode(bytes, 0, bytes.length);
    const attributes = Object.assign(emptyMap(), fixed);
    if (input.add_attributes) Object.assign(attributes, peerAttributes(peer));
    const entry = createEntry(text, attributes, resource);
    const parsed = parse(text, entry);
    if (typeof parsed !== 'string') {
      setField(entry, { root: 'attributes', keys: [] }, parsed.value);
      return entry;
    }
    errors.add(1);
    if (!isQuiet) log.warn(`cannot parse a message: ${parsed}`);
    if (!drops) return entry;
    dropped('unparsed');
    return null;
  };
}

const peerAttributes = ({ transport, peerIp, peerPort, hostIp, hostPort }: Peer) => ({
  'net.transport': transport,
  'net.peer.ip': peerIp, 'net.peer.port': String(peerPort),
  'net.host.ip': hostIp, 'net.host.port': String(hostPort),
});
