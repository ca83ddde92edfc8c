// Proves the receiver syslog over real sockets: framings, TLS, what records say, back-pressure and
// bounds, what is counted, orderly stops, and the receivers' contract.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { syslogReceiver } from '../../../../agent/receivers/syslog/receiver.ts';
import type { LogRecord } from '../../../../proto/otlp/model.ts';
import { retryable } from '../../../../proto/contract/outcome.ts';
import type { Clock } from '../../../../runtime/clock.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import {
  createGate, createManualClock, createSink, itemKeys, temporaryFolder, testContext, until,
} from '../../../contract/fakes.ts';
import { withoutLeaks } from '../../../contract/leaks.ts';
import { createAuthority } from '../../../proto/certificate.ts';
import { attribute, recordsOf } from '../file_log/following.ts';

const LOCAL = { listen_address: '127.0.0.1:0' };

async function start(config: object, clock?: Clock) {
  const counters = createCounters();
  const sink = createSink();
  const receiver = syslogReceiver.create(syslogReceiver.schema.parse(config),
    testContext({ counters, ...clock === undefined ? {} : { world: { ...createWorld(), clock } } }),
    sink);
  await receiver.start();
  const address = Object.values(receiver.addresses!())[0]!;
  const port = Number(address.split(':').at(-1));
  const dropped = (reason: string) =>
    counters.total('binnacle_syslog_dropped_messages_total', { reason });
  return {
    port, sink, counters, dropped,
    bodies: () => sink.keys('accepted'),
    records: (): LogRecord[] => sink.deliveries
      .filter(({ outcome }) => outcome.status === 'accepted')
      .flatMap(({ batch }) => recordsOf(batch)),
    stop: () => receiver.stop(AbortSignal.timeout(3000)),
  };
}

function send(port: number, ...pieces: (string | Buffer)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      for (const piece of pieces) socket.write(piece);
      socket.end();
    });
    socket.on('error', reject).on('close', () => resolve()).resume();
  });
}

async function sendPackets(port: number, packets: readonly (string | Buffer)[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const packet of packets) {
    await new Promise((resolve) => socket.send(packet, port, '127.0.0.1', resolve));
  }
  await new Promise<void>((resolve) => socket.close(resolve));
}

const message = (text: string) => `<34>1 2026-01-02T03:04:05Z host app 7 ID - ${text}`;

test('syslog: TCP, lines in pieces; records say what the message says', () =>
  withoutLeaks(async () => {
    const running = await start({ tcp: { ...LOCAL, add_attributes: true }, protocol: 'rfc5424',
      attributes: { env: 'test' }, resource: { team: 'a' } });
    const [first, second] = [message('one'), message('two')];
    await send(running.port, first.slice(0, 20), `${first.slice(20)}\r\n${second}`);
    await until(() => running.bodies().length === 2, 'two messages');
    assert.deepEqual(running.bodies(), [first, second]);
    const [record] = running.records();
    assert.deepEqual([record!.severityNumber, record!.severityText, record!.timeUnixNano],
      [18, 'crit', 1767323045000000000n]);
    assert.equal(attribute(record!, 'message'), 'one');
    assert.equal(attribute(record!, 'appname'), 'app');
    assert.equal(attribute(record!, 'env'), 'test');
    assert.equal(attribute(record!, 'net.transport'), 'IP.TCP');
    assert.equal(attribute(record!, 'net.peer.ip'), '127.0.0.1');
    assert.equal(attribute(record!, 'net.host.port'), String(running.port));
    await running.stop();
  }));

test('syslog: octet counting; what does not follow it closes the connection', async () => {
  const running = await start({ tcp: LOCAL, protocol: 'rfc5424', enable_octet_counting: true,
    max_octets: 100 });
  const framed = (text: string) => `${Buffer.byteLength(text)} ${text}`;
  const long = message('a\nb');
  await send(running.port, framed(message('é')) + framed(long).slice(0, 9),
    `${framed(long).slice(9)}\n${framed(message('end'))}`);
  await until(() => running.bodies().length === 3, 'three messages');
  assert.deepEqual(running.bodies(), [message('é'), long, message('end')]);
  await send(running.port, `${framed(message('good'))}x bad`);
  await send(running.port, '101 too long');
  await until(() => running.dropped('broken') === 2, 'two broken connections');
  assert.equal(running.bodies().at(-1), message('good'));
  await running.stop();
});

test('syslog: NUL, packets, multiline, long messages', async () => {
  const check = async (config: object, pieces: string[], want: string[]) => {
    const { tcp = {}, ...rest } = config as { tcp?: object };
    const running = await start({ tcp: { ...LOCAL, ...tcp }, protocol: 'rfc5424', ...rest });
    await send(running.port, ...pieces);
    await until(() => running.bodies().length >= want.length, want.join('|'));
    assert.deepEqual(running.bodies(), want);
    await running.stop();
  };
  await check({ non_transparent_framing_trailer: 'NUL' }, ['a\nb\0c', 'd\0e'], ['a\nb', 'cd', 'e']);
  await check({ tcp: { one_log_per_packet: true } }, ['a\nb'], ['a\nb']);
  await check({ tcp: { multiline: { line_start_pattern: '^<' } } }, ['<1>a\n b\n<2>c\n d'],
    ['<1>a\n b', '<2>c\n d']);
  await check({ tcp: { multiline: { line_end_pattern: ';' } } }, ['a\nb;c;'], ['a\nb;', 'c;']);
  await check({ tcp: { multiline: { line_end_pattern: ';', omit_pattern: true } } }, ['a\nb;c;'],
    ['a\nb', 'c']);
  await check({}, ['  a  \n'], ['  a  ']);
  await check({ tcp: { preserve_leading_whitespaces: false } }, ['  a  \n'], ['a  ']);
  await check({ tcp: { preserve_trailing_whitespaces: false } }, ['  a  \n'], ['  a']);
  await check({ tcp: { max_log_size: 64 } }, [`${'x'.repeat(150)}\ny\n`],
    ['x'.repeat(64), 'x'.repeat(64), 'x'.repeat(22), 'y']);
});

test('syslog: messages without a priority are taken when that is allowed', async () => {
  const text = message('one').slice('<34>'.length);
  const check = async (allowed: boolean, unparsed: number) => {
    const running = await start({ tcp: LOCAL, protocol: 'rfc5424',
      allow_skip_pri_header: allowed });
    await send(running.port, `${text}\n`);
    await until(() => running.bodies().length === 1, 'the message');
    assert.equal(running.counters.total('binnacle_syslog_unparsed_messages_total'), unparsed);
    const [record] = running.records();
    assert.equal(attribute(record!, 'message'), allowed ? 'one' : undefined);
    await running.stop();
  };
  await check(true, 0);
  await check(false, 1);
});

test('syslog: UDP, RFC 3164; what cannot be parsed is sent as it is, or dropped', () =>
  withoutLeaks(async () => {
    const running = await start({ udp: LOCAL, protocol: 'rfc3164', location: 'Europe/Berlin' });
    await sendPackets(running.port, ['<34>Oct 11 22:14:15 host su[5]: hi\n\0', 'nonsense', '\n']);
    await until(() => running.bodies().length === 2, 'two messages');
    assert.deepEqual(running.bodies(), ['<34>Oct 11 22:14:15 host su[5]: hi', 'nonsense']);
    assert.equal(attribute(running.records()[0]!, 'proc_id'), '5');
    assert.equal(running.counters.total('binnacle_syslog_unparsed_messages_total'), 1);
    await running.stop();
    const dropping = await start({ udp: LOCAL, protocol: 'rfc3164', on_error: 'drop' });
    await sendPackets(dropping.port, ['nonsense', '<34>Oct 11 22:14:15 host su: hi']);
    await until(() => dropping.bodies().length === 1, 'one message');
    assert.equal(dropping.dropped('unparsed'), 1);
    await dropping.stop();
  }));

test('syslog: TLS, with and without a certificate of the client', () => withoutLeaks(async () => {
  const authority = createAuthority('a test authority');
  const folder = temporaryFolder();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const server = authority.issue('server', ['localhost']);
  const tls = {
    cert_file: write('server.crt', server.cert), key_file: write('server.key', server.key),
    client_ca_file: write('ca.crt', authority.cert),
  };
  const running = await start({ tcp: { ...LOCAL, tls }, protocol: 'rfc5424' });
  const sendSecure = (options: object) => new Promise<void>((resolve) => {
    const target = { host: '127.0.0.1', port: running.port, ca: authority.cert };
    const socket = connectTls({ ...target, ...options,
      checkServerIdentity: () => undefined }, () => socket.end(`${message('secret')}\n`));
    socket.on('error', () => {}).on('close', () => resolve()).resume();
  });
  await sendSecure({});
  await send(running.port, `${message('plain')}\n`);
  await sendSecure(authority.issue('client'));
  await until(() => running.bodies().length === 1, 'one message');
  assert.deepEqual(running.bodies(), [message('secret')]);
  await until(() => running.dropped('handshake') === 2, 'two that were turned away');
  await running.stop();
}));

test('syslog: while the next part is full, TCP waits and loses nothing', async () => {
  const running = await start({ tcp: LOCAL, protocol: 'rfc5424',
    retry_on_failure: { initial_interval: '5ms', max_interval: '5ms' } });
  running.sink.answer(retryable('full'));
  const lines = Array.from({ length: 40_000 }, (_, index) =>
    message(`${index} ${'x'.repeat(300)}`));
  let done = false;
  const sending = send(running.port, `${lines.join('\n')}\n`).then(() => (done = true));
  await until(() => running.sink.deliveries.length > 20, 'tries');
  const taken = running.counters.total('binnacle_syslog_received_messages_total');
  assert.ok(taken < 20_000, `${taken} of ${lines.length} were taken`);
  assert.equal(done, false);
  running.sink.answer({ status: 'accepted', rejected: 0 });
  await sending;
  await until(() => running.bodies().length === lines.length, 'all messages', 30_000);
  assert.deepEqual(running.bodies(), lines);
  await running.stop();
});

/** An open connection, and whether it was closed by the other side. */
function opened(port: number): Promise<{ socket: Socket; closed: Promise<void> }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const closed = new Promise<void>((done) => socket.on('close', () => done()));
    socket.on('error', () => {}).on('connect', () => resolve({ socket, closed })).resume();
  });
}

test('syslog: connections above max_connections are closed, those before go on', async () => {
  const running = await start({ tcp: { ...LOCAL, max_connections: 2 }, protocol: 'rfc5424' });
  const taken = [await opened(running.port), await opened(running.port)];
  await (await opened(running.port)).closed;
  for (const { socket } of taken) socket.write(`${message('in')}\n`);
  await until(() => running.bodies().length === 2, 'both that were taken');
  taken[0]!.socket.end();
  await taken[0]!.closed;
  await until(async () => {
    await send(running.port, `${message('next')}\n`).catch(() => {});
    return running.bodies().includes(message('next'));
  }, 'a place that is free again');
  await running.stop();
});

test('syslog: a connection on which nothing comes is closed after its time', async () => {
  const clock = createManualClock();
  const tcp = { ...LOCAL, connection_idle_timeout: '10s' };
  const running = await start({ tcp, protocol: 'rfc5424' }, clock);
  const { socket, closed } = await opened(running.port);
  const received = (count: number) => until(async () => {
    await clock.advance(0);
    return running.counters.total('binnacle_syslog_received_messages_total') === count;
  }, 'a message');
  socket.write(`${message('one')}\n`);
  await received(1);
  await clock.advance(9000);
  socket.write(`${message('two')}\n`);
  await received(2);
  await clock.advance(9000);
  assert.equal(socket.readableEnded, false, 'each message begins the time anew');
  await clock.advance(1000);
  await closed;
  const stopped = running.stop();
  await clock.advance(10_000);
  await stopped;
});

test('syslog: what is refused for too long is given up, and others follow', async () => {
  const running = await start({ tcp: LOCAL, protocol: 'rfc5424', retry_on_failure: {
    initial_interval: '1ms', max_interval: '1ms', max_elapsed_time: '20ms',
  } });
  running.sink.answer((batch) => (itemKeys(batch).includes(message('bad'))
    ? retryable('never') : { status: 'accepted', rejected: 0 }));
  await send(running.port, `${message('bad')}\n`);
  await until(() => running.sink.deliveries.length > 1, 'tries');
  await send(running.port, `${message('good')}\n`);
  await until(() => running.bodies().length === 1, 'what comes behind it');
  assert.deepEqual(running.bodies(), [message('good')]);
  await running.stop();
});

test('syslog: while the next part is full, UDP drops and counts', async () => {
  const running = await start({ udp: LOCAL, protocol: 'rfc5424' });
  const gate = createGate();
  running.sink.answer(gate.answer);
  const packet = message('x'.repeat(50_000));
  await until(async () => {
    await sendPackets(running.port, Array.from({ length: 20 }, () => packet));
    return running.dropped('full') > 0;
  }, 'drops');
  gate.open({ status: 'accepted', rejected: 0 });
  const counted = () => running.counters.total('binnacle_syslog_received_messages_total');
  await until(() => running.bodies().length === counted(), 'all that was taken');
  await running.stop();
});

test('syslog: a stop hands on what waits until its deadline, and counts the rest', async () => {
  const running = await start({ tcp: LOCAL, protocol: 'rfc5424', operators: [
    { type: 'recombine', combine_field: 'body', is_first_entry: 'body contains "first"' },
  ] });
  const open = await new Promise<Socket>((resolve) => {
    const socket = connect(running.port, '127.0.0.1', () => resolve(socket));
  });
  open.write(`${message('first')}\n${message('more')}\nunfinished`);
  await until(() => running.counters.total('binnacle_syslog_received_messages_total') === 2, 'two');
  await running.stop();
  assert.deepEqual(running.bodies(), [`${message('first')}\n${message('more')}\nunfinished`]);
  open.destroy();
  const stuck = await start({ tcp: LOCAL, protocol: 'rfc5424' });
  stuck.sink.answer(retryable('full'));
  await send(stuck.port, `${message('lost')}\n`);
  await until(() => stuck.sink.deliveries.length > 0, 'a try');
  await stuck.stop();
  assert.equal(stuck.dropped('stopped'), 1);
});

test('syslog: what is wrong with a configuration is said', () => {
  const problem = (config: object) => {
    const issue = syslogReceiver.schema.safeParse(config).error?.issues[0];
    return issue === undefined ? 'fine' : `${issue.path.join('.')}: ${issue.message}`;
  };
  const protocol = 'rfc5424';
  assert.equal(problem({ tcp: LOCAL, protocol }), 'fine');
  assert.match(problem({ protocol }), /needs tcp or udp/);
  assert.match(problem({ tcp: LOCAL, udp: LOCAL, protocol }), /needs tcp or udp/);
  assert.match(problem({ tcp: LOCAL }), /^protocol/);
  assert.match(problem({ tcp: {}, protocol }), /^tcp.listen_address: is required/);
  assert.match(problem({ udp: LOCAL, protocol, enable_octet_counting: true }),
    /^enable_octet_counting: needs tcp/);
  assert.match(problem({ tcp: { ...LOCAL, encoding: 'nop' }, protocol }), /^tcp.encoding/);
  assert.match(problem({ tcp: { ...LOCAL, multiline: {} }, protocol }), /^tcp.multiline/);
});

checkReceiver({
  name: 'syslog',
  create: async (next, context) => {
    const receiver = syslogReceiver.create(syslogReceiver.schema.parse({
      tcp: LOCAL, protocol: 'rfc5424',
      retry_on_failure: { initial_interval: '1ms', max_interval: '2ms' },
    }), context, next);
    return {
      receiver,
      offer: async (keys) => {
        const port = Number(Object.values(receiver.addresses!())[0]!.split(':').at(-1));
        await send(port, keys.map((key) => `${key}\n`).join('')).catch(() => {});
        return [];
      },
    };
  },
});
