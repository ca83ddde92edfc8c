// Which one of several backends does something.

import type { Component } from '../../proto/contract/component.ts';

export interface Lease extends Component {
  /** Whether this one does it now. False at the latest when another one may begin. */
  held(): boolean;
  /** Calls `changed` after each change of `held`; the function that is returned ends it. */
  follow(changed: () => void): () => void;
}

/** For somebody who has no others beside him. */
export const ALWAYS_HELD: Lease = {
  held: () => true,
  follow: () => () => {},
  start: async () => {},
  stop: async () => {},
};
