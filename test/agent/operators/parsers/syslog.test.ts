// Proves what syslog_parser makes of messages of RFC 5424 and RFC 3164: those of the RFCs and of
// real senders, broken ones, and any bytes at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parseRfc3164, parseRfc5424,
} from '../../../../agent/operators/parsers/syslog_message.ts';
import { problem, run } from '../running.ts';

const parse = async (line: string, config: object) =>
  (await run(line, [{ type: 'syslog_parser', ...config }]))[0]!;

test('syslog_parser: RFC 5424, its own examples', async () => {
  const config = { protocol: 'rfc5424' };
  const first = await parse("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
    + "\ufeff'su root' failed for lonvick on /dev/pts/8", config);
  assert.deepEqual(first.attributes, {
    appname: 'su', facility: 4n, facility_text: 'auth', hostname: 'mymachine.example.com',
    message: "'su root' failed for lonvick on /dev/pts/8", msg_id: 'ID47', priority: 34n,
    version: 1n,
  });
  assert.equal(first.time, '2003-10-11T22:14:15.003000000');
  assert.equal(first.severity, '18 crit');
  const offset = await parse('<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - '
    + '%% It\'s time to make the do-nuts.', config);
  assert.equal(offset.time, '2003-08-24T12:14:15.000003000');
  assert.equal(offset.attributes['proc_id'], '8710');
  assert.equal(offset.severity, '10 notice');
  const data = await parse('<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 '
    + '[exampleSDID@32473 iut="3" eventSource="App \\"x\\" \\] \\\\"][examplePriority@32473 '
    + 'class="high"] An event', config);
  assert.deepEqual(data.attributes['structured_data'], {
    'exampleSDID@32473': { iut: '3', eventSource: 'App "x" ] \\' },
    'examplePriority@32473': { class: 'high' },
  });
  assert.equal(data.attributes['message'], 'An event');
  const bare = await parse('<0>1 - - - - - -', config);
  assert.deepEqual(bare.attributes,
    { facility: 0n, facility_text: 'kern', priority: 0n, version: 1n });
  assert.deepEqual([bare.time, bare.severity], ['', '21 emerg']);
});

test('syslog_parser: RFC 3164, its own examples and rsyslog', async () => {
  const config = { protocol: 'rfc3164' };
  const first = await parse("<34>Oct 11 22:14:15 mymachine su: 'su root' failed", config);
  assert.deepEqual(first.attributes, {
    appname: 'su', facility: 4n, facility_text: 'auth', hostname: 'mymachine',
    message: "'su root' failed", priority: 34n,
  });
  assert.equal(first.time, '2025-10-11T22:14:15.000000000');
  const withPid = await parse('<86>Jan  2 06:30:00 1.2.3.4 sshd(pam_unix)[19939]: check pass',
    { ...config, location: 'Europe/Berlin' });
  assert.equal(withPid.attributes['appname'], 'sshd(pam_unix)');
  assert.equal(withPid.attributes['proc_id'], '19939');
  assert.equal(withPid.time, '2026-01-02T05:30:00.000000000');
  assert.equal(withPid.severity, '9 info');
  const newer = await parse('<13>2026-01-02T03:04:05.123456+01:00 host app: text', config);
  assert.equal(newer.time, '2026-01-02T02:04:05.123456000');
  const untagged = await parse('<13>Jan  2 06:30:00 host last message repeated 3 times', config);
  assert.equal(untagged.attributes['appname'], undefined);
  assert.equal(untagged.attributes['message'], 'last message repeated 3 times');
});

test('syslog_parser: a priority that is missing, and frames', async () => {
  const skips = { allow_skip_pri_header: true };
  const line = 'Jan  2 06:30:00 host su: x';
  assert.deepEqual((await parse(line, { protocol: 'rfc3164' })).attributes, {});
  const skipped = await parse(line, { protocol: 'rfc3164', ...skips });
  assert.deepEqual([skipped.attributes, skipped.severity],
    [{ appname: 'su', hostname: 'host', message: 'x' }, '0 ']);
  const counted = { protocol: 'rfc5424', enable_octet_counting: true };
  const message = '<13>1 - h a - - - é';
  const framed = await parse(`${Buffer.byteLength(message)} ${message}`, counted);
  assert.equal(framed.attributes['message'], 'é');
  assert.deepEqual((await parse(`99 ${message}`, counted)).attributes, {});
  assert.deepEqual((await parse(message, counted)).attributes, {});
  const ended = { protocol: 'rfc5424', non_transparent_framing_trailer: 'NUL' };
  assert.equal((await parse(`${message}\0`, ended)).attributes['message'], 'é');
  const type = 'syslog_parser';
  assert.match(problem({ type }), /^protocol/);
  assert.match(problem({ type, protocol: 'rfc3164', enable_octet_counting: true }), /rfc5424/);
  assert.match(problem({ type, ...counted, ...skips }), /cannot be set with enable_octet/);
  assert.match(problem({ type, ...counted, non_transparent_framing_trailer: 'LF' }), /cannot be/);
  assert.match(problem({ type, protocol: 'rfc3164', location: 'Mars' }), /^location/);
});

test('syslog_parser: broken messages are said to be so', () => {
  const broken = (text: string) => parseRfc5424(text, false);
  assert.match(String(broken('no priority')), /priority/);
  assert.match(String(broken('<192>1 - - - - - -')), /beyond 191/);
  assert.match(String(broken('<013>1 - - - - - -')), /priority/);
  assert.match(String(broken('<13>1 yesterday h a p m -')), /header/);
  assert.match(String(broken('<13>1 - h a p m [x')), /structured/);
  assert.match(String(broken('<13>1 - h a p m [x a=1]')), /structured/);
  assert.match(String(broken('<13>1 - h a p m -x')), /structured/);
  assert.match(String(parseRfc3164('<13>h x', false)), /time/);
});

test('syslog_parser: any text gets an answer, soon', () => {
  const piece = fc.constantFrom('<34>', '1 ', '- ', 'host ', '[a b="', '\\', '"]', '[', ']', '=',
    'Jan  2 03:04:05 ',
    '2026-01-02T03:04:05Z ', 'x'.repeat(200), ' '.repeat(50), '\ufeff');
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, skips) => {
    const text = pieces.join('');
    for (const one of [parseRfc5424, parseRfc3164]) {
      const answer = one(text, skips);
      assert.ok(typeof answer === 'string' || typeof answer === 'object');
    }
  }), { numRuns: 2000, seed: 11 });
});
