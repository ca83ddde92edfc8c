// Asks the zpages of a running agent.

import { errorMessage, OperatorError } from '../../runtime/errors.ts';

const HINT = 'run the agent with the extension zpages, listed in service.extensions';

/** Throws OperatorError when there is no agent, or it says no. */
export async function ask(url: string, path: string, abort?: AbortSignal): Promise<Response> {
  let answer: Response;
  try {
    const options = abort === undefined ? {} : { signal: abort };
    answer = await fetch(new URL(path, url), options);
  } catch (error) {
    if (abort?.aborted === true) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new OperatorError(`cannot ask the agent at ${url}: ${errorMessage(cause)}`, HINT);
  }
  if (answer.ok) return answer;
  throw new OperatorError(`the agent at ${url} says: ${(await answer.text()).trim()}`,
    answer.status === 404 ? 'binnacle agent top lists what there is' : HINT);
}
