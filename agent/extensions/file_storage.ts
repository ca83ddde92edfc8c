// A folder for the queues of exporters that name it in `sending_queue.storage`, set up as the
// Collector's extension of this name; and the keys to encrypt what lies there.
//
// - Without it a queue lies in the data folder of its exporter, as durable: this only says where,
//   and whether it is encrypted.
// - Everything is synced before it is acknowledged, whatever `fsync` says.
// - A key that cannot be used refuses the start: nothing is ever written in plain instead.
// - One agent at a time uses a directory.

import * as z from 'zod';
import {
  fault, ignoredKey, optionalSection, secret, section,
} from '../../config/schema.ts';
import type {
  ComponentContext, Extension, ExtensionFactory,
} from '../../proto/contract/component.ts';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import type { Files } from '../../runtime/files.ts';
import { claimFolder } from '../data_folder.ts';

const KEY_BYTES = 32;
const KEY_HINT = 'write 64 hex digits, or 32 bytes in base64; openssl rand -hex 32 makes some';

const keyText = () => secret().superRefine((text, ctx) => {
  if (parseKey(Buffer.from(text)) === null) fault(ctx, 'is not a key of 32 bytes', KEY_HINT);
});

const createSchema = () => section({
  directory: z.string().min(1)
    .describe('Where queues lie; absent: in the data folder of the agent.').optional(),
  create_directory: z.boolean().describe('Makes the directory when it is not there.')
    .default(false),
  directory_permissions: z.string().regex(/^0?[0-7]{3}$/, 'must be octal, such as 0750')
    .describe('Of a directory that is made; the queues in it are 0700.').default('0750'),
  encryption: optionalSection({
    key_file: z.string().min(1)
      .describe('Holds the key; only its owner may read it. Or key.').optional(),
    key: keyText().describe('64 hex digits, from the environment: ${env:NAME}.').optional(),
    previous_key_files: z.array(z.string().min(1))
      .describe('Keys of before, to read what was written with them.').default([]),
    previous_keys: z.array(keyText()).describe('As previous_key_files, from the environment.')
      .default([]),
  }).superRefine((encryption, ctx) => {
    if (encryption === undefined) return;
    if ((encryption.key_file === undefined) === (encryption.key === undefined)) {
      fault(ctx, 'needs one of key_file and key', 'write one of them');
    }
  }).describe('AES-256-GCM for everything that the queues write.'),
  fsync: z.boolean().describe('Only true: everything is synced before it is acknowledged.')
    .default(true),
  timeout: ignoredKey('one agent at a time uses a directory; another one is told at once'),
  recreate: ignoredKey('damage is put aside in quarantine, and the rest is used'),
  compaction: ignoredKey('segments that were sent are removed as a whole'),
});

export type FileStorageConfig = z.output<ReturnType<typeof createSchema>>;

export const fileStorageExtension: ExtensionFactory<FileStorageConfig> = {
  kind: 'extension',
  type: 'file_storage',
  signals: [],
  get schema() {
    return createSchema();
  },
  create: createFileStorage,
};

function createFileStorage(config: FileStorageConfig, context: ComponentContext): Extension {
  const { id, world, log } = context;
  const path = config.directory ?? context.folder;
  let keys: readonly Uint8Array[] = [];
  let release = () => {};
  return {
    storage: { directory: path, keys: () => keys },
    start: async () => {
      if (!config.fsync) {
        log.warn(`extensions.${id}.fsync: false has no effect: everything is synced`);
      }
      await openDirectory(path, config, context);
      keys = await readKeys(config, world.files, `extensions.${id}.encryption`);
      release = await claimFolder(path, world);
      log.info('queues are kept here', { directory: path, encrypted: keys.length > 0 });
    },
    stop: async () => {
      release();
      release = () => {};
    },
  };
}

async function openDirectory(
  path: string,
  config: FileStorageConfig,
  { id, world: { files } }: ComponentContext,
): Promise<void> {
  const hint = `make ${path} a folder that this user may write, or set extensions.${id}.directory `
    + 'to another one';
  try {
    const stat = await files.stat(path);
    if (stat?.kind === 'folder') return;
    if (stat !== null) throw Object.assign(new Error('it is not a folder'), { code: 'ENOTDIR' });
    if (!config.create_directory) {
      throw new OperatorError(`cannot use the directory ${path}: it does not exist`,
        `create it, or set extensions.${id}.create_directory to true`);
    }
    await files.makeFolder(path, Number.parseInt(config.directory_permissions, 8));
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(`cannot use the directory ${path}: ${systemCause(error)}`, hint);
  }
}

/** The first is the current one. Throws OperatorError. */
async function readKeys(
  { encryption }: FileStorageConfig,
  files: Files,
  setting: string,
): Promise<Uint8Array[]> {
  if (encryption === undefined) return [];
  const ofText = (text: string) => parseKey(Buffer.from(text))!;
  const { key, key_file: file } = encryption;
  return [
    key === undefined ? await readKeyFile(file!, files, `${setting}.key_file`) : ofText(key),
    ...await Promise.all(encryption.previous_key_files.map((one) =>
      readKeyFile(one, files, `${setting}.previous_key_files`))),
    ...encryption.previous_keys.map(ofText),
  ];
}

async function readKeyFile(path: string, files: Files, setting: string): Promise<Uint8Array> {
  const hint = `set ${setting} to a file that holds a key and that this user may read`;
  const refuse = (why: string, what = hint) =>
    new OperatorError(`cannot use the key file ${path}: ${why}`, what);
  let content: Buffer | null;
  try {
    const { permissions = 0 } = await files.stat(path) ?? {};
    if ((permissions & 0o077) !== 0) {
      throw refuse('others than its owner may use it', `chmod 600 ${path}`);
    }
    content = await files.read(path);
  } catch (error) {
    throw error instanceof OperatorError ? error : refuse(systemCause(error));
  }
  if (content === null) throw refuse('it does not exist');
  const key = parseKey(content);
  if (key === null) throw refuse('it does not hold 32 bytes', KEY_HINT);
  return key;
}

/** 32 bytes, as they are, in hex or in base64, with white space around it; null for all else. */
function parseKey(content: Buffer): Buffer | null {
  if (content.length === KEY_BYTES) return content;
  const text = content.toString('latin1').trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return null;
  const key = Buffer.from(text, 'base64');
  return key.length === KEY_BYTES ? key : null;
}
