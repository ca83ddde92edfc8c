// Runs what makes millions of promises in a thread of its own. In the thread of `node:test` each of
// them is followed to its end (async hooks of the runner), which takes more than half of the time.

import { Worker } from 'node:worker_threads';

/**
 * Calls the function `name` that the module exports, with `values`, in a new thread, and answers
 * what it answers; both are copied. Fails as it fails.
 */
export async function apart<Answer>(
  module: string, name: string, ...values: readonly unknown[]
): Promise<Answer> {
  const code = `
    const { parentPort, workerData } = await import('node:worker_threads');
    const { loader, module, name, values } = workerData;
    (await import(loader)).register();
    try {
      const answer = await (await import(module))[name](...values);
      parentPort.postMessage({ answer });
    } catch (error) {
      parentPort.postMessage({ failure: error?.stack ?? String(error) });
    }`;
  const loader = import.meta.resolve('tsx/esm/api');
  const source = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  const worker = new Worker(source, { workerData: { loader, module, name, values }, execArgv: [] });
  try {
    const { answer, failure } = await new Promise<{ answer: Answer; failure?: string }>(
      (resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
        worker.once('exit', () => reject(new Error('the thread ended without an answer')));
      });
    if (failure !== undefined) throw new Error(failure);
    return answer;
  } finally {
    await worker.terminate();
  }
}
