// Errors as ClickHouse's HTTP interface tells them: drivers decide on the number in
// `X-ClickHouse-Exception-Code` and on the name in brackets.
//
//     Code: 60. DB::Exception: Unknown table … (UNKNOWN_TABLE) (version 26.7.2.1)

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
  if (error instanceof QueryError) {
    const { code, name, message, kind } = error;
    if (kind === 'unavailable') return new DriverError(code === 0 ? 210 : code, name, message, 503);
    return new DriverError(code === 0 ? 1001 : code, name, message);
  }
  throw error;
}
