// One attempt to store a batch, and who waits for it: its sender, and senders of the same batch
// that came meanwhile.
//
// Invariants of an attempt that can be dropped, which is one of a batch with an id:
// - Once nobody waits it is not wanted any more, and stays so.
// - An insert of its rows begins only while it is wanted.
// - Nobody joins it when it will not be stored: who comes then looks in the store.

import { unlessAborted } from '../../../proto/contract/outcome.ts';
import type { Outcome } from '../../../proto/contract/outcome.ts';
import { GIVEN_UP } from './commit.ts';
import type { Interest } from './lane.ts';

export class Attempt implements Interest {
  readonly outcome: Promise<Outcome>;
  readonly wanted: () => boolean;
  private readonly droppable: boolean;
  private waiters: number;
  private dropped: boolean;
  private insertsRun: boolean;

  constructor(droppable: boolean, store: (interest: Interest) => Promise<Outcome>) {
    this.droppable = droppable;
    this.waiters = 0;
    this.dropped = false;
    this.insertsRun = false;
    this.wanted = () => !this.dropped;
    this.outcome = store(this);
  }

  inserting(inserting: boolean): void {
    this.insertsRun = inserting;
  }

  /** Whether its outcome is worth waiting for. */
  isLive(): boolean {
    return !this.dropped || this.insertsRun;
  }

  /** Its outcome, for one more who waits until `abort` fires. */
  wait(abort: AbortSignal): Promise<Outcome> {
    this.waiters++;
    const leave = () => {
      this.waiters--;
      if (this.waiters === 0 && this.droppable) this.dropped = true;
    };
    abort.addEventListener('abort', leave, { once: true });
    const stay = this.outcome.finally(() => abort.removeEventListener('abort', leave));
    return unlessAborted(stay, abort, GIVEN_UP.reason);
  }
}
