// The agent's own part of the data folder: `<data_dir>/agent`.
//
//     agent.json               { "id": "<uuid>" }, made at the first start and kept
//     receiver/file_log-nginx  a folder for each component, with what it must remember
//
// One agent at a time may use it. Where there is a way to claim it that ends with the process (an
// abstract socket, on Linux), a second one is refused.

import { createServer } from 'node:net';
import { join } from 'node:path';
import { errorCode, OperatorError, systemCause } from '../runtime/errors.ts';
import type { World } from '../runtime/world.ts';

export interface DataFolder {
  readonly path: string;
  /** Names this agent, also after a restart or an update. */
  readonly agentId: string;
  /** Lets another agent have the folder. */
  release(): void;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Throws OperatorError when the folder cannot be made, written, or is somebody else's. */
export async function openDataFolder(dataDir: string, world: World): Promise<DataFolder> {
  const path = join(dataDir, 'agent');
  const hint = `make ${path} a folder that this user may write, or set data_dir to another one`;
  try {
    await world.files.makeFolder(path);
    const release = await claimFolder(path, world);
    try {
      return { path, agentId: await readId(join(path, 'agent.json'), world), release };
    } catch (error) {
      release();
      throw error;
    }
  } catch (error) {
    if (error instanceof OperatorError || errorCode(error) === '') throw error;
    throw new OperatorError(`cannot use the data folder ${dataDir}: ${systemCause(error)}`, hint);
  }
}

async function readId(path: string, { files, random }: World): Promise<string> {
  const text = await files.readText(path);
  const id = text === null ? random.uuid() : parseId(text);
  if (id === null) {
    throw new OperatorError(`cannot read ${path}: it does not hold the id of an agent`,
      'restore it, or remove it to give this agent a new id');
  }
  // Written at every start: a folder that cannot be written is found now, not when it matters. A
  // full disk is no reason to stay away: what is in the queue makes room when it is delivered.
  await files.replace(path, `${JSON.stringify({ id })}\n`).catch((error: unknown) => {
    if (text === null || errorCode(error) !== 'ENOSPC') throw error;
  });
  return id;
}

function parseId(text: string): string | null {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' && UUID.test(id) ? id : null;
  } catch {
    return null;
  }
}

/** Throws OperatorError when another agent has it. Returns what lets it go. */
export async function claimFolder(path: string, { files }: World): Promise<() => void> {
  if (process.platform !== 'linux') return () => {};
  const stat = await files.stat(path);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  // The first byte 0 makes it a name of the kernel's, not a file: it goes when the process goes.
  const name = `\0binnacle-agent-${stat?.device}-${stat?.inode}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(errorCode(error) === 'EADDRINUSE' ? inUse(path) : error));
    server.listen({ path: name }, resolve);
  });
  return () => void server.close();
}

const inUse = (path: string): OperatorError =>
  new OperatorError(`cannot use the data folder ${path}: another agent is using it`,
    'stop that agent, or give this one another folder');
