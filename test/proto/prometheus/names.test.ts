// Proves how names and units are translated between OpenTelemetry and Prometheus, both ways, with
// the examples of the compatibility specification and of what instrumentations really send.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  labelName, metricName, trimSuffixes, ucumOf, unitWords, type Named, type NameOptions,
} from '../../../proto/prometheus/names.ts';

const named = (name: string, unit: string, type: Named['type'], more: Partial<NameOptions> = {}) =>
  metricName({ name, unit, type }, { namespace: '', suffixes: true, ...more });

test('names: units have words, and words units', () => {
  for (const [ucum, words] of [['s', 'seconds'], ['By', 'bytes'], ['By/s', 'bytes_per_second'],
    ['m/s', 'meters_per_second'], ['1/s', 'per_second'], ['foo', 'foo']] as const) {
    assert.equal(unitWords(ucum), words);
    if (!ucum.startsWith('1')) assert.equal(ucumOf(words), ucum);
  }
  for (const nothing of ['', '1', '{request}', '{packets}']) assert.equal(unitWords(nothing), '');
  assert.equal(unitWords('{request}/s'), 'per_second');
  assert.equal(unitWords('a b%'), 'a_b');
  assert.equal(ucumOf('ratio'), '1');
  assert.equal(ucumOf(''), '');
});

test('names: a metric gets its unit and _total, once', () => {
  assert.equal(named('http.server.request.duration', 's', 'other'),
    'http_server_request_duration_seconds');
  assert.equal(named('system.cpu.time', 's', 'counter'), 'system_cpu_time_seconds_total');
  assert.equal(named('system.memory.usage', 'By', 'gauge'), 'system_memory_usage_bytes');
  assert.equal(named('system.cpu.utilization', '1', 'gauge'), 'system_cpu_utilization_ratio');
  assert.equal(named('requests', '1', 'counter'), 'requests_total');
  assert.equal(named('requests', '{request}', 'counter'), 'requests_total');
  assert.equal(named('node_cpu_seconds_total', 's', 'counter'), 'node_cpu_seconds_total');
  assert.equal(named('a_seconds', 's', 'gauge'), 'a_seconds');
  assert.equal(named('speed', 'm/s', 'gauge'), 'speed_meters_per_second');
  assert.equal(named('speed_meters_per_second', 'm/s', 'gauge'), 'speed_meters_per_second');
  assert.equal(named('hits', '1/s', 'gauge'), 'hits_per_second');
});

test('names: characters, digits, namespaces and no suffixes', () => {
  assert.equal(named('a.b-c d', '', 'gauge'), 'a_b_c_d');
  assert.equal(named('a..b__c', '', 'gauge'), 'a_b_c');
  assert.equal(named('2xx.rate', '', 'gauge'), '_2xx_rate');
  assert.equal(named('a:b', '', 'gauge'), 'a:b');
  assert.equal(named('a.b', 's', 'counter', { suffixes: false }), 'a_b');
  assert.equal(named('a.b', 's', 'counter', { namespace: 'my-ns' }), 'my_ns_a_b_seconds_total');
});

test('names: labels', () => {
  assert.equal(labelName('http.method'), 'http_method');
  assert.equal(labelName('0a'), 'key_0a');
  assert.equal(labelName('a--b'), 'a_b');
});

test('names: suffixes are trimmed', () => {
  assert.equal(trimSuffixes('a_seconds_total', true, 'seconds'), 'a');
  assert.equal(trimSuffixes('a_seconds_total', false, 'seconds'), 'a_seconds_total');
  assert.equal(trimSuffixes('a_total', true, ''), 'a');
  assert.equal(trimSuffixes('seconds', false, 'seconds'), 'seconds');
});
