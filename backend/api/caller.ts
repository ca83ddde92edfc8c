// Who is behind a request.

import type { FastifyRequest } from 'fastify';
import { ANONYMOUS, type Caller } from '../access/roles.ts';

export function callerOf({ ip }: FastifyRequest): Caller {
  return { name: ANONYMOUS, role: 'admin', address: ip };
}
