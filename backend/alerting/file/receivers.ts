// Receivers of an alerting file: `<type>_configs` for each kind of notifier, and what `global` says
// for all of them.

import * as z from 'zod';
import { refusedKey, strictObject } from '../../../config/schema.ts';
import { knownKeys } from '../../../config/shape.ts';
import type { ConfigNode } from '../../../config/tree.ts';
import type { ChannelConfig, ReceiverConfig } from '../config.ts';
import type { NotifierFactory } from '../model.ts';

export type Factories = readonly NotifierFactory<any>[];

/** A parsed receiver; its other keys are `<type>_configs`. */
export interface ReceiverYaml extends Record<string, unknown> {
  readonly name: string;
  readonly fallback: string;
}

export function receiversSchema(factories: Factories): z.ZodType<readonly ReceiverYaml[]> {
  const known = factories.map(({ type }) => `${type}_configs`);
  const shape: Record<string, z.ZodType> = {
    name: z.string().min(1).describe('By which routes name it.'),
    fallback: z.string().min(1).describe('Who is told what this one does not take.').optional(),
    labels: z.record(z.string(), z.string()).describe('For people.').optional(),
  };
  for (const { type, schema } of factories) {
    shape[`${type}_configs`] = z.array(schema()).max(CHANNELS_MAX)
      .describe(`Told over ${type}.`).optional();
  }
  for (const key of OTHERS.filter((one) => !known.includes(one))) {
    shape[key] = refusedKey('use webhook_configs, or one of the other kinds');
  }
  const schema = z.array(strictObject(shape)).min(1, 'needs at least one receiver');
  return schema as unknown as z.ZodType<readonly ReceiverYaml[]>;
}

export function receiverOf(written: ReceiverYaml, factories: Factories): ReceiverConfig {
  const channels = factories.flatMap(({ type }) =>
    ((written[`${type}_configs`] ?? []) as unknown[]).map((config, index): ChannelConfig =>
      ({ type, index, config, sendResolved: sendsResolved(config) })));
  return { name: written.name, fallback: written.fallback ?? '', channels };
}

/**
 * The same file, with what `global` says in each entry of a receiver that does not say it itself
 * and has such a key. What is found wrong there is shown where it was written.
 */
export function withGlobals(root: ConfigNode, factories: Factories): ConfigNode {
  const global = entry(root, 'global');
  const receivers = entry(root, 'receivers');
  if (root.kind !== 'map' || global?.kind !== 'map' || receivers?.kind !== 'list') return root;
  const items = receivers.items.map((receiver) => {
    if (receiver.kind !== 'map') return receiver;
    const entries = new Map(receiver.entries);
    for (const { type, schema } of factories) {
      const list = entries.get(`${type}_configs`);
      if (list?.kind !== 'list') continue;
      const known = knownKeys(schema());
      entries.set(`${type}_configs`,
        { ...list, items: list.items.map((item) => filled(item, global, type, known)) });
    }
    return { ...receiver, entries };
  });
  return { ...root, entries: new Map([...root.entries, ['receivers', { ...receivers, items }]]) };
}

/** Channels of one kind of one receiver; more are refused. */
const CHANNELS_MAX = 100;

/** Of Alertmanager, which is not to say that all of them are built. */
const OTHERS = ['discord', 'email', 'incidentio', 'pagerduty', 'slack', 'webhook', 'opsgenie',
  'wechat', 'pushover', 'victorops', 'sns', 'telegram', 'webex', 'msteams', 'msteamsv2', 'jira',
  'rocketchat', 'mattermost'].map((type) => `${type}_configs`);

/** Key of `global` → key of the entry. Those of one list are one thing: the first counts. */
const FILLED: Readonly<Record<string, ReadonlyArray<readonly (readonly [string, string])[]>>> = {
  email: [
    [['smtp_from', 'from']], [['smtp_hello', 'hello']], [['smtp_smarthost', 'smarthost']],
    [['smtp_auth_username', 'auth_username']], [['smtp_auth_identity', 'auth_identity']],
    [['smtp_auth_password', 'auth_password'], ['smtp_auth_password_file', 'auth_password_file']],
    [['smtp_auth_secret', 'auth_secret'], ['smtp_auth_secret_file', 'auth_secret_file']],
    [['smtp_require_tls', 'require_tls']], [['smtp_tls_config', 'tls_config']],
    [['smtp_force_implicit_tls', 'force_implicit_tls']],
  ],
  slack: [
    [['slack_api_url', 'api_url'], ['slack_api_url_file', 'api_url_file'],
      ['slack_app_token', 'app_token'], ['slack_app_token_file', 'app_token_file']],
    [['slack_app_url', 'app_url']],
  ],
  pagerduty: [[['pagerduty_url', 'url']]],
  opsgenie: [
    [['opsgenie_api_url', 'api_url']],
    [['opsgenie_api_key', 'api_key'], ['opsgenie_api_key_file', 'api_key_file']],
  ],
  telegram: [
    [['telegram_api_url', 'api_url']],
    [['telegram_bot_token', 'bot_token'], ['telegram_bot_token_file', 'bot_token_file']],
  ],
};

function filled(
  item: ConfigNode,
  global: ConfigNode,
  type: string,
  known: readonly string[],
): ConfigNode {
  if (item.kind !== 'map') return item;
  const entries = new Map(item.entries);
  for (const keys of [...(FILLED[type] ?? []), [['http_config', 'http_config']] as const]) {
    if (keys.some(([, own]) => entries.has(own))) continue;
    for (const [key, own] of keys) {
      const value = entry(global, key);
      if (value !== null && known.includes(own)) entries.set(own, value);
    }
  }
  return { ...item, entries };
}

function entry(node: ConfigNode, key: string): ConfigNode | null {
  return node.kind === 'map' ? (node.entries.get(key) ?? null) : null;
}

function sendsResolved(config: unknown): boolean {
  return !(typeof config === 'object' && config !== null && 'send_resolved' in config
    && config.send_resolved === false);
}
