// The receiver `syslog`: messages of RFC 5424 and RFC 3164 over UDP, TCP and TLS.
//
// Promises:
// - A message that came in is handed on until it gets a final verdict; what is refused for good is
//   counted. At a stop what waits is handed on until the deadline; the rest is counted.
// - What waits is bounded in bytes. When there is no room, connections are not read, and packets
//   are dropped and counted.
// - A message that cannot be parsed becomes a record of its text, unless `on_error` drops it.
//
// Syslog has no answers: what a kill finds in memory is lost, and nobody hears of it.

import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import { formatEndpoint } from '../../../runtime/net.ts';
import { parseEncoding } from '../../lines/encoding.ts';
import { createDelivery } from '../sending/delivery.ts';
import { deliveryOptions } from '../sending/settings.ts';
import { createEnding } from '../sending/stop.ts';
import { syslogSchema, type InputConfig, type SyslogReceiverConfig } from './config.ts';
import type { Framing } from './frames.ts';
import { createInlet, type Inlet } from './inlet.ts';
import { startTcp, type Input } from './tcp.ts';
import { startUdp } from './udp.ts';

/** A packet of UDP is no longer. */
const PACKET_BYTES_MAX = 64 * 1024;

export const syslogReceiver: ReceiverFactory<SyslogReceiverConfig> = {
  kind: 'receiver',
  type: 'syslog',
  signals: ['logs'],
  get schema() {
    return syslogSchema();
  },
  create: createSyslogReceiver,
};

export function createSyslogReceiver(
  config: SyslogReceiverConfig, context: ComponentContext, next: Consumer,
): Receiver {
  const ending = createEnding();
  // What came in cannot be asked for again: it is tried until the deadline, also at a stop.
  const signals = { stopping: ending.deadline, deadline: ending.deadline };
  const delivery = createDelivery(next, context, deliveryOptions(config.retry_on_failure), signals);
  const input = (config.tcp ?? config.udp)!;
  let inlet: Inlet | undefined;
  let open: Input | undefined;
  const stop = async (): Promise<void> => {
    await open?.stop();
    await inlet?.end();
    ending.expire();
    await delivery.idle();
  };
  return {
    start: async () => {
      inlet = createInlet(config, input, { context, delivery, deadline: ending.deadline });
      open = await startInput(config, context, inlet);
    },
    stop: ending.stop(stop),
    addresses: (): Readonly<Record<string, string>> => {
      if (open === undefined) return {};
      const kind = config.udp !== undefined ? 'UDP' : config.tcp?.tls === undefined ? 'TCP' : 'TLS';
      return { [`syslog ${kind}`]: formatEndpoint(open.endpoint) };
    },
  };
}

function startInput(
  config: SyslogReceiverConfig, context: ComponentContext, inlet: Inlet,
): Promise<Input> {
  const { tcp, udp } = config;
  const setting = `receivers.${context.id}.${tcp === undefined ? 'udp' : 'tcp'}.listen_address`;
  if (udp !== undefined) {
    const framing = framingOf('lines', udp, PACKET_BYTES_MAX);
    return startUdp({ endpoint: udp.listen_address, setting, framing }, inlet);
  }
  return startTcp({
    endpoint: tcp!.listen_address,
    setting,
    framing: tcpFraming(config),
    connectionsMax: tcp!.max_connections,
    idleMs: tcp!.connection_idle_timeout,
    tls: tcp!.tls,
  }, inlet, context.world);
}

function tcpFraming(config: SyslogReceiverConfig): Framing {
  const tcp = config.tcp!;
  if (config.enable_octet_counting) return framingOf('octets', tcp, config.max_octets);
  if (config.non_transparent_framing_trailer === 'NUL') {
    return framingOf('nul', tcp, tcp.max_log_size);
  }
  const isPacket = tcp.one_log_per_packet && tcp.multiline === undefined;
  return framingOf(isPacket ? 'packet' : 'lines', tcp, tcp.max_log_size);
}

function framingOf(kind: Framing['kind'], input: InputConfig, bytesMax: number): Framing {
  return {
    kind, bytesMax,
    encoding: parseEncoding(input.encoding)!,
    multiline: input.multiline,
    trimLeading: !input.preserve_leading_whitespaces,
    trimTrailing: !input.preserve_trailing_whitespaces,
  };
}
