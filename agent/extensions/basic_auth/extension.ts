// User and password for the receivers and exporters that name it in `auth.authenticator`, as the
// Collector's extension of this name: receivers let in the users of `htpasswd`, exporters send the
// credentials of `client_auth`.
//
// - Files are looked at while it runs; what cannot be used leaves the last good one in force.
// - A user that was let in is remembered by a keyed digest, since a slow hash for each request
//   would be the most expensive part of an agent.
// - How long a refusal takes does not tell whether the user exists.

import { createHmac } from 'node:crypto';
import * as z from 'zod';
import { fault, optionalSection, refusedKey, secret, section } from '../../../config/schema.ts';
import type { Authorize, Refusal } from '../../../proto/contract/arrival.ts';
import type {
  Authenticator, ComponentContext, Extension, ExtensionFactory,
} from '../../../proto/contract/component.ts';
import { followFile, type FollowedFile } from '../../followed_file.ts';
import { parseHtpasswd, type Check, type Htpasswd } from './htpasswd.ts';

export const limits = {
  /** Credentials that were right and are remembered; beyond it the oldest is checked anew. */
  rememberedMax: 1000,
  /** Checks of hashes under way; further requests are refused. */
  checksMax: 64,
} as const;

const path = (describe: string) => z.string().min(1).describe(describe).optional();

const createSchema = () => section({
  htpasswd: optionalSection({
    file: path('Lines of user:hash; looked at while the agent runs.'),
    inline: secret().describe('The same lines, here; they win over those of the file.').optional(),
  }).describe('For receivers: who may send.'),
  client_auth: optionalSection({
    username: path('The user.'),
    username_file: path('Holds the user; looked at while the agent runs. Wins over username.'),
    password: secret().describe('The password.').optional(),
    password_file: path('Holds the password; looked at while the agent runs. Wins over password.'),
    aws_secrets_manager: refusedKey('let something write the secret to a file: password_file'),
  }).describe('For exporters: what to send.'),
}).superRefine(({ htpasswd, client_auth: client }, ctx) => {
  if ((htpasswd === undefined) === (client === undefined)) {
    fault(ctx, 'needs one of htpasswd and client_auth',
      'htpasswd for receivers, client_auth for exporters; another basicauth/name for the other');
  }
  if (htpasswd !== undefined && htpasswd.file === undefined && htpasswd.inline === undefined) {
    fault(ctx, 'names no users', 'write file or inline', ['htpasswd']);
  }
  for (const { line, why } of parseHtpasswd(htpasswd?.inline ?? '').problems) {
    fault(ctx, `line ${line} cannot be used: ${why}`, '', ['htpasswd', 'inline']);
  }
  if (client === undefined) return;
  const user = client.username ?? client.username_file;
  if (user === undefined) {
    fault(ctx, 'is required', 'or username_file', ['client_auth', 'username']);
  }
  if (user?.includes(':') === true && client.username_file === undefined) {
    fault(ctx, 'must not have a colon', '', ['client_auth', 'username']);
  }
});

export type BasicAuthConfig = z.output<ReturnType<typeof createSchema>>;

export const basicAuthExtension: ExtensionFactory<BasicAuthConfig> = {
  kind: 'extension',
  type: 'basic_auth',
  aliases: ['basicauth'],
  signals: [],
  get schema() {
    return createSchema();
  },
  create: createBasicAuth,
};

function createBasicAuth(config: BasicAuthConfig, context: ComponentContext): Extension {
  return config.htpasswd === undefined ? createClient(config.client_auth!, context)
    : createServer(config.htpasswd, context);
}

type ClientConfig = NonNullable<BasicAuthConfig['client_auth']>;

function createClient(config: ClientConfig, context: ComponentContext): Extension {
  let user = config.username ?? '';
  let password: string = config.password ?? '';
  const followed: FollowedFile[] = [];
  const follow = async (key: 'username_file' | 'password_file', take: (text: string) => void) => {
    const file = config[key];
    if (file === undefined) return;
    followed.push(await followFile(file, settingOf(context, `client_auth.${key}`), (text) =>
      take(text.trim())));
  };
  const authenticator: Authenticator = {
    headers: () => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    }),
  };
  return {
    authenticator,
    start: async () => {
      await follow('username_file', (text) => {
        if (text.includes(':')) throw new Error('a user must not have a colon');
        user = text;
      });
      await follow('password_file', (text) => {
        password = text;
      });
    },
    stop: async () => followed.forEach((file) => file.stop()),
  };
}

const settingOf = ({ id, world, log }: ComponentContext, key: string) =>
  ({ world, log, setting: `extensions.${id}.${key}` });

type ServerConfig = NonNullable<BasicAuthConfig['htpasswd']>;

const REFUSED: Refusal = {
  status: 'unauthenticated', reason: 'user and password are needed, and must be right',
};

function createServer(config: ServerConfig, context: ComponentContext): Extension {
  const inline = parseHtpasswd(config.inline ?? '');
  let users: ReadonlyMap<string, Check> = inline.users;
  const remembered = createMemory(context);
  let checks = 0;
  const ask = async (user: string, password: string, seal: string): Promise<Refusal | null> => {
    if (checks >= limits.checksMax) return { ...REFUSED, reason: 'too many ask at the same time' };
    checks += 1;
    const asked = users;
    try {
      // Somebody else's check takes the time that this user's would.
      const check = asked.get(user) ?? asked.values().next().value;
      const right = check !== undefined && await check(password) && asked.has(user);
      if (!right) return REFUSED;
      if (asked === users) remembered.add(seal);
      return null;
    } finally {
      checks -= 1;
    }
  };
  const authorize: Authorize = (header) => {
    const given = credentialsOf(header('authorization'));
    if (given === null) return REFUSED;
    const seal = remembered.sealOf(given.user, given.password);
    return remembered.has(seal) ? null : ask(given.user, given.password, seal);
  };
  let followed: FollowedFile | null = null;
  return {
    authenticator: { authorize },
    start: async () => {
      const { file } = config;
      if (file === undefined) return;
      followed = await followFile(file, settingOf(context, 'htpasswd.file'), (text) => {
        users = new Map([...usable(parseHtpasswd(text)), ...inline.users]);
        remembered.clear();
        context.log.info('users are read', { users: users.size });
      });
    },
    stop: async () => followed?.stop(),
  };
}

function usable({ users, problems: [first] }: Htpasswd): ReadonlyMap<string, Check> {
  if (first !== undefined) throw new Error(`line ${first.line} cannot be used: ${first.why}`);
  return users;
}

/** RFC 7617: the user has no colon, the password may have some. */
function credentialsOf(header = ''): { user: string; password: string } | null {
  const match = /^basic ([A-Za-z0-9+/=_-]+)$/i.exec(header.trim());
  if (match === null) return null;
  const text = Buffer.from(match[1]!, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Of credentials that were right; what it holds is of no use to anybody else. */
function createMemory({ world: { random } }: ComponentContext) {
  const key = random.bytes(32);
  const seals = new Set<string>();
  return {
    sealOf: (user: string, password: string): string =>
      createHmac('sha256', key).update(`${user}:${password}`).digest('base64'),
    has: (seal: string): boolean => seals.has(seal),
    add: (seal: string): void => {
      if (seals.size >= limits.rememberedMax) seals.delete(seals.values().next().value!);
      seals.add(seal);
    },
    clear: (): void => seals.clear(),
  };
}
