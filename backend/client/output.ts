// Where a result goes: standard output, or a file that takes its name when it is complete, so that
// nobody ever takes half a file for a whole one.

import { basename, dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { OperatorError, systemCause } from '../../runtime/errors.ts';
import type { Files, OpenFile } from '../../runtime/files.ts';
import type { World } from '../../runtime/world.ts';
import { harmlessLines } from './text.ts';

export interface Sink {
  /** A person reads it as it comes. */
  readonly isTerminal: boolean;
  /** Resolves when there is room for more. */
  write(chunk: Uint8Array | string): Promise<void>;
  /** All is there. */
  finish(): Promise<void>;
  /** What was written is not all: a file that nobody shall take for it goes. */
  discard(): Promise<void>;
}

/** `gone` is called once when the reader is no longer there, as with `| head`. */
export function streamSink(
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
  gone: () => void,
): Sink {
  let open = true;
  stream.on('error', () => {
    if (open) gone();
    open = false;
  });
  return {
    isTerminal: stream.isTTY === true,
    write: (chunk) => new Promise((resolve) => {
      if (open) stream.write(chunk, () => resolve());
      else resolve();
    }),
    finish: async () => {},
    discard: async () => {},
  };
}

/** Writes beside `path`, and renames. Devices and pipes are written as they are. */
export async function fileSink({ files, random }: World, path: string): Promise<Sink> {
  try {
    const real = await files.realPath(path) ?? path;
    const there = await files.stat(real);
    if (there?.kind === 'folder') {
      throw new OperatorError(`cannot write ${path}: it is a folder`, 'name a file in it');
    }
    if (there?.kind === 'other') return await plainSink(files, real);
    const mark = Buffer.from(random.bytes(4)).toString('hex');
    return await renamedSink(files, real, join(dirname(real), `.${basename(real)}.${mark}.part`));
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** The content of `temporary` becomes `path` when it is finished; it is durable then. */
export async function renamedSink(files: Files, path: string, temporary: string): Promise<Sink> {
  const file = await opened(files, temporary, path);
  await file.truncate(0);
  return {
    ...written(file, path),
    finish: async () => {
      await file.sync();
      await file.close();
      await files.rename(temporary, path);
      await files.syncFolder(dirname(path));
    },
    discard: async () => {
      await file.close();
      await files.remove(temporary);
    },
  };
}

async function plainSink(files: Files, path: string): Promise<Sink> {
  const file = await opened(files, path, path);
  const close = () => file.close();
  return { ...written(file, path), finish: close, discard: close };
}

async function opened(files: Files, name: string, path: string): Promise<OpenFile> {
  const file = await files.open(name, 'write');
  if (file === null) {
    throw new OperatorError(`cannot write ${path}: its folder does not exist`, 'make the folder');
  }
  return file;
}

function written(file: OpenFile, path: string): Pick<Sink, 'isTerminal' | 'write'> {
  let position = 0;
  return {
    isTerminal: false,
    write: async (chunk) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      await file.write(bytes, position).catch((error: unknown) => {
        throw cannotWrite(path, error);
      });
      position += bytes.length;
    },
  };
}

function cannotWrite(path: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  return new OperatorError(`cannot write ${path}: ${systemCause(error)}`, 'name another file');
}

/** Text on its way to a terminal, without what steers it; ends with a line feed. */
export async function* shown(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let last = '\n';
  for await (const chunk of body) {
    const text = harmlessLines(decoder.write(Buffer.from(chunk)));
    if (text === '') continue;
    last = text.at(-1)!;
    yield text;
  }
  if (last !== '\n') yield '\n';
}

export const limits = {
  /** Characters of a line of a result that is drawn; a longer one breaks the drawing off. */
  lineCharactersMax: 256 * 1024 * 1024,
} as const;

/** Lines without their line feeds. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest: string[] = [];
  let held = 0;
  for await (const chunk of body) {
    const parts = decoder.write(Buffer.from(chunk)).split('\n');
    const last = parts.pop()!;
    for (const part of parts) {
      const line = rest.length === 0 ? part : rest.join('') + part;
      rest = [];
      held = 0;
      if (line !== '') yield line;
    }
    rest.push(last);
    held += last.length;
    if (held > limits.lineCharactersMax) {
      throw new OperatorError('a row is too long to be drawn', 'take -f tsv or -o FILE');
    }
  }
  const line = rest.join('');
  if (line !== '') yield line;
}
