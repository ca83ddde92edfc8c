// Interfaces from net/dev, TCP connections from net/tcp and net/tcp6 (proc_net(5)).
//
//     eth0: bytes packets errs drop fifo frame compressed multicast  bytes packets errs drop …
//           (receive: 8 numbers)                                     (transmit: 8 numbers)
//
//       0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 …      (addresses in hex, then state)
//
// States are named as in the Collector on Linux; all twelve are always told, with 0 when there is
// no such connection. The tables have one line for each connection and can be long, so only the
// two digits of the state are looked at.

import type { Attributes } from '../../../../proto/otlp/model.ts';
import type { Accepts } from '../filter.ts';
import { fields, number, type Host } from '../host.ts';
import {
  NO_ATTRIBUTES, pair, text, type MetricDefinition, type Sample,
} from '../../readings/readings.ts';
import { hostScraper, type Scraper, type Wanted } from '../scraper.ts';

const counter = { kind: 'counter', value: 'int', enabled: true } as const;
const table = { unit: '{entries}', kind: 'level', value: 'int', enabled: false } as const;

export const networkMetrics: readonly MetricDefinition[] = [
  {
    ...counter, name: 'system.network.io', unit: 'By',
    description: 'Bytes received and transmitted by the interface.',
  },
  {
    ...counter, name: 'system.network.packets', unit: '{packets}',
    description: 'Packets received and transmitted by the interface.',
  },
  {
    ...counter, name: 'system.network.errors', unit: '{errors}',
    description: 'Errors of the interface while receiving and transmitting.',
  },
  {
    ...counter, name: 'system.network.dropped', unit: '{packets}',
    description: 'Packets that the interface dropped.',
  },
  {
    name: 'system.network.connections', unit: '{connections}', kind: 'level', value: 'int',
    enabled: true, description: 'TCP connections in each state.',
  },
  {
    ...table, name: 'system.network.conntrack.count',
    description: 'Connections that the packet filter keeps track of.',
  },
  {
    ...table, name: 'system.network.conntrack.max',
    description: 'Connections that the packet filter can keep track of.',
  },
];

const CONNTRACK = '/proc/sys/net/netfilter/nf_conntrack_';

export function createNetworkScraper(host: Host, accepts: Accepts, wanted: Wanted): Scraper {
  return hostScraper('network', host, async (problems) => {
    const folder = await host.networkFolder();
    const samples = interfaceSamples(host.readNow(`${folder}/dev`), accepts);
    if (wanted('system.network.connections')) {
      const tables = [
        await host.readIfThere(`${folder}/tcp`), await host.readIfThere(`${folder}/tcp6`),
      ];
      samples.push(...connectionSamples(tables.filter((one) => one !== null)));
    }
    for (const name of ['count', 'max']) {
      const metric = `system.network.conntrack.${name}`;
      if (!wanted(metric)) continue;
      const content = host.readNowIfThere(`${CONNTRACK}${name}`);
      if (content === null) problems.push('cannot read conntrack: its module is not loaded');
      else samples.push({ metric, value: number(content.trim()), attributes: NO_ATTRIBUTES });
    }
    return samples;
  });
}

export function interfaceSamples(dev: string, accepts: Accepts): Sample[] {
  return dev.split('\n').flatMap((line) => {
    // An alias has a colon of its own: `eth0:1:`.
    const end = line.lastIndexOf(':');
    const device = line.slice(0, end).trim();
    const numbers = fields(line.slice(end + 1)).map(number);
    if (end === -1 || device === '' || numbers.length < 16) return [];
    if (!numbers.every(Number.isFinite) || !accepts(device)) return [];
    const both = directions(device);
    const at = (index: number): [number, number] => [numbers[index]!, numbers[index + 8]!];
    return [
      ...pair('system.network.io', both, at(0)),
      ...pair('system.network.packets', both, at(1)),
      ...pair('system.network.errors', both, at(2)),
      ...pair('system.network.dropped', both, at(3)),
    ];
  });
}

export function directions(device: string): [Attributes, Attributes] {
  const own = text('device', device);
  return [[own, text('direction', 'receive')], [own, text('direction', 'transmit')]];
}

/** By the number in the table (include/net/tcp_states.h); 12 is a connection being opened. */
const TCP_STATES = [
  '', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT_1', 'FIN_WAIT_2', 'TIME_WAIT', 'CLOSE',
  'CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'CLOSING', 'SYN_RECV',
] as const;

export function connectionSamples(tables: readonly string[]): Sample[] {
  const counts = new Map<string, number>(TCP_STATES.slice(1).map((state) => [state, 0]));
  counts.set('DELETE', 0); // The Collector has this one too, which Linux does not.
  for (const content of tables) countStates(content, counts);
  return [...counts].map(([state, value]) => ({
    metric: 'system.network.connections', value, attributes: connectionAttributes(state),
  }));
}

export function connectionAttributes(state: string): Attributes {
  return [text('protocol', 'tcp'), text('state', state)];
}

function countStates(content: string, counts: Map<string, number>): void {
  const header = content.indexOf('\n');
  for (let line = header + 1; header !== -1 && line < content.length;) {
    // `sl: local:port remote:port st`: the state follows the second blank after the colon.
    const colon = content.indexOf(':', line);
    const remote = content.indexOf(' ', colon + 2);
    const before = content.indexOf(' ', remote + 1);
    const end = content.indexOf('\n', line);
    if (colon === -1 || before === -1) break;
    const state = TCP_STATES[Number.parseInt(content.slice(before + 1, before + 3), 16)];
    if (state && (end === -1 || before < end)) counts.set(state, counts.get(state)! + 1);
    if (end === -1) break;
    line = end + 1;
  }
}
