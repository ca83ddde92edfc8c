// `/api/on-call` over HTTP: who has the turn now and at another time, and who comes next.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rotation } from '../../../../backend/alerting/life/rotation.ts';
import { registerOnCall } from '../../../../backend/api/alerts/on_call.ts';
import { startAlerts } from './alerting_fixture.ts';

const LEADS: Rotation = {
  name: 'leads', timeZone: 'Europe/Berlin', start: { year: 2026, month: 1, day: 5 },
  handoverMinute: 9 * 60, shiftDays: 7, overrides: [],
  people: [{ name: 'ann', receiver: 'ann-sms' }, { name: 'bob', receiver: 'bob-sms' }],
};

test('on call: whose turn it is', async () => {
  const api = await startAlerts({ register: (app, { world: { clock } }) => {
    void app.register(async (scope: any) =>
      registerOnCall(scope, { rotations: () => [LEADS], clock }));
  } });
  try {
    const { json } = await api.send('GET', '/api/on-call?at=2026-01-06T00:00:00Z');
    assert.deepEqual(json, { items: [{
      rotation: 'leads', time_zone: 'Europe/Berlin', person: 'ann', receiver: 'ann-sms',
      from: '2026-01-05T08:00:00.000Z', to: '2026-01-12T08:00:00.000Z', override: false,
      following: { person: 'bob', receiver: 'bob-sms' }, people: ['ann', 'bob'],
    }], next: null });
    assert.equal((await api.send('GET', '/api/on-call')).json.items.length, 1);
    assert.equal((await api.send('GET', '/api/on-call?at=soon')).status, 400);
  } finally {
    await api.stop();
  }
});
