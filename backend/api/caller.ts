// Who is behind a request, and whether he may ask what he asks. Every route of the server goes
// through here before anything of a request is read (backend/access/permissions.ts).

import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DENIAL_TEXT, denialOf, type Access } from '../access/access.ts';
import { permissionOf } from '../access/permissions.ts';
import type { Caller } from '../access/roles.ts';
import { ApiError } from './errors.ts';

const callers = new WeakMap<FastifyRequest, Caller>();

/** Of any route but public ones and OTLP's. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  assert.ok(caller !== undefined, 'a route that asks for its caller is not public');
  return caller;
}

/** Must be called before routes are added to `app`. */
export function guardRoutes(app: FastifyInstance, access: Access): void {
  app.addHook('onRequest', async (request, reply) => {
    const { url } = request.routeOptions;
    // What does not exist has no permission; saying so tells nothing.
    if (url === undefined) return;
    const permission = permissionOf(request.method, url);
    if (permission === 'public' || permission === 'otlp') return;
    const identity = access.callerByHeaders((name) => headerOf(request, name), request.ip);
    const denial = denialOf(identity, permission);
    if (denial === null && 'caller' in identity) {
      callers.set(request, identity.caller);
      return;
    }
    turnAway(request, reply, access, denial ?? 'forbidden',
      'caller' in identity ? identity.caller : null);
  });
}

function turnAway(
  request: FastifyRequest,
  reply: FastifyReply,
  access: Access,
  denial: keyof typeof DENIAL_TEXT,
  caller: Caller | null,
): never {
  access.refused(denial, request.ip, caller?.name ?? null);
  if (denial !== 'forbidden') {
    void reply.header('www-authenticate', 'Bearer realm="binnacle", Basic realm="binnacle"');
    throw new ApiError('UNAUTHENTICATED', DENIAL_TEXT[denial]);
  }
  throw new ApiError('FORBIDDEN', `the role ${caller!.role} may not do this`);
}

function headerOf({ headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
