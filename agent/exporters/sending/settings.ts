// What the exporters that send have in common in the configuration, with the keys and defaults of
// the Collector. Three things differ:
//
// - retry_on_failure.max_elapsed_time is 0: a batch is tried for as long as somebody wants it
//   delivered. The Collector drops it after 300 s.
// - sending_queue is on disk, synced before anybody is answered, and full at 1 GiB or a tenth of
//   the disk; it then blocks its sources. `storage` says where, not whether. Without a queue an
//   exporter answers when the peer has.
// - Keys for what is not built are refused by name, with what to do instead.

import * as z from 'zod';
import {
  byteSize, count, duration, fault, percentage, refusedKey, secret, section,
} from '../../../config/schema.ts';
import type { UsedExtension } from '../../../proto/contract/component.ts';
import { readClientPem, type ClientTls } from '../../../proto/tls.ts';
import type { Files } from '../../../runtime/files.ts';
import type { RetryOptions } from '../../../runtime/retry.ts';
import type { QueueOptions } from '../../queue/queue.ts';

const path = (describe: string) => z.string().min(1).describe(describe).optional();

/** The `tls` section of a client. */
export const clientTls = () => section({
  insecure: z.boolean().describe('Plain text instead of TLS, unless the endpoint says https.')
    .default(false),
  insecure_skip_verify: z.boolean().describe('Takes any certificate of the server.')
    .default(false),
  ca_file: path('Authorities that may have signed the certificate of the server, PEM.'),
  cert_file: path('Certificate of this client, PEM; together with key_file.'),
  key_file: path('Private key of the certificate, PEM.'),
  server_name_override: path('The name that the certificate of the server must carry.'),
  ...refusedTls(),
}).superRefine((tls, ctx) => {
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    fault(ctx, 'cert_file and key_file belong together', 'write both, or none');
  }
});

const refusedTls = () => ({
  ca_pem: refusedKey('write the certificates to a file and name it in ca_file'),
  cert_pem: refusedKey('write the certificate to a file and name it in cert_file'),
  key_pem: refusedKey('write the key to a file and name it in key_file'),
  min_version: refusedKey('TLS 1.2 and later are spoken'),
  max_version: refusedKey('TLS 1.2 and later are spoken'),
  cipher_suites: refusedKey('the defaults of Node.js apply'),
  curve_preferences: refusedKey('the defaults of Node.js apply'),
  reload_interval: refusedKey('files are read at the start; restart to read them again'),
  include_system_ca_certs_pool: refusedKey('append the system certificates to ca_file'),
});

export type ClientTlsConfig = z.output<ReturnType<typeof clientTls>>;

/** Reads the files of a `tls` section. `setting` is its configuration path. */
export async function readClientTls(
  tls: ClientTlsConfig,
  files: Files,
  setting: string,
): Promise<ClientTls> {
  const { ca_file: caFile, cert_file: certFile, key_file: keyFile } = tls;
  return {
    ...await readClientPem(files, { caFile, certFile, keyFile }, setting),
    serverNameOverride: tls.server_name_override,
    insecureSkipVerify: tls.insecure_skip_verify,
  };
}

/** Headers of every request; values may be secrets. */
export const headers = () => z.record(
  z.string().regex(/^[A-Za-z0-9_.-]+$/, 'is not a name for a header').transform((name) =>
    name.toLowerCase()),
  secret().regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII'),
).describe('Sent with every request.').default({});

export const retryOnFailure = () => section({
  enabled: z.boolean().describe('False: whoever handed on a batch is told to try again.')
    .default(true),
  initial_interval: duration({ min: '1ms' }).describe('Wait after the first failure.')
    .prefault('5s'),
  max_interval: duration({ min: '1ms' }).describe('Longest wait that is not asked for by the peer.')
    .prefault('30s'),
  multiplier: z.number().min(1).describe('Growth of the wait with each failure.').default(1.5),
  randomization_factor: z.number().min(0).max(1)
    .describe('The wait is spread by this share of itself.').default(0.5),
  max_elapsed_time: duration()
    .describe('Data older than this is dropped and counted; 0 keeps trying for ever.')
    .prefault('0s'),
});

export type RetryConfig = z.output<ReturnType<typeof retryOnFailure>>;

/** Null: no attempt but the first. */
export function retryOptions(
  config: RetryConfig,
): (RetryOptions & { maxElapsedMs: number }) | null {
  if (!config.enabled) return null;
  return {
    initialIntervalMs: config.initial_interval,
    maxIntervalMs: config.max_interval,
    multiplier: config.multiplier,
    randomizationFactor: config.randomization_factor,
    maxElapsedMs: config.max_elapsed_time,
  };
}

/** Fewer bytes than this were meant to be requests, as the Collector counts. */
const QUEUE_BYTES_MIN = 1024 * 1024;

export const sendingQueue = () => section({
  enabled: z.boolean().describe('False: senders wait for the answer of the peer.').default(true),
  num_consumers: count({ min: 1, max: 1000 }).describe('Batches sent at the same time.')
    .default(10),
  queue_size: byteSize({ min: '1' }).describe('When it is full, counted as sizer says.')
    .prefault('1GiB'),
  sizer: z.enum(['bytes', 'items', 'requests']).describe('bytes, items or requests.')
    .default('bytes'),
  block_on_overflow: z.boolean().describe('Sources wait while the queue is full.').default(true),
  drop_oldest: z.boolean()
    .describe('When full, the oldest is dropped and counted; needs block_on_overflow: false.')
    .default(false),
  disk_share: percentage()
    .describe('Most of its file system that it may take, whatever queue_size says.')
    .prefault('10%'),
  storage: z.string().min(1)
    .describe('A file_storage extension; absent: the data folder of the exporter.').optional(),
  wait_for_result: refusedKey('set enabled to false to wait for the answer of the peer'),
  batch: refusedKey('put the batch processor into the pipeline'),
}).superRefine((queue, ctx) => {
  if (queue.drop_oldest && queue.block_on_overflow) {
    fault(ctx, 'contradicts block_on_overflow', 'set block_on_overflow to false as well',
      ['drop_oldest']);
  }
  if (queue.disk_share === 0) {
    fault(ctx, 'must be more than 0', 'write a percentage such as 10%', ['disk_share']);
  }
  if (queue.sizer === 'bytes' && queue.queue_size < QUEUE_BYTES_MIN) {
    fault(ctx, 'is less than 1MiB', 'write a size such as 1GiB, or set sizer to requests',
      ['queue_size']);
  }
});

export type SendingQueueConfig = z.output<ReturnType<typeof sendingQueue>>;

/** The extension that `sending_queue.storage` names. */
export const queueStorage = (
  { sending_queue: { storage: id } }: { readonly sending_queue: SendingQueueConfig },
): UsedExtension[] =>
  (id === undefined ? [] : [{ path: ['sending_queue', 'storage'], id, type: 'file_storage' }]);

/** Null: no queue. */
export function queueOptions(
  config: SendingQueueConfig,
): Pick<QueueOptions, 'size' | 'whenFull'> | null {
  if (!config.enabled) return null;
  const bound = (sizer: SendingQueueConfig['sizer']) =>
    (config.sizer === sizer ? config.queue_size : Number.POSITIVE_INFINITY);
  return {
    size: {
      bytesMax: bound('bytes'), itemsMax: bound('items'), batchesMax: bound('requests'),
      diskShareMax: config.disk_share / 100,
    },
    whenFull: !config.block_on_overflow && config.drop_oldest ? 'drop_oldest' : 'refuse',
  };
}
