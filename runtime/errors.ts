// Errors that are meant for the person who runs the program: one sentence and a hint, no stack.

/** How the program ends; the numbers are documented in the README. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/**
 * Something outside the program must change before it can work: a port in use, a folder that may
 * not be written, a broken configuration. The process prints it and ends with EXIT.usage.
 */
export class OperatorError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'OperatorError';
    this.hint = hint;
  }
}

/** The `code` of a Node.js system error such as `ENOENT`, or '' for anything else. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a system error means, for a person: `EACCES` → `permission denied`. */
export function systemCause(error: unknown): string {
  const code = errorCode(error);
  return SYSTEM_CAUSES[code] ?? (code === '' ? errorMessage(error) : code);
}

const SYSTEM_CAUSES: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'timed out',
  EIO: 'input/output error',
};
