// The three verdicts for a delivery. Receivers, processors, exporters and the writer of the
// backend all answer with one of them, and nothing else decides about retry or loss.

export type Outcome =
  /**
   * The callee is now responsible for the batch. `rejected` > 0 is OTLP's partial success: so many
   * records of the batch will never be stored, `reason` says why. Never send the batch again.
   */
  | { readonly status: 'accepted'; readonly rejected: number; readonly reason?: string }
  /** Not now: send the same batch again, not before `retryAfterMs` if that is given. */
  | { readonly status: 'retryable'; readonly reason: string; readonly retryAfterMs?: number }
  /** Never send this batch again: the same input fails always. */
  | { readonly status: 'rejected'; readonly reason: string };

export const ACCEPTED: Outcome = { status: 'accepted', rejected: 0 };

export const retryable = (reason: string, retryAfterMs?: number): Outcome =>
  retryAfterMs === undefined
    ? { status: 'retryable', reason }
    : { status: 'retryable', reason, retryAfterMs };

export const rejected = (reason: string): Outcome => ({ status: 'rejected', reason });

/**
 * The verdict for one batch that went to several consumers: retryable wins over rejected, and
 * rejected over accepted, so that nothing is forgotten while a retry can still deliver it.
 */
export function worstOutcome(outcomes: readonly Outcome[]): Outcome {
  const again = outcomes.filter((outcome) => outcome.status === 'retryable');
  if (again.length > 0) {
    const waits = again.map((outcome) => outcome.retryAfterMs ?? 0);
    const wait = Math.max(...waits);
    return retryable(again[0]!.reason, wait > 0 ? wait : undefined);
  }
  const refused = outcomes.find((outcome) => outcome.status === 'rejected');
  if (refused !== undefined) return refused;
  const partial = outcomes.find((outcome) => outcome.status === 'accepted' && outcome.rejected > 0);
  return partial ?? ACCEPTED;
}

/** `outcome`, or `retryable` with `reason` as soon as `abort` fires; what was begun may go on. */
export function unlessAborted(
  outcome: Promise<Outcome>,
  abort: AbortSignal,
  reason: string,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const giveUp = () => resolve(retryable(reason));
    if (abort.aborted) giveUp();
    abort.addEventListener('abort', giveUp, { once: true });
    outcome.then(resolve, reject).finally(() => abort.removeEventListener('abort', giveUp));
  });
}
