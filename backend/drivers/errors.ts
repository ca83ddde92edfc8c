// Errors as ClickHouse's HTTP interface tells them: drivers decide on the number in
// `X-ClickHouse-Exception-Code` and on the name in brackets.
//
//     Code: 60. DB::Exception: Unknown table … (UNKNOWN_TABLE) (version 26.7.2.1)

import { GateError, type GateCode } from '../gate/errors.ts';
import { QueryError } from '../storage/contract.ts';
import { statusOf } from '../storage/engine/errors.ts';

export class DriverError extends Error {
  /** ClickHouse's. */
  readonly code: number;
  readonly status: number;

  constructor(code: number, name: string, message: string, status: number = statusOf(code)) {
    super(message);
    this.code = code;
    this.name = name;
    this.status = status;
  }

  body(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.name}) `
      + `(version ${version})\n`;
  }
}

/** What to tell a driver about whatever was thrown; what is nobody's mistake is thrown again. */
export function driverErrorOf(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  if (error instanceof GateError) {
    const [code, name] = OF_GATE[error.code] ?? ACCESS_DENIED;
    return new DriverError(code, name, `${error.message}; ${error.hint}`);
  }
  if (error instanceof QueryError) {
    const { code, name, message, kind } = error;
    if (kind === 'unavailable') return new DriverError(code === 0 ? 210 : code, name, message, 503);
    return new DriverError(code === 0 ? 1001 : code, name, message);
  }
  throw error;
}

const ACCESS_DENIED = [497, 'ACCESS_DENIED'] as const;

/** What ClickHouse would call it, where drivers tell such errors from others. */
const OF_GATE: Readonly<Partial<Record<GateCode, readonly [number, string]>>> = {
  EMPTY: [62, 'SYNTAX_ERROR'],
  TOO_LARGE: [229, 'QUERY_IS_TOO_LARGE'],
  SYNTAX: [62, 'SYNTAX_ERROR'],
  NOT_READING: [164, 'READONLY'],
  FUNCTION_UNKNOWN: [46, 'UNKNOWN_FUNCTION'],
  FORMAT_DENIED: [73, 'UNKNOWN_FORMAT'],
  SETTING_DENIED: [452, 'SETTING_CONSTRAINT_VIOLATION'],
  PARAMETER: [456, 'UNKNOWN_QUERY_PARAMETER'],
  TABLE_DENIED: [60, 'UNKNOWN_TABLE'],
};
