// Proves that servers and clients of both transports speak TLS with certificates from files, trust
// only whom they are told to trust, in both directions, and say in a sentence what is wrong with a
// file.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Sender } from '../../proto/contract/arrival.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createOtlpGrpcServer } from '../../proto/grpc/server.ts';
import { createOtlpHttpClient } from '../../proto/http/client.ts';
import { createOtlpHttpServer } from '../../proto/http/listener.ts';
import {
  readClientPem, readServerPem, type ClientTls, type ServerTlsOptions,
} from '../../proto/tls.ts';
import type { Endpoint } from '../../runtime/net.ts';
import type { World } from '../../runtime/world.ts';
import { createWorld } from '../../runtime/world.ts';
import { createSink, makeBatch, NEVER, NOW, temporaryFolder } from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';
import { createAuthority, type Certificate } from './certificate.ts';

const folder = temporaryFolder();
const files = (name: string, { cert, key }: Certificate) => {
  const paths = { certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) };
  writeFileSync(paths.certFile, cert);
  writeFileSync(paths.keyFile, key);
  return paths;
};

const authority = createAuthority('a test authority');
const stranger = createAuthority('another test authority');
const ca = files('ca', authority);
const server = files('server', authority.issue('server', ['localhost', 'collector.example']));
const client = files('client', authority.issue('client'));
const foreign = files('foreign', stranger.issue('client'));

const { files: disk } = createWorld();
const clientTls = async (
  paths: Parameters<typeof readClientPem>[1],
  more: Partial<ClientTls> = {},
): Promise<ClientTls> => ({ ...await readClientPem(disk, paths, 'tls'), ...more });

interface Transport {
  readonly name: string;
  server(tls: ServerTlsOptions, world: World): ReturnType<typeof createOtlpGrpcServer>;
  client(endpoint: Endpoint, tls: ClientTls, world: World): Sender;
}

const LOCAL = { endpoint: { host: '127.0.0.1', port: 0 }, setting: 'test' };
const CLIENT = { compression: 'none', timeoutMs: 3000 } as const;

const transports: Transport[] = [
  {
    name: 'grpc',
    server: (tls, world) => createOtlpGrpcServer({ ...LOCAL, tls, world, consumer: createSink() }),
    client: (endpoint, tls, { clock }) => createOtlpGrpcClient({ ...CLIENT, endpoint, tls, clock }),
  },
  {
    name: 'http',
    server: (tls, world) => createOtlpHttpServer({ ...LOCAL, tls, world, consumer: createSink() }),
    client: ({ host, port }, tls, { clock }) => {
      const url = `https://${host}:${port}/v1/logs`;
      const urls = { traces: url, metrics: url, logs: url };
      return createOtlpHttpClient({ ...CLIENT, urls, encoding: 'proto', tls, clock });
    },
  },
];

for (const transport of transports) {
  /** One attempt with `tls` at a server with `options`, under the name `localhost`. */
  const attempt = async (options: ServerTlsOptions, tls: ClientTls): Promise<Outcome> => {
    let outcome: Outcome | undefined;
    await withoutLeaks(async (world) => {
      const peer = transport.server(options, world);
      await peer.start();
      const { port } = peer.endpoint();
      const sender = transport.client({ host: 'localhost', port }, tls, world);
      outcome = await sender.send(makeBatch('logs', 1), 0, NEVER);
      await sender.close();
      await peer.stop(NOW);
    });
    return outcome!;
  };
  const check = (name: string, options: ServerTlsOptions, tls: Promise<ClientTls>, want: string) =>
    test(`${transport.name} TLS: ${name}`, async () => {
      const outcome = await attempt(options, await tls);
      assert.equal(outcome.status, want, JSON.stringify(outcome));
    });
  const trusting = { caFile: ca.certFile };
  check('a server of a known authority is trusted', server, clientTls(trusting), 'accepted');
  check('a server of an unknown authority is not', server, clientTls({}), 'retryable');
  check('unless nothing is checked', server, clientTls({}, { insecureSkipVerify: true }),
    'accepted');
  check('the name must be that of the certificate', server,
    clientTls(trusting, { serverNameOverride: 'other.example' }), 'retryable');
  check('the name may be another than that of the endpoint', server,
    clientTls(trusting, { serverNameOverride: 'collector.example' }), 'accepted');
  const mutual = { ...server, clientCaFile: ca.certFile };
  check('a client of a known authority may send', mutual, clientTls({ ...trusting, ...client }),
    'accepted');
  check('a client of an unknown authority may not', mutual,
    clientTls({ ...trusting, ...foreign }), 'retryable');
  check('a client without a certificate may not', mutual, clientTls(trusting), 'retryable');
}

test('TLS: what is wrong with a file is one sentence', async () => {
  const check = async (options: ServerTlsOptions, message: RegExp, hint: RegExp) =>
    assert.rejects(readServerPem(disk, options, 'receivers.otlp.tls'), (error: Error) => {
      assert.equal(error.name, 'OperatorError');
      assert.match(error.message, message);
      assert.match((error as Error & { hint: string }).hint, hint);
      return true;
    });
  const text = join(folder, 'text');
  writeFileSync(text, 'no certificate');
  const broken = join(folder, 'broken');
  writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const missing = join(folder, 'missing');
  await check({ ...server, certFile: missing }, /missing: it does not exist$/, /tls\.cert_file/);
  await check({ ...server, keyFile: text }, /text: it is not a PEM file$/, /tls\.key_file/);
  await check({ ...server, certFile: broken }, /^cannot use receivers\.otlp\.tls: /, /belong/);
  await check({ ...server, keyFile: client.keyFile }, /^cannot use receivers\.otlp\.tls: /, /key/);
  await check({ ...server, clientCaFile: folder }, /it is a folder$/, /tls\.client_ca_file/);
});
