// Hands everything on to the pipelines that it begins, as the Collector's connector of this name
// does: to treat some data first, and then all of it, or to end one pipeline in several.

import type * as z from 'zod';
import { section } from '../../config/schema.ts';
import type { ConnectorFactory } from '../../proto/contract/component.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';

const createSchema = () => section({});

export type ForwardConfig = z.output<ReturnType<typeof createSchema>>;

export const forwardConnector: ConnectorFactory<ForwardConfig> = {
  kind: 'connector',
  type: 'forward',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (_config, _context, next) => ({
    start: async () => {},
    stop: async () => {},
    consume: (batch, abort) => next.consume(batch, abort),
  }),
};
