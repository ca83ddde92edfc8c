/**
 * Engine errors as ClickHouse's HTTP interface tells them: a status, a numeric code and the line
 * `Code: 60. DB::Exception: … (UNKNOWN_TABLE) (version 26.7.2.1)`.
 *
 * Clients decide on the code in `X-ClickHouse-Exception-Code` and on the name in parentheses, so
 * both are kept exactly; the repeated wrappers that the embedded engine adds are taken off.
 */

/** An answer that is an error: raised anywhere in the engine room, written by the server. */
export class EngineError extends Error {
  override name = 'EngineError';
  readonly code: number;
  readonly type: string;
  readonly status: number;

  /** `status` is derived from the code unless given. */
  constructor(code: number, type: string, message: string, status = statusOf(code)) {
    super(message);
    this.code = code;
    this.type = type;
    this.status = status;
  }

  /** The response body, as a server of this version writes it. */
  body(version: string): string {
    const { code, message, type } = this;
    return `Code: ${code}. DB::Exception: ${message} (${type}) (version ${version})\n`;
  }
}

/** Names and versions at the end: ` (NAME) (version 26.7.2.1). (NAME)`. */
const TAIL = /(?: \(version [0-9.]+\)\.?| \([A-Z][A-Z0-9_]+\))+\s*$/;

/**
 * Reads the engine's text back into its parts.
 *
 * @param hidden paths of our own that must not appear in an answer (spool files).
 */
export function parseEngineError(text: string, hidden: readonly string[] = []): EngineError {
  const code = Number(/^Code: (\d+)\. /.exec(text)?.[1] ?? 1002);
  const type = /\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(text)?.[1] ?? 'UNKNOWN_EXCEPTION';
  let message = text.replace(/^(?:Code: \d+\. DB::Exception: )+/, '').replace(TAIL, '');
  for (const path of hidden) {
    message = message.split(`(in file/uri ${path}): `).join('').split(path).join('(request body)');
  }
  message = message.replace(': While executing File: data for INSERT was parsed from file', '');
  return new EngineError(code, type, message.trimEnd());
}

/** ClickHouse's own table of codes to statuses (Server/HTTP/exceptionCodeToHTTPStatus.cpp). */
export function statusOf(code: number): number {
  return STATUSES.get(code) ?? 500;
}

const STATUSES = new Map<number, number>();
for (const [status, codes] of [
  // REQUIRED_PASSWORD.
  [401, [194]],
  // UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, SET_NON_GRANTED_ROLE, AUTHENTICATION_FAILED.
  [403, [192, 193, 497, 512, 516]],
  // Text that cannot be parsed: CANNOT_PARSE_*, SYNTAX_ERROR, BAD_ARGUMENTS, INCORRECT_DATA, …
  [400, [6, 25, 26, 27, 36, 38, 41, 62, 72, 117, 321, 376, 427, 441, 675, 676]],
  // Columns and syntax trees: DUPLICATE_COLUMN, ILLEGAL_COLUMN, TYPE_MISMATCH, TOO_BIG_AST, …
  [400, [8, 15, 37, 44, 53, 123, 167, 168, 223]],
  // UNKNOWN_*: FUNCTION, IDENTIFIER, TYPE, STORAGE, TABLE, FORMAT, DATABASE, SETTING, ROLE, …
  [404, [46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511]],
  // TIMEOUT_EXCEEDED.
  [408, [159]],
  // HTTP_LENGTH_REQUIRED.
  [411, [381]],
  // QUERY_IS_TOO_LARGE.
  [413, [229]],
  // UNSUPPORTED_MEDIA_TYPE.
  [415, [779]],
  // NOT_IMPLEMENTED.
  [501, [48]],
  // CANNOT_OPEN_FILE, SOCKET_TIMEOUT, CANNOT_SCHEDULE_TASK.
  [503, [76, 209, 439]],
] as const) {
  for (const code of codes) {
    STATUSES.set(code, status);
  }
}
