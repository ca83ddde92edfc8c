// How receivers and exporters name the extension that tells who asks, or what to say.

import * as z from 'zod';
import { optionalSection, refusedKey } from '../config/schema.ts';
import type { Authorize } from '../proto/contract/arrival.ts';
import type { ComponentContext, UsedExtension } from '../proto/contract/component.ts';
import { OperatorError } from '../runtime/errors.ts';

export const auth = () => optionalSection({
  authenticator: z.string().min(1).describe('An extension such as basic_auth/users.'),
  request_params: refusedKey('only headers are looked at'),
}).describe('Who may send, or what is said to the peer; absent: anybody, and nothing.');

export type AuthConfig = z.output<ReturnType<typeof auth>>;

export const usedAuth = (config: AuthConfig, path: readonly string[]): UsedExtension[] =>
  (config === undefined ? []
    : [{ path: [...path, 'auth', 'authenticator'], id: config.authenticator, type: null }]);

/** For a server. `setting` is the configuration path of `auth`. Throws OperatorError. */
export function authorizeOf(
  config: AuthConfig,
  context: ComponentContext,
  setting: string,
): { authorize?: Authorize } {
  if (config === undefined) return {};
  const authorize = context.authenticator?.(config.authenticator)?.authorize;
  if (authorize !== undefined) return { authorize };
  throw new OperatorError(`cannot create ${context.id}: ${setting}.authenticator names `
    + `${config.authenticator}, which cannot tell who asks`,
  'name one that can: basic_auth with htpasswd, or bearer_token_auth');
}

/** For a client. `setting` is the configuration path of `auth`. Throws OperatorError. */
export function credentialsOf(
  config: AuthConfig,
  context: ComponentContext,
  setting: string,
): { credentials?: () => Readonly<Record<string, string>> } {
  if (config === undefined) return {};
  const headers = context.authenticator?.(config.authenticator)?.headers;
  if (headers !== undefined) return { credentials: headers };
  throw new OperatorError(`cannot create ${context.id}: ${setting}.authenticator names `
    + `${config.authenticator}, which has nothing to send`,
  'name one that has: basic_auth with client_auth, or bearer_token_auth');
}
