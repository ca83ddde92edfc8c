// `retry_on_failure` of receivers that cannot tell their source to come again, in the Collector's
// keys, and what it means for a delivery.

import * as z from 'zod';
import { duration, section } from '../../../config/schema.ts';
import type { DeliveryOptions } from './delivery.ts';

export const retryOnFailure = () => section({
  enabled: z.boolean().describe('Accepted; records are always sent again.').default(true),
  initial_interval: duration({ min: '1ms' }).describe('First wait.').prefault('1s'),
  max_interval: duration({ min: '1ms' }).describe('Longest wait.').prefault('30s'),
  max_elapsed_time: duration()
    .describe('Records are given up after so long; 0: never.').prefault('0s'),
}).describe('How records are sent again that the next part could not take.');

export type RetryOnFailure = z.output<ReturnType<typeof retryOnFailure>>;

export const deliveryOptions = (retry: RetryOnFailure): DeliveryOptions => ({
  initialIntervalMs: retry.initial_interval,
  maxIntervalMs: retry.max_interval,
  multiplier: 1.5,
  randomizationFactor: 0.5,
  maxElapsedMs: retry.max_elapsed_time,
});
