// Proves what becomes of an entry of the journal and how journalctl is called, on lines as
// journalctl of systemd 252 prints them and on the options of its manual page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followCommand, newestCommand } from '../../../../agent/receivers/journald/command.ts';
import { journaldSchema } from '../../../../agent/receivers/journald/config.ts';
import {
  createEntryReader, cursorOf, type EntryOptions,
} from '../../../../agent/receivers/journald/entry.ts';

const options: EntryOptions = { attributes: {}, resource: {}, convertMessage: false };
const line = (fields: object): Buffer => Buffer.from(JSON.stringify({
  __CURSOR: 's=1;i=2', __REALTIME_TIMESTAMP: '1700000000123456', ...fields,
}));
const read = (fields: object, more: Partial<EntryOptions> = {}) =>
  createEntryReader({ ...options, ...more })(line(fields));

test('journald entry: body, time, severity', () => {
  const entry = read({ MESSAGE: 'started', PRIORITY: '4', _PID: '7' })!;
  assert.deepEqual({ ...entry.body as object },
    { __CURSOR: 's=1;i=2', MESSAGE: 'started', PRIORITY: '4', _PID: '7' });
  assert.equal(entry.timeNs, 1700000000123456000n);
  assert.equal(entry.severityNumber, 13);
  assert.equal(entry.severityText, 'warning');
  const severities = [0, 1, 2, 3, 4, 5, 6, 7].map((priority) =>
    read({ PRIORITY: String(priority) })!.severityNumber);
  assert.deepEqual(severities, [21, 19, 18, 17, 13, 10, 9, 5]);
  assert.equal(read({ MESSAGE: 'x' })!.severityNumber, 0);
  assert.equal(read({ MESSAGE: 'x', PRIORITY: 'constructor' })!.severityText, '');
});

test('journald entry: fields that are long, no text, or there twice', () => {
  const body = (fields: object, convertMessage = false) =>
    (read(fields, { convertMessage })!.body as Record<string, unknown>);
  assert.equal(body({ MESSAGE: null })['MESSAGE'], null);
  assert.deepEqual(body({ _A: ['one', 'two'] })['_A'], ['one', 'two']);
  assert.deepEqual(body({ MESSAGE: [104, 195, 164] })['MESSAGE'], [104, 195, 164]);
  assert.equal(body({ MESSAGE: [104, 195, 164] }, true)['MESSAGE'], 'hä');
  assert.deepEqual(body({ MESSAGE: [[1, 2], 'a'] }, true)['MESSAGE'], [[1, 2], 'a']);
  assert.equal(body(JSON.parse('{"__proto__":"x","MESSAGE":"y"}'))['MESSAGE'], 'y');
});

test('journald entry: what is no entry is none', () => {
  const reader = createEntryReader(options);
  for (const text of ['', '{', '[]', 'null', '"x"', '{"MESSAGE":"no time"}',
    '{"__REALTIME_TIMESTAMP":17}', '{"__REALTIME_TIMESTAMP":"-1"}', '\x00']) {
    assert.equal(reader(Buffer.from(text)), null, text);
    assert.equal(cursorOf(Buffer.from(text)), null, text);
  }
  assert.equal(cursorOf(line({})), 's=1;i=2');
});

test('journald entry: attributes and resource that the configuration gives', () => {
  const entry = read({ MESSAGE: 'x' }, { attributes: { team: 'a' }, resource: { host: 'b' } })!;
  assert.deepEqual({ ...entry.attributes }, { team: 'a' });
  assert.deepEqual({ ...entry.resource }, { host: 'b' });
});

test('journald: how journalctl is called', () => {
  const check = (config: object, cursor: string, want: string) => {
    const { command, args } = followCommand(journaldSchema().parse(config), cursor);
    assert.equal([command, ...args].join(' '), want);
  };
  const base = 'journalctl --output=json --follow --no-tail';
  check({}, '', `${base} --priority=info`);
  check({}, 's=1', `${base} --after-cursor=s=1 --priority=info`);
  check({ directory: '/d', namespace: '*', merge: true, all: true, dmesg: true, priority: 3 }, '',
    `${base} --directory=/d --namespace=* --merge --all --priority=3 --dmesg`);
  check({ files: ['/a', '/b*'], units: ['x', '--y'], identifiers: ['i'], grep: '^a b' }, '',
    `${base} --file=/a --file=/b* --unit=x --unit=--y --identifier=i --priority=info `
      + '--grep=^a b');
  check({ matches: [{ _SYSTEMD_UNIT: 'ssh' }, { _UID: 1000, _SYSTEMD_UNIT: 'kubelet' }] }, '',
    `${base} --priority=info _SYSTEMD_UNIT=ssh + _SYSTEMD_UNIT=kubelet _UID=1000`);
  check({ root_path: '/host', journalctl_path: '/usr/bin/journalctl' }, '',
    `chroot /host /usr/bin/${base} --priority=info`);
  const { args } = newestCommand(journaldSchema().parse({ directory: '/d', units: ['x'] }));
  assert.equal(args.join(' '), '--output=json --lines=1 --no-pager --directory=/d');
});

test('journald config: mistakes are refused where they are', () => {
  const check = (config: object, path: string) => {
    const result = journaldSchema().safeParse(config);
    assert.equal(result.success, false, JSON.stringify(config));
    assert.equal(result.error!.issues[0]!.path.join('.'), path);
  };
  check({ directory: '/a', files: ['/b'] }, 'files');
  check({ priority: 'loud' }, 'priority');
  check({ priority: 'err..' }, 'priority');
  check({ matches: [{ '--flag': 'x' }] }, 'matches.0.--flag');
  check({ matches: [{}] }, 'matches.0');
  check({ root_path: '/host' }, 'journalctl_path');
  check({ start_at: 'middle' }, 'start_at');
  journaldSchema().parse({ priority: 'err..warning' });
  journaldSchema().parse({ storage: 'file_storage', retry_on_failure: { enabled: false } });
});
