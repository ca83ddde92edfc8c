// `/api/channels`: by which ways people are told, how the last message on each went, a test of one
// of them, and the messages that nobody took (dead letters), to be sent again or deleted.
//
// Nothing here takes an address: channels are those of the alerting file. No secret of it is shown.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Outcome } from '../../proto/contract/outcome.ts';
import type { Log } from '../../runtime/log.ts';
import type { Channels, ShownChannel } from '../alerting/courier.ts';
import type { DeadLetter } from '../alerting/dead_letters.ts';
import { channelId } from '../alerting/courier.ts';
import { titleOf } from '../alerting/notifiers/message.ts';
import { callerOf } from './caller.ts';
import { ApiError } from './errors.ts';
import { leavingOf } from './leaving.ts';
import { answers, CURSOR_SCHEMA, decodeCursor, encodeCursor, LIMIT_SCHEMA, listSchema, problems,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Bytes of a body; there is nothing to say in one. */
  bodyBytesMax: 1024,
  /** Tests and repeated sendings that run at the same time; more are refused. */
  attemptsMax: 5,
} as const;

export interface ChannelsRouteOptions {
  readonly channels: Pick<Channels, 'channels' | 'test' | 'deadLetters' | 'resend' | 'discard'>;
  readonly log: Log;
}

export function registerChannels(app: FastifyInstance, options: ChannelsRouteOptions): void {
  const { channels, log } = options;
  const attempts = createTurns();
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/channels', { schema: LIST_DOCS }, async (request, reply) =>
    send(reply, pageOf(channels.channels().map(shown), request)));
  app.post('/api/channels/:id/test', body(TEST_DOCS), async (request, reply) => {
    const { id } = request.params as { id: string };
    const channel = channels.channels().find((one) => one.id === id);
    if (channel === undefined) throw missing('channel', '/api/channels');
    const outcome = await attempts(() => channels.test(channel, leavingOf(reply)));
    log.info(`channel ${id} was tested`, audit(request, outcome));
    return send(reply, resultOf(outcome));
  });
  app.get('/api/channels/dead-letters', { schema: LETTERS_DOCS }, async (request, reply) =>
    send(reply, pageOf((await channels.deadLetters(leavingOf(reply))).map(shownLetter), request)));
  app.post('/api/channels/dead-letters/:id/resend', body(RESEND_DOCS), async (request, reply) => {
    const { id } = request.params as { id: string };
    const { name } = callerOf(request);
    const outcome = await attempts(() => channels.resend(id, name, leavingOf(reply)));
    if (outcome === null) throw missing('dead letter', '/api/channels/dead-letters');
    log.info(`dead letter ${id} was sent again`, audit(request, outcome));
    return send(reply, resultOf(outcome));
  });
  app.delete('/api/channels/dead-letters/:id', { schema: DELETE_DOCS }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const { name } = callerOf(request);
    if (!await channels.discard(id, name, leavingOf(reply))) {
      throw missing('dead letter', '/api/channels/dead-letters');
    }
    log.info(`dead letter ${id} was deleted`, { caller: name });
    return send(reply, { id });
  });
}

const send = (reply: FastifyReply, answer: object): FastifyReply =>
  reply.header('cache-control', 'no-store').send(answer);

const missing = (noun: string, path: string): ApiError =>
  new ApiError('NOT_FOUND', `there is no ${noun} with this id`, `GET ${path} lists them`);

const audit = (request: FastifyRequest, { status }: Outcome) =>
  ({ caller: callerOf(request).name, status });

/** People are told by each attempt: nobody may make many at once. */
function createTurns() {
  let running = 0;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= limits.attemptsMax) {
      throw new ApiError('TOO_MANY_SIMULTANEOUS_QUERIES', 'too many channels are tried now',
        'ask again in a moment');
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
    }
  };
}

const isPlace = (place: unknown): place is number => Number.isSafeInteger(place);

function pageOf(all: readonly object[], request: FastifyRequest) {
  const { limit: limitText, cursor } = request.query as { limit?: string; cursor?: string };
  const limit = readLimit(limitText);
  const from = Math.max(0, cursor === undefined ? 0 : decodeCursor(cursor, isPlace));
  const to = from + limit;
  return { items: all.slice(from, to), next: to < all.length ? encodeCursor(to) : null };
}

const iso = (ms: number): string => new Date(ms).toISOString();

const shown = (channel: ShownChannel) => ({
  id: channel.id, receiver: channel.receiver, type: channel.type, index: channel.index,
  target: channel.target, send_resolved: channel.sendResolved,
  fallback: channel.fallback === '' ? null : channel.fallback,
  delivered: channel.delivered, failed_attempts: channel.failedAttempts,
  last: channel.last === null ? null
    : { at: iso(channel.last.atMs), status: channel.last.status, reason: channel.last.reason },
});

function shownLetter({ id, atMs, channel, notification, reason }: DeadLetter) {
  const { status, groupKey, groupLabels, alerts } = notification;
  return {
    id, at: iso(atMs), channel: channelId(channel), receiver: channel.receiver,
    type: channel.type, reason, title: titleOf(notification), status, group_key: groupKey,
    labels: groupLabels, alerts: alerts.length,
  };
}

const resultOf = (outcome: Outcome) =>
  ({ status: outcome.status, reason: outcome.status === 'accepted' ? '' : outcome.reason });

const BY_ID = {
  type: 'object', required: ['id'], properties: { id: { type: 'string', maxLength: 400 } },
};

const PAGE = {
  type: 'object', additionalProperties: false,
  properties: { limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA },
};

const NOT_THERE = problems('There is none with this id.');
const TOO_MANY = problems('Too many are tried now.');
const OPEN = { type: 'object', additionalProperties: true };

const RESULT = {
  type: 'object', required: ['status', 'reason'],
  properties: {
    status: { type: 'string', enum: ['accepted', 'retryable', 'rejected'] },
    reason: { type: 'string', description: 'What the service said; empty when it accepted.' },
  },
};

const LIST_DOCS = {
  operationId: 'channels', summary: 'By which ways people are told, and how the last message went',
  tags: ['alerts'], querystring: PAGE,
  response: { 200: answers('The channels of all receivers.', listSchema(OPEN)) },
};

const TEST_DOCS = {
  operationId: 'testChannel', summary: 'Send one message that says that it is a test',
  tags: ['alerts'], params: BY_ID,
  response: { 200: answers('What became of it.', RESULT), 404: NOT_THERE, 429: TOO_MANY },
};

const LETTERS_DOCS = {
  operationId: 'deadLetters', summary: 'Messages that no channel took, the newest first',
  tags: ['alerts'], querystring: PAGE,
  response: { 200: answers('The dead letters.', listSchema(OPEN)) },
};

const RESEND_DOCS = {
  operationId: 'resendDeadLetter', summary: 'Try a dead letter again, once', tags: ['alerts'],
  params: BY_ID,
  response: { 200: answers('What became of it.', RESULT), 404: NOT_THERE, 429: TOO_MANY },
};

const DELETE_DOCS = {
  operationId: 'deleteDeadLetter', summary: 'Delete a dead letter', tags: ['alerts'],
  params: BY_ID,
  response: { 200: answers('It is gone.', OPEN), 404: NOT_THERE },
};

const body = (schema: object) => ({ schema, bodyLimit: limits.bodyBytesMax });
