// The kinds of notifiers that there are; one of each is a file beside this one.

import type { NotifierFactory } from '../model.ts';
import { dashboardNotifier } from './dashboard.ts';
import { webhookNotifier } from './webhook.ts';

/** By `type`, which is how they are written in a receiver. */
export const NOTIFIERS: readonly NotifierFactory<any>[] = [
  webhookNotifier, dashboardNotifier,
];
