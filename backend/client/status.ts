// `binnacle status`: how the backend is and whether anything is lost, as a page or as JSON.

import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { AskError, askStatus, type Target } from './ask.ts';
import { isLossless, statusPage } from './status_page.ts';

export interface StatusFlags extends Target {
  readonly from?: string;
  readonly to?: string;
  readonly json: boolean;
}

/** Sets the exit code: 0 nothing is lost, 1 something is. Throws OperatorError. */
export async function status({ from, to, json, url, token }: StatusFlags): Promise<void> {
  try {
    const found = await askStatus({ url, token }, { from, to });
    process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : statusPage(found));
    process.exitCode = isLossless(found.ledger) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}
