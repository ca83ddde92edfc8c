// Where a backend publishes what it has stored: subjects of NATS, each with what it is of.

import * as z from 'zod';
import { fault, secret, section, strictObject } from './schema.ts';

/** What may stand in braces in a subject; the attribute's or field's value takes its place. */
export const SUBJECT_FIELDS = ['service', 'level', 'host', 'status', 'kind'] as const;
export type SubjectField = (typeof SUBJECT_FIELDS)[number];

/** One subject is a listener of the live tail. */
const SUBJECTS_MAX = 20;

const subject = () => strictObject({
  subject: z.string().superRefine(checkSubject)
    .describe('{service}, {level}, {host}, {status}, {kind} in it become the record\'s own.'),
  signal: z.enum(['logs', 'traces']).describe('Log records, or spans.').default('logs'),
  q: z.string().describe('Which of them, in the search language; empty: all.').default(''),
});

const tls = () => strictObject({
  ca_file: z.string().min(1).describe('Certificates to trust, PEM; the system\'s when absent.')
    .optional(),
  cert_file: z.string().min(1).describe('Certificate to show, PEM.').optional(),
  key_file: z.string().min(1).describe('Its private key, PEM.').optional(),
}).describe('TLS, also where the server does not ask for it.').optional();

export const publish = () => section({
  nats: section({
    servers: z.array(z.string().superRefine(checkServer))
      .describe('Addresses of one cluster, as nats://host:4222; none: nothing is published.')
      .default([]),
    username: z.string().describe('User, where the server wants one.').default(''),
    password: secret().describe('Password of that user.').default(''),
    token: secret().describe('Token, where the server wants one.').default(''),
    tls: tls(),
    subjects: z.array(subject()).max(SUBJECTS_MAX).describe('What is published under which name.')
      .prefault([
        { subject: 'binnacle.logs.{service}', signal: 'logs', q: '' },
        { subject: 'binnacle.traces.{service}', signal: 'traces', q: '' },
      ]),
  }).describe('NATS. Each record is a message of JSON, once at most; what is too much is counted.'),
});

export type NatsConfig = z.output<ReturnType<typeof publish>>['nats'];
export type NatsSubjectConfig = NatsConfig['subjects'][number];

function checkServer(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  const hint = 'write nats://host:4222 or tls://host:4222';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^(nats|tls):$/.test(url.protocol)) {
    return fault(ctx, 'is not the address of a NATS server', hint);
  }
  if (url.username !== '' || url.password !== '') {
    fault(ctx, 'must not hold a user or password', 'write username and password, or token');
  }
}

function checkSubject(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  const filled = text.replace(/\{([^}]*)\}/g, (_, name: string) => {
    if ((SUBJECT_FIELDS as readonly string[]).includes(name)) return 'x';
    fault(ctx, `"{${name}}" is nothing that a record has`, `known: ${SUBJECT_FIELDS.join(', ')}`);
    return 'x';
  });
  if (!/^[^\s.*>{}]+(\.[^\s.*>{}]+)*$/.test(filled)) {
    fault(ctx, 'is not a subject that one can publish to', 'write words with dots between them');
  }
}
