// Hands notifications to the pages that are open; who serves those follows the dashboard. A page
// that is closed misses them: GET /api/alerts says what fires.

import * as z from 'zod';
import { strictObject } from '../../../config/schema.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import type { Notification, NotifierFactory } from '../model.ts';
import { sendResolved } from './settings.ts';

export interface Dashboard {
  /** For `NotifierContext`. */
  show(notification: Notification): void;
  /** Calls `seen` with each notification from now on; the function that is returned ends it. */
  follow(seen: (notification: Notification) => void): () => void;
}

export function createDashboard(): Dashboard {
  const followers = new Set<(notification: Notification) => void>();
  return {
    show: (notification) => {
      for (const seen of followers) seen(notification);
    },
    follow: (seen) => {
      followers.add(seen);
      return () => void followers.delete(seen);
    },
  };
}

const schema = () => strictObject({ send_resolved: sendResolved(true) });

export const dashboardNotifier: NotifierFactory<z.output<ReturnType<typeof schema>>> = {
  type: 'dashboard',
  schema,
  create: (config, context) => ({
    sendResolved: config.send_resolved,
    target: 'pages that are open',
    send: async (notification) => {
      context.show(notification);
      return ACCEPTED;
    },
  }),
};
