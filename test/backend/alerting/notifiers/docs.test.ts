// Proves docs/channels.md: it has each kind of notifier with all of its keys, as the schemas say,
// and each key says what it is for. UPDATE_GOLDEN=1 writes the tables.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import * as z from 'zod';
import { knownKeys } from '../../../../config/shape.ts';
import { strictObject } from '../../../../config/schema.ts';
import { httpConfig } from '../../../../backend/alerting/notifiers/http_config.ts';
import { NOTIFIERS } from '../../../../backend/alerting/notifiers/notifiers.ts';
import { keysTable } from '../../../config/reference.ts';

const FILE = `${import.meta.dirname}/../../../../docs/channels.md`;

const tables: Readonly<Record<string, string>> = {
  ...Object.fromEntries(NOTIFIERS.map(({ type, schema }) =>
    [type, keysTable(schema() as z.ZodType, (path) => !path.startsWith('http_config.'))])),
  http_config: keysTable(httpConfig()),
};

test('docs: docs/channels.md has every kind of notifier and every key', () => {
  const text = readFileSync(FILE, 'utf8');
  const filled = text.replace(/<!-- keys of (\w+) -->[^]*?<!-- end -->/g, (_, type: string) =>
    `<!-- keys of ${type} -->${tables[type]}<!-- end -->`);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(FILE, filled);
  assert.equal(readFileSync(FILE, 'utf8'), filled, 'run this test with UPDATE_GOLDEN=1');
  const named = [...text.matchAll(/<!-- keys of (\w+) -->/g)].map((match) => match[1]!);
  assert.deepEqual(named.sort(), Object.keys(tables).sort());
  for (const { type } of NOTIFIERS) assert.ok(text.includes(`## \`${type}_configs\``), type);
});

test('docs: every key of a notifier says what it is for', () => {
  for (const [type, table] of Object.entries(tables)) {
    for (const row of table.split('\n').filter((line) => line.startsWith('| `'))) {
      assert.doesNotMatch(row, /\| {2}\|$/, `${type}: ${row}`);
    }
  }
  assert.match(keysTable(strictObject({ a: z.string() })), /\| {2}\|\n$/);
});

test('docs: the examples of docs/channels.md can be read', () => {
  const blocks = readFileSync(FILE, 'utf8').match(/(?:^(?: {4}.*)?\n)+/gm) ?? [];
  let read = 0;
  for (const block of blocks.filter((one) => one.includes('_configs:'))) {
    const example = parse(block.replace(/'?\$\{env:\w+\}'?/g, 'https://a.test/x')
      .replaceAll('AC…', 'AC0')) as Record<string, unknown>;
    const receivers = (example['receivers'] ?? [example]) as Record<string, unknown[]>[];
    for (const receiver of receivers) {
      for (const { type, schema } of NOTIFIERS) {
        for (const entry of receiver[`${type}_configs`] ?? []) {
          // `global` gives what a mail needs.
          const given = type === 'email' ? { from: 'a@b.test', smarthost: 'b.test:25' } : {};
          schema().parse({ ...given, ...(entry as object) });
          read += 1;
        }
      }
    }
  }
  assert.ok(read >= NOTIFIERS.length, `${read}`);
});

/** Of Alertmanager 0.34 (notify and config of its sources). */
const ALERTMANAGER: Readonly<Record<string, string>> = {
  webhook: 'http_config url url_file max_alerts timeout payload',
  email: 'to from hello smarthost auth_username auth_password auth_password_file auth_secret '
    + 'auth_secret_file auth_identity headers html text require_tls tls_config '
    + 'force_implicit_tls threading',
  slack: 'http_config api_url api_url_file app_token app_token_file app_url channel username color '
    + 'title title_link pretext text message_text fields short_fields footer fallback callback_id '
    + 'icon_emoji icon_url image_url thumb_url link_names mrkdwn_in actions update_message timeout',
  telegram: 'http_config api_url bot_token bot_token_file chat_id chat_id_file message_thread_id '
    + 'message disable_notifications parse_mode',
  pagerduty: 'http_config service_key service_key_file routing_key routing_key_file url client '
    + 'client_url description details images links source severity class component group timeout',
  opsgenie: 'http_config api_key api_key_file api_url message description source details entity '
    + 'responders actions tags note priority update_alerts',
  msteams: 'http_config webhook_url webhook_url_file title summary text',
  msteamsv2: 'http_config webhook_url webhook_url_file title text',
  discord: 'http_config webhook_url webhook_url_file content title message username avatar_url',
};

/** Kinds for which resolved alerts are told unless somebody says otherwise. */
const RESOLVED = { email: false, slack: false } as Readonly<Record<string, boolean>>;

test('notifiers: Alertmanager\'s keys are known, and its defaults of send_resolved', () => {
  for (const { type, schema } of NOTIFIERS) {
    const known = knownKeys(schema());
    const missing = (ALERTMANAGER[type] ?? '').split(' ').filter((key) =>
      key !== '' && !known.includes(key));
    assert.deepEqual(missing, [], type);
    const row = tables[type]!.split('\n').find((line) => line.startsWith('| `send_resolved`'))!;
    assert.ok(row.includes(`\`${RESOLVED[type] ?? true}\``), row);
  }
});
