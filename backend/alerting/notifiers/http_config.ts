// `http_config` as Alertmanager has it: who asks, TLS, redirects; and `allow_private`, ours.

import * as z from 'zod';
import { fault, ignoredKey, optionalSection, refusedKey, secret, section }
  from '../../../config/schema.ts';

const NO_PROXY = 'receivers are reached without a proxy, since one would hide which address is '
  + 'reached';
const FILE = 'read before each attempt, so that it may change';
const NO_REF = 'there is no secret manager; name a file';

export const tlsShape = () => ({
  ca: z.string().optional().describe('Authorities of the server, PEM.'),
  ca_file: z.string().optional().describe('A file of them.'),
  ca_ref: refusedKey(NO_REF),
  cert: z.string().optional().describe('Certificate of the client, PEM.'),
  cert_file: z.string().optional().describe('A file of it.'),
  cert_ref: refusedKey(NO_REF),
  key: secret().optional().describe('Its key, PEM.'),
  key_file: z.string().optional().describe('A file of it.'),
  key_ref: refusedKey(NO_REF),
  server_name: z.string().optional().describe('The name that the certificate must carry.'),
  insecure_skip_verify: z.boolean().describe('Take any certificate.').default(false),
  min_version: tlsVersion('The oldest version that is spoken.'),
  max_version: tlsVersion('The newest one.'),
});

export const tlsConfig = () => optionalSection(tlsShape());
export type TlsConfig = NonNullable<z.output<ReturnType<typeof tlsConfig>>>;

const TLS_VERSIONS = { TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const;

function tlsVersion(description: string) {
  return z.enum(['TLS12', 'TLS13']).transform((name) => TLS_VERSIONS[name]).describe(description)
    .optional();
}

const headerShape = () => ({
  values: z.array(z.string()).describe('Values.').default([]),
  secrets: z.array(secret()).describe('Values that are never printed.').default([]),
  files: z.array(z.string()).describe(`Files of values, ${FILE}.`).default([]),
});

const shape = () => ({
  basic_auth: optionalSection({
    username: z.string().describe('The name.').default(''),
    username_file: z.string().optional().describe(`A file of it, ${FILE}.`),
    username_ref: refusedKey(NO_REF),
    password: secret().describe('The password.').default(''),
    password_file: z.string().optional().describe(`A file of it, ${FILE}.`),
    password_ref: refusedKey(NO_REF),
  }).describe('A name and a password.'),
  authorization: optionalSection({
    type: z.string().describe('The word before the credentials.').default('Bearer'),
    credentials: secret().optional().describe('The credentials.'),
    credentials_file: z.string().optional().describe(`A file of them, ${FILE}.`),
    credentials_ref: refusedKey(NO_REF),
  }).describe('The header Authorization.'),
  bearer_token: secret().optional().describe('As authorization.credentials.'),
  bearer_token_file: z.string().optional().describe('As authorization.credentials_file.'),
  oauth2: refusedKey('put a token into a file and name it in authorization.credentials_file'),
  tls_config: tlsConfig().describe('For https.'),
  follow_redirects: z.boolean().default(true)
    .describe('Follow redirects that keep the message (307, 308), 5 at most.'),
  enable_http2: ignoredKey('HTTP/1.1 is spoken'),
  http_headers: z.record(z.string(), optionalSection(headerShape()).nonoptional())
    .describe('More headers, by name.').default({}),
  allow_private: z.boolean().default(true)
    .describe('Whether addresses of this machine and of private networks may be reached.'),
  proxy_url: refusedKey(NO_PROXY),
  proxy_from_environment: refusedKey(NO_PROXY),
  proxy_connect_header: refusedKey(NO_PROXY),
  no_proxy: ignoredKey(NO_PROXY),
});

/** Ours decide what these are. */
const OWN_HEADERS = /^(?:host|content-length|content-type|transfer-encoding|connection)$/i;

export const httpConfig = () => section(shape()).superRefine((config, ctx) => {
  const { basic_auth: basic, authorization, bearer_token: token, bearer_token_file: file } = config;
  const ways = [basic, authorization, token ?? file].filter((way) => way !== undefined);
  if (ways.length > 1) {
    fault(ctx, 'there is more than one way to say who asks',
      'write one of basic_auth, authorization, bearer_token');
  }
  if (authorization?.type.toLowerCase() === 'basic') {
    fault(ctx, 'Basic needs a name', 'use basic_auth', ['authorization', 'type']);
  }
  for (const name of Object.keys(config.http_headers)) {
    const path = ['http_headers', name];
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) fault(ctx, 'is no header name', '', path);
    if (OWN_HEADERS.test(name)) fault(ctx, 'is set by Binnacle', 'remove it', path);
  }
}).describe('How requests are made.');

export type HttpConfig = z.output<ReturnType<typeof httpConfig>>;
