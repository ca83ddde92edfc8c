// The connector that hands everything on: the suite for consumers holds it to the contract.

import { forwardConnector } from '../../../agent/connectors/forward.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';

checkConsumer({
  name: 'forward',
  create: (next, context) => ({
    consumer: forwardConnector.create(forwardConnector.schema.parse({}), context, next),
  }),
});
