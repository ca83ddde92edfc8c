// A small text file whose content may change while the agent runs, such as a token that is rotated.
// It is read when it is opened, and again whenever it has changed; what cannot be read then, or is
// refused, leaves the last good content in force and is said in the log.

import { errorMessage, OperatorError, systemCause } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { World } from '../runtime/world.ts';

export const limits = {
  /** How often it is looked at. */
  lookMs: 5000,
  /** A larger file is refused: it holds no tokens or passwords. */
  bytesMax: 1024 * 1024,
} as const;

export interface FollowedFile {
  stop(): void;
}

/**
 * `take` gets each new content, and throws for one that cannot be used. `setting` is the
 * configuration path that names the file. Throws OperatorError when the first one is no good.
 */
export async function followFile(
  path: string,
  { world, log, setting }: { readonly world: World; readonly log: Log; readonly setting: string },
  take: (text: string) => void,
): Promise<FollowedFile> {
  const { files, clock } = world;
  let last = '';
  const look = async () => {
    const stat = await files.stat(path);
    if (stat === null) throw new Error('it does not exist');
    if (stat.sizeBytes > limits.bytesMax) throw new Error('it is too large');
    const state = `${stat.inode} ${stat.sizeBytes} ${stat.modifiedMs}`;
    if (state === last) return;
    take(await files.readText(path) ?? '');
    last = state;
  };
  try {
    await look();
  } catch (error) {
    throw new OperatorError(`cannot use the file ${path}: ${causeOf(error)}`,
      `set ${setting} to a file that this user may read`);
  }
  let told = '';
  const timer = clock.every(limits.lookMs, () => {
    look().then(() => {
      told = '';
    }, (error: unknown) => {
      const cause = causeOf(error);
      if (cause !== told) log.error(`cannot use the file ${path}: ${cause}; the old one counts`);
      told = cause;
    });
  });
  return { stop: () => timer.cancel() };
}

const causeOf = (error: unknown): string =>
  (error instanceof Error && 'code' in error ? systemCause(error) : errorMessage(error));
