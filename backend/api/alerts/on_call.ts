// `GET /api/on-call`: who is on call, of each rotation, now or at another time.

import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../../runtime/clock.ts';
import { turnAt, type Rotation } from '../../alerting/life/rotation.ts';
import { answers, listSchema, problems, readInstantNs, timeSchema } from '../period.ts';
import { refuseForeignPages } from '../query.ts';
import { iso } from './shown.ts';

export interface OnCallRouteOptions {
  readonly rotations: () => readonly Rotation[];
  readonly clock: Clock;
}

export function registerOnCall(app: FastifyInstance, options: OnCallRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/on-call', { schema: DOCS }, async (request, reply) => {
    const { at } = request.query as { at?: string };
    const nowMs = options.clock.nowMs();
    const atMs = at === undefined ? nowMs : Number(readInstantNs('at', at, nowMs) / 1_000_000n);
    const items = options.rotations().map((rotation) => shownOf(rotation, atMs));
    return reply.header('cache-control', 'no-store').send({ items, next: null });
  });
}

function shownOf(rotation: Rotation, atMs: number) {
  const turn = turnAt(rotation, atMs);
  const following = turnAt(rotation, turn.toMs);
  return {
    rotation: rotation.name, time_zone: rotation.timeZone,
    person: turn.person.name, receiver: turn.person.receiver,
    from: iso(turn.fromMs), to: iso(turn.toMs), override: turn.override,
    following: { person: following.person.name, receiver: following.person.receiver },
    people: rotation.people.map(({ name }) => name),
  };
}

const DOCS = {
  operationId: 'onCall', summary: 'Who is on call, of each rotation', tags: ['alerts'],
  querystring: { type: 'object', additionalProperties: false,
    properties: { at: timeSchema('Now unless given.') } },
  response: {
    200: answers('The rotations.', listSchema({ type: 'object', additionalProperties: true,
      required: ['rotation', 'person', 'receiver', 'from', 'to'] })),
    400: problems('A value cannot be right.'),
  },
};
