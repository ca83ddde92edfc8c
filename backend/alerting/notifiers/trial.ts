// The message by which somebody tries whether a channel works.

import { ALERT_NAME, fingerprintOf } from '../../labels/labels.ts';
import type { Notification } from '../model.ts';

/** Says in its name and summary that it is a test. */
export function testNotification(receiver: string, id: string, nowMs: number): Notification {
  const labels = { [ALERT_NAME]: 'BinnacleTest', severity: 'info' };
  const annotations = { summary: 'This is a test of the channel. Nothing is wrong.' };
  return {
    id, receiver, groupKey: `{}/test:${receiver}`, status: 'firing', reason: 'test', atMs: nowMs,
    groupLabels: { [ALERT_NAME]: 'BinnacleTest' }, commonLabels: labels,
    commonAnnotations: annotations, externalUrl: '', truncatedAlerts: 0, digest: '',
    alerts: [{
      status: 'firing', fingerprint: fingerprintOf(labels), labels, annotations,
      startsAtMs: nowMs, endsAtMs: null, generatorUrl: '', value: null,
      evidence: { traces: [], logs: [] },
    }],
  };
}
