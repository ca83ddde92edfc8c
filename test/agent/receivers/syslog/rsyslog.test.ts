// Proves the receiver syslog with a real sender: rsyslog reads lines from a file and forwards them
// over UDP (RFC 3164), TCP (RFC 5424, octet counting) and TLS (with a certificate of its own); each
// line arrives once over each, with what rsyslog says of it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syslogReceiver } from '../../../../agent/receivers/syslog/receiver.ts';
import { createSink, temporaryFolder, testContext, until } from '../../../contract/fakes.ts';
import { createAuthority } from '../../../proto/certificate.ts';
import { asLines, attribute, numbered, recordsOf } from '../file_log/following.ts';

const RSYSLOGD = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find(existsSync);
const hasGnutls = readdirSync('/usr/lib').filter((name) => name.endsWith('-linux-gnu'))
  .some((name) => existsSync(`/usr/lib/${name}/rsyslog/lmnsd_gtls.so`));
const skip = RSYSLOGD !== undefined && hasGnutls ? false
  : 'needs rsyslog and rsyslog-gnutls (apt-get install rsyslog rsyslog-gnutls)';

async function listen(config: object) {
  const sink = createSink();
  const receiver = syslogReceiver.create(syslogReceiver.schema.parse(config), testContext(), sink);
  await receiver.start();
  const port = Object.values(receiver.addresses!())[0]!.split(':').at(-1)!;
  return {
    port,
    records: () => sink.deliveries.flatMap(({ batch }) => recordsOf(batch)),
    stop: () => receiver.stop(AbortSignal.timeout(3000)),
  };
}

const forward = (port: string, more: string) =>
  `action(type="omfwd" target="127.0.0.1" port="${port}" ${more})\n`;

test('syslog: rsyslog forwards over UDP, TCP and TLS', { skip, timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  const put = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const authority = createAuthority('a test authority');
  const ca = put('ca.crt', authority.cert);
  const [server, client] = [authority.issue('server', ['localhost']), authority.issue('client')];
  const tls = { cert_file: put('server.crt', server.cert),
    key_file: put('server.key', server.key), client_ca_file: ca };
  const address = { listen_address: '127.0.0.1:0' };
  const receivers = [
    await listen({ udp: address, protocol: 'rfc3164', location: 'Local' }),
    await listen({ tcp: address, protocol: 'rfc5424', enable_octet_counting: true }),
    await listen({ tcp: { ...address, tls }, protocol: 'rfc5424' }),
  ];
  const [udp, tcp, secure] = receivers;
  const input = put('in.log', '');
  const newer = 'protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"';
  const config = put('rsyslog.conf', `global(workDirectory="${folder}"
  defaultNetstreamDriverCAFile="${ca}"
  defaultNetstreamDriverCertFile="${put('client.crt', client.cert)}"
  defaultNetstreamDriverKeyFile="${put('client.key', client.key)}")
module(load="imfile" mode="polling" pollingInterval="1")
input(type="imfile" File="${input}" Tag="shop[7]:" Severity="error" Facility="local3")
${forward(udp!.port, 'protocol="udp" template="RSYSLOG_TraditionalForwardFormat"')}
${forward(tcp!.port, `${newer} TCP_Framing="octet-counted"`)}
${forward(secure!.port, `${newer} StreamDriver="gtls" StreamDriverMode="1"
  StreamDriverAuthMode="x509/certvalid"`)}`);
  const lines = numbered(500, 0, 'order é "quoted"');
  writeFileSync(input, asLines(lines));
  const rsyslog = spawn(RSYSLOGD!, ['-n', '-f', config, '-i', join(folder, 'pid')],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  rsyslog.stderr.on('data', (chunk: Buffer) => (said += chunk));
  const ended = new Promise((resolve) => rsyslog.on('exit', resolve));
  try {
    for (const { records } of receivers) {
      await until(() => records().length >= lines.length, `the lines: ${said}`, 40_000);
    }
  } finally {
    rsyslog.kill('SIGTERM');
    await ended;
  }
  for (const { records, stop } of receivers) {
    await stop();
    const found = records();
    const texts = found.map((record) => String(attribute(record, 'message')).trim());
    assert.deepEqual(texts.filter((text) => text.startsWith('order')), lines);
    const [record] = found.filter((one) => String(attribute(one, 'message')).includes('order'));
    assert.deepEqual([record!.severityNumber, record!.severityText], [17, 'err']);
    assert.equal(attribute(record!, 'facility_text'), 'local3');
    assert.equal(attribute(record!, 'appname'), 'shop');
    assert.equal(attribute(record!, 'proc_id'), '7');
    assert.ok(Math.abs(Number(record!.timeUnixNano / 1_000_000n) - Date.now()) < 120_000);
  }
});
