// Publishes what is stored to subjects of NATS, as live tails get it (hub.ts).
//
// Promises:
// - A record is published once at most. While no server is there, or one takes too slowly, records
//   are not kept but counted; the intake never waits.
// - Servers are looked for until `stop`, so the backend starts without them.

import { connect } from '@nats-io/transport-node';
import type { NatsConfig, NatsSubjectConfig, SubjectField } from '../../config/publish.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counter, Counters } from '../../runtime/counters.ts';
import { errorMessage, OperatorError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { SearchError, type SearchNode } from '../search/node.ts';
import { parseSearch } from '../search/parse.ts';
import type { Listener, TailHub } from './hub.ts';

export const limits = {
  /** Between two looks for a server. */
  retryMs: 2000,
  /** For the answer of a server, and for what is under way at the end. */
  answerMs: 2000,
} as const;

type Connection = Awaited<ReturnType<typeof connect>>;

export interface NatsPublisherOptions {
  readonly config: NatsConfig;
  readonly hub: TailHub;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
}

export interface NatsPublisher {
  /** Throws OperatorError when a search cannot be read. */
  start(): Promise<void>;
  /** Hands over what it has taken, until `deadline`. */
  stop(deadline: AbortSignal): Promise<void>;
}

export function createNatsPublisher(options: NatsPublisherOptions): NatsPublisher {
  const { config, hub, clock, log, counters } = options;
  const stopping = new AbortController();
  const feeds: Feed[] = [];
  let connection: Connection | null = null;
  let connecting: Promise<void> = Promise.resolve();
  counters.gauge('binnacle_nats_connected', 'Whether a NATS server takes what is published.',
    () => (isOpen(connection) ? 1 : 0));
  const look = async () => {
    while (!stopping.signal.aborted) {
      try {
        const found = await connect(connectOptions(config));
        connection = found;
        log.info('publishing to NATS', { server: found.getServer() });
        const error = await found.closed();
        if (!stopping.signal.aborted) {
          log.warn('the NATS server has gone', error instanceof Error
            ? { cause: error.message } : {});
        }
      } catch (error) {
        log.warn(`cannot reach a NATS server: ${errorMessage(error)}`,
          { servers: config.servers.join(', '), again_in_ms: limits.retryMs });
      }
      connection = null;
      await clock.sleep(limits.retryMs, stopping.signal);
    }
  };
  return {
    start: async () => {
      for (const subject of config.subjects) {
        feeds.push(createFeed(subject, hub, () => connection, counters));
      }
      connecting = look();
    },
    stop: async (deadline) => {
      stopping.abort();
      for (const feed of feeds) feed.close();
      const drained = connection === null ? Promise.resolve()
        : connection.drain().catch(() => {});
      const late = new AbortController();
      const cancel = () => late.abort();
      deadline.addEventListener('abort', cancel, { once: true });
      await Promise.race([drained, clock.sleep(limits.answerMs, late.signal)]);
      deadline.removeEventListener('abort', cancel);
      cancel();
      await connection?.close();
      await connecting;
    },
  };
}

function connectOptions(config: NatsConfig): Parameters<typeof connect>[0] {
  const { servers, username, password, token, tls } = config;
  return {
    servers: [...servers], name: 'binnacle', timeout: limits.answerMs,
    // What is published meanwhile would be kept without a bound.
    reconnect: false,
    ...(username === '' ? {} : { user: username, pass: password }),
    ...(token === '' ? {} : { token }),
    ...(tls === undefined ? {} : { tls: {
      ...(tls.ca_file === undefined ? {} : { caFile: tls.ca_file }),
      ...(tls.cert_file === undefined ? {} : { certFile: tls.cert_file }),
      ...(tls.key_file === undefined ? {} : { keyFile: tls.key_file }),
    } }),
  };
}

const isOpen = (connection: Connection | null): connection is Connection =>
  connection !== null && !connection.isClosed() && !connection.isDraining();

interface Feed {
  close(): void;
}

/** One subject's listener. It takes again when the server has taken what it was given. */
function createFeed(
  { subject, signal, q }: NatsSubjectConfig,
  hub: TailHub,
  connection: () => Connection | null,
  counters: Counters,
): Feed {
  const count = (verdict: string): Counter => counters.counter('binnacle_nats_records_total',
    'Records for NATS: published, or dropped as no server took them.', { subject, verdict });
  const published = count('published');
  const dropped = count('dropped');
  const nameOf = subjectOf(subject);
  let isBusy = false;
  const pass = async (from: Listener) => {
    if (isBusy) return;
    isBusy = true;
    for (let tail = from.take(); tail.entries.length + tail.dropped > 0; tail = from.take()) {
      const taken = await publishAll(connection(), tail.entries, nameOf);
      published.add(taken);
      dropped.add(tail.entries.length - taken + tail.dropped);
    }
    isBusy = false;
  };
  const listener = hub.listen({ signal, search: searchOf(subject, q),
    ready: () => void pass(listener!), ended: () => {} });
  if (listener === null) {
    throw new OperatorError(`cannot publish to ${subject}: too many live tails are open`,
      'list fewer subjects below publish.nats.subjects');
  }
  return { close: () => listener.close() };
}

function searchOf(subject: string, q: string): SearchNode {
  try {
    return parseSearch(q);
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    throw new OperatorError(`cannot publish to ${subject}: "${q}": ${error.message}`,
      error.suggestion);
  }
}

/** How many of them the server has taken. */
async function publishAll(
  connection: Connection | null,
  entries: readonly object[],
  nameOf: (entry: object) => string,
): Promise<number> {
  if (entries.length === 0 || !isOpen(connection)) return 0;
  const sent = entries.filter((entry) => {
    try {
      connection.publish(nameOf(entry), JSON.stringify(entry));
      return true;
    } catch {
      // It is larger than the server takes, or the server has gone.
      return false;
    }
  });
  // Waits until the server has read them: so much is on its way at most.
  return connection.flush().then(() => sent.length, () => 0);
}

/** What stands in braces becomes the record's own, without what a subject may not hold. */
function subjectOf(template: string): (entry: object) => string {
  const parts = template.split(/\{([^}]*)\}/);
  return (entry) => parts.map((part, index) =>
    (index % 2 === 0 ? part : word(FIELDS[part as SubjectField](entry)))).join('');
}

const word = (value: unknown): string =>
  (typeof value === 'string' && value !== '' ? value : 'unknown').replace(/[\s.*>\0]/g, '_');

const nested = (entry: object, map: string, key: string): unknown =>
  ((entry as Record<string, Record<string, unknown> | undefined>)[map] ?? {})[key];
const own = (name: string) => (entry: object): unknown =>
  (entry as Record<string, unknown>)[name];

const FIELDS: Readonly<Record<SubjectField, (entry: object) => unknown>> = {
  service: own('service'),
  level: own('level'),
  status: own('status'),
  kind: own('kind'),
  host: (entry) => nested(entry, 'resource', 'host.name'),
};
