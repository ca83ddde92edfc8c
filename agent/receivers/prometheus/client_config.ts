// How a target (or a page that lists targets) is asked over HTTP, as Prometheus has it: who asks,
// TLS, redirects. The same keys stand in a scrape configuration and in `http_sd_configs`.

import * as z from 'zod';
import {
  fault, ignoredKey, optionalSection, refusedKey, secret,
} from '../../../config/schema.ts';

const NO_PROXY = 'targets are asked without a proxy';
const FILE = 'read before each request, so that it may change';

const tlsShape = () => ({
  ca: z.string().optional().describe('Authorities of the server, PEM.'),
  ca_file: z.string().optional().describe('A file of them.'),
  cert: z.string().optional().describe('Certificate of the client, PEM.'),
  cert_file: z.string().optional().describe('A file of it.'),
  key: secret().optional().describe('Its key, PEM.'),
  key_file: z.string().optional().describe('A file of it.'),
  server_name: z.string().optional().describe('The name that the certificate must carry.'),
  insecure_skip_verify: z.boolean().describe('Take any certificate.').default(false),
  min_version: refusedKey('TLS 1.2 and later are spoken'),
  max_version: refusedKey('TLS 1.2 and later are spoken'),
});

const headerShape = () => ({
  values: z.array(z.string()).describe('Values.').default([]),
  secrets: z.array(secret()).describe('Values that are never printed.').default([]),
  files: z.array(z.string()).describe(`Files of values, ${FILE}.`).default([]),
});

/** The keys, to stand among others. */
export const clientShape = () => ({
  basic_auth: optionalSection({
    username: z.string().describe('The name.').default(''),
    username_file: z.string().optional().describe(`A file of it, ${FILE}.`),
    password: secret().describe('The password.').default(''),
    password_file: z.string().optional().describe(`A file of it, ${FILE}.`),
  }).describe('A name and a password.'),
  authorization: optionalSection({
    type: z.string().describe('The word before the credentials.').default('Bearer'),
    credentials: secret().optional().describe('The credentials.'),
    credentials_file: z.string().optional().describe(`A file of them, ${FILE}.`),
  }).describe('The header Authorization.'),
  bearer_token: secret().optional().describe('As authorization.credentials.'),
  bearer_token_file: z.string().optional().describe('As authorization.credentials_file.'),
  oauth2: refusedKey('put a token into a file and name it in authorization.credentials_file'),
  tls_config: optionalSection(tlsShape()).describe('For https.'),
  follow_redirects: z.boolean().describe('Follow redirects, 10 at most.').default(true),
  enable_http2: ignoredKey('HTTP/1.1 is spoken'),
  http_headers: z.record(z.string(), optionalSection(headerShape()).nonoptional())
    .describe('More headers, by name.').default({}),
  proxy_url: refusedKey(NO_PROXY),
  proxy_from_environment: refusedKey(NO_PROXY),
  proxy_connect_header: refusedKey(NO_PROXY),
  no_proxy: ignoredKey(NO_PROXY),
});

const whole = () => z.object(clientShape());

export type ClientConfig = z.output<ReturnType<typeof whole>>;

/** Reports what cannot be together. */
export function checkClient(config: ClientConfig, ctx: z.core.$RefinementCtx<unknown>): void {
  const { basic_auth: basic, authorization, bearer_token, bearer_token_file } = config;
  const ways = [basic, authorization, bearer_token ?? bearer_token_file]
    .filter((way) => way !== undefined);
  if (ways.length > 1) {
    fault(ctx, 'there is more than one way to say who asks',
      'write one of basic_auth, authorization, bearer_token');
  }
  if (authorization?.type.toLowerCase() === 'basic') {
    fault(ctx, 'Basic needs a name', 'use basic_auth', ['authorization', 'type']);
  }
}
