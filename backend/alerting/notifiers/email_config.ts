// What a person writes under `email_configs`: Alertmanager's keys, and `timeout`, `chart` and
// `allow_private` of ours.

import * as z from 'zod';
import { fault, secret, section, strictObject } from '../../../config/schema.ts';
import { parseEndpoint, type Endpoint } from '../../../runtime/net.ts';
import { tlsConfig } from './http_config.ts';
import { sendResolved, timeout } from './settings.ts';
import { isMailbox } from './smtp.ts';
import { words } from './words.ts';

export const limits = {
  /** Of one entry; more are refused. */
  recipientsMax: 100,
} as const;

export interface Address {
  /** `ops@example.com`, for the server. */
  readonly mailbox: string;
  /** With its name, for the header. */
  readonly written: string;
}

const IMPLICIT_PORT = 465;

/** What makes a mail one that programs can read, and what repeated attempts have in common. */
const OWN_HEADERS = /^(?:content-.*|mime-version|date|message-id|bcc|return-path)$/i;

const smarthost = () => z.string().transform((text, ctx): Endpoint => {
  const endpoint = parseEndpoint(text);
  if (endpoint !== null && endpoint.port > 0) return endpoint;
  fault(ctx, 'is not the address of a mail server', 'write host:port, such as mail.test:587');
  return z.NEVER;
}).describe('The mail server, host:port.');

const addresses = (description: string) => z.string()
  .transform((text, ctx): Address[] => {
    if (text.includes('{{')) {
      fault(ctx, 'may not be a template', 'labels would decide who gets mail; write one receiver '
        + 'for each address, and routes to them');
      return z.NEVER;
    }
    const found = parseAddresses(text);
    if (found !== null && found.length <= limits.recipientsMax) return found;
    fault(ctx, 'is not a list of addresses', 'write name@host, with commas between them');
    return z.NEVER;
  }).describe(description);

export const emailShape = () => strictObject({
  send_resolved: sendResolved(false),
  to: addresses('Who gets it.'),
  from: addresses('Who it is from.').transform((all, ctx): Address => {
    if (all.length === 1) return all[0]!;
    fault(ctx, 'must be one address');
    return z.NEVER;
  }),
  smarthost: smarthost(),
  hello: z.string().regex(/^[A-Za-z0-9.:[\]-]+$/, 'is not the name of a host')
    .describe('How Binnacle calls itself to the server.').default('localhost'),
  auth_username: z.string().describe('The user; none logs in unless given.').default(''),
  auth_password: secret().describe('The password, for PLAIN and LOGIN.').optional(),
  auth_password_file: z.string().optional().describe('A file with it, read for each attempt.'),
  auth_secret: secret().describe('The secret, for CRAM-MD5; the password unless given.').optional(),
  auth_secret_file: z.string().optional().describe('A file with it, read for each attempt.'),
  auth_identity: z.string().describe('Whom the user acts for, with PLAIN.').default(''),
  require_tls: z.boolean().describe('Without STARTTLS nothing is sent.').default(true),
  force_implicit_tls: z.boolean().optional()
    .describe('TLS from the beginning; with port 465 unless given.'),
  tls_config: tlsConfig().describe('For TLS.'),
  headers: z.record(z.string(), words('A header.')).describe('More headers, such as Subject.')
    .default({}),
  html: words('The page; one with a chart.').optional(),
  text: words('The text; every alert with value, labels, traces, logs.').optional(),
  threading: section({
    enabled: z.boolean().describe('Mails of a group are one thread.').default(true),
    thread_by_date: z.enum(['none', 'daily']).describe('daily: a thread for each day.')
      .default('none'),
  }).describe('How mail programs show them together.'),
  chart: z.boolean().describe('A small chart of the last hours in the page.').default(true),
  timeout: timeout(),
  allow_private: z.boolean().default(true)
    .describe('Whether addresses of this machine and of private networks may be reached.'),
}).superRefine((config, ctx) => {
  for (const [one, other] of [['auth_password', 'auth_password_file'],
    ['auth_secret', 'auth_secret_file']] as const) {
    if (config[one] !== undefined && config[other] !== undefined) {
      fault(ctx, `has both ${one} and ${other}`, 'write one of them', [other]);
    }
  }
  const known = new Set<string>();
  for (const name of Object.keys(config.headers)) {
    const path = ['headers', name];
    if (!/^[!-9;-~]{1,70}$/.test(name)) fault(ctx, 'is no header name', '', path);
    if (OWN_HEADERS.test(name)) fault(ctx, 'is set by Binnacle', 'remove it', path);
    if (known.has(name.toLowerCase())) fault(ctx, 'is there twice', '', path);
    known.add(name.toLowerCase());
  }
});

export type EmailConfig = z.output<ReturnType<typeof emailShape>>;

export const isImplicit = ({ smarthost: { port }, force_implicit_tls: forced }: EmailConfig) =>
  forced ?? port === IMPLICIT_PORT;

/** `Ops <ops@example.com>, ann@example.com`; null when one of them is none. */
export function parseAddresses(text: string): Address[] | null {
  const parts = text.match(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g) ?? [];
  const found = parts.map((part): Address | null => {
    const match = /^\s*(?:(.*?)\s*<([^<>]+)>|(\S+))\s*$/.exec(part);
    const mailbox = match?.[2] ?? match?.[3] ?? '';
    if (!isMailbox(mailbox)) return null;
    const name = (match?.[1] ?? '').replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1');
    return { mailbox, written: name === '' ? mailbox : `${displayName(name)} <${mailbox}>` };
  });
  return found.length === 0 || found.includes(null) ? null : found as Address[];
}

/** Quoted where it has characters that mean something. */
const displayName = (name: string): string => (/^[\w !#$%&'*+/=?^`{|}~-]*$/.test(name) ? name
  : `"${name.replace(/["\\]/g, '\\$&')}"`);
