// `GET /api/alerts/stream`: alerts as they change, and notifications for dashboards, as
// server-sent events:
//
//   event: ready         data: {"alerts": 3}         once; those 3 follow as `alert`
//   event: alert         data: as GET /api/alerts has it, whenever something of it has changed
//   event: gone          data: {"id": …}             it is not shown any more, or does not fit
//   event: notification  data: what a dashboard receiver was sent
//   : heartbeat                                      when nothing came for a while
//
// A listener who reads too slowly is not sent changes until he has read what is on its way; then
// he gets the alerts as they are by then, so that he never sees an old state last.

import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { World } from '../../../runtime/world.ts';
import type { Life } from '../../alerting/life/life.ts';
import type { Notification } from '../../alerting/model.ts';
import { ApiError } from '../errors.ts';
import { problems } from '../period.ts';
import { ALERT_FILTERS } from './docs.ts';
import { fitsAsked, type AskedAlerts } from './filter.ts';
import { alertsIn, type AlertItem, type ShownOptions } from './shown.ts';

export const limits = {
  /** Streams at the same time; further ones are refused. */
  streamsMax: 100,
  /** How often alerts are looked at for changes, while somebody listens. */
  lookMs: 500,
  heartbeatMs: 15_000,
  /** Bytes that wait in a connection before changes wait, too. */
  waitingBytesMax: 1024 * 1024,
  /** Notifications that wait for a slow listener; older ones are left out. */
  notificationsMax: 1000,
} as const;

export interface StreamRouteOptions extends ShownOptions {
  readonly life: Life;
  readonly world: Pick<World, 'clock'>;
  /** Calls `heard` with what dashboards are told; the function returned ends it. */
  readonly dashboard: (heard: (notification: Notification) => void) => () => void;
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Proxies such as nginx would hold events back.
  'x-accel-buffering': 'no',
};

export function registerStream(app: FastifyInstance, options: StreamRouteOptions): void {
  const { clock } = options.world;
  const open = new Set<() => void>();
  const items = sharedItems(options);
  app.addHook('preClose', async () => {
    for (const end of open) end();
  });
  app.get('/api/alerts/stream', { exposeHeadRoute: false, schema: DOCS }, (request, reply) => {
    const fits = fitsAsked(request.query as AskedAlerts);
    if (open.size >= limits.streamsMax) {
      throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES', 'too many streams of alerts are open');
    }
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, HEADERS);
    const listener = new Listener(raw, () => items().filter(fits));
    const timers = [clock.every(limits.lookMs, () => listener.look()),
      clock.every(limits.heartbeatMs, () => raw.write(': heartbeat\n\n'))];
    const unfollow = [options.dashboard((notification) => listener.tell(notification)),
      options.life.follow(() => listener.look())];
    const end = () => void raw.end();
    open.add(end);
    raw.once('close', () => {
      for (const timer of timers) timer.cancel();
      for (const stop of unfollow) stop();
      open.delete(end);
    });
    listener.begin();
  });
}

/** However many listen, alerts are looked at once in a while. */
function sharedItems(options: StreamRouteOptions): () => readonly AlertItem[] {
  const { clock } = options.world;
  let found: { readonly untilMs: number; readonly items: readonly AlertItem[] } | null = null;
  options.life.follow(() => {
    found = null;
  });
  return () => {
    if (found === null || clock.monotonicMs() >= found.untilMs) {
      const items = alertsIn(options, clock.nowMs()).map(({ item }) => item);
      found = { untilMs: clock.monotonicMs() + limits.lookMs / 2, items };
    }
    return found.items;
  };
}

class Listener {
  readonly #raw: ServerResponse;
  readonly #items: () => readonly AlertItem[];
  /** What he was sent last, by id. */
  #sent = new Map<string, string>();
  #waiting: Notification[] = [];

  constructor(raw: ServerResponse, items: () => readonly AlertItem[]) {
    this.#raw = raw;
    this.#items = items;
  }

  begin(): void {
    this.#send('ready', JSON.stringify({ alerts: this.#items().length }));
    this.look();
  }

  tell(notification: Notification): void {
    this.#waiting = [...this.#waiting, notification].slice(-limits.notificationsMax);
    this.look();
  }

  look(): void {
    const raw = this.#raw;
    if (raw.destroyed || raw.writableLength > limits.waitingBytesMax) return;
    for (const notification of this.#waiting) {
      this.#send('notification', JSON.stringify(notification));
    }
    this.#waiting = [];
    const now = new Map(this.#items().map((item) => [item.id, JSON.stringify(item)]));
    for (const [id, json] of now) if (this.#sent.get(id) !== json) this.#send('alert', json);
    for (const id of this.#sent.keys()) {
      if (!now.has(id)) this.#send('gone', JSON.stringify({ id }));
    }
    this.#sent = now;
  }

  #send(event: string, json: string): void {
    this.#raw.write(`event: ${event}\ndata: ${json}\n\n`);
  }
}

const DOCS = {
  operationId: 'alertsStream', summary: 'Alerts as they change, and notifications, as they come',
  tags: ['alerts'],
  description: 'Server-sent events: ready, alert, gone, notification.',
  querystring: { type: 'object', additionalProperties: false, properties: ALERT_FILTERS },
  response: {
    200: { description: 'The events.', content: {
      'text/event-stream': { schema: { type: 'string' } } } },
    400: problems('A value that cannot be right.'),
    429: problems('Too many streams are open.'),
  },
};
