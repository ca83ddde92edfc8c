// `binnacle alerts`, `alerts ack`, `alerts silence`, `rules list`: asks a backend, and draws what
// it answers.

import { createClock } from '../../runtime/clock.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { parseDuration } from '../../config/schema.ts';
import { parseMatchers } from '../alerting/matchers.ts';
import { AskError, askJson, sendJson, type Target } from './ask.ts';
import { page } from './schema.ts';
import { durationText } from './text.ts';

export interface AlertsFlags extends Target {
  readonly json: boolean;
  readonly all?: boolean;
}

export interface AckFlags extends Target {
  readonly for: string;
  readonly comment: string;
}

export type SilenceFlags = AckFlags;

/** What of `/api/alerts` is shown. */
interface Item {
  readonly id: string;
  readonly name: string;
  readonly severity: string;
  readonly status: string;
  readonly current_value: number | null;
  readonly created_at: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly acknowledged_by: string;
  readonly silenced_by: readonly string[];
  readonly inhibited_by: readonly string[];
  readonly muted_by: readonly string[];
}

const ALERTS_MAX = 1000;

export async function listAlerts(flags: AlertsFlags): Promise<void> {
  await asking(async () => {
    const state = flags.all === true ? '&state=all' : '';
    const { items } = await askJson<{ items: Item[] }>(flags,
      `/api/alerts?limit=${ALERTS_MAX}${state}`);
    if (flags.json) return write(`${JSON.stringify({ items }, null, 2)}\n`);
    if (items.length === 0) return write('no alerts\n');
    const nowMs = createClock().nowMs();
    write(await page(['id', 'alert', 'state', 'severity', 'since', 'value', 'labels', 'quiet'],
      ['', '', '', '', '', 'Float64', '', ''], items.map((item) => rowOf(item, nowMs))));
  });
}

/** The id may be cut: the backend knows whole ones only, the command looks them up. */
const SHOWN_DIGITS = 8;

function rowOf(item: Item, nowMs: number): string[] {
  const { alertname: _, severity: __, ...labels } = item.labels;
  return [
    item.id.slice(0, SHOWN_DIGITS), item.name, item.status, item.severity,
    durationText(Math.max(0, nowMs - Date.parse(item.created_at))),
    item.current_value === null ? '' : String(Number(item.current_value.toPrecision(4))),
    Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(' '),
    quietOf(item),
  ];
}

function quietOf(item: Item): string {
  return [
    item.acknowledged_by === '' ? '' : `by ${item.acknowledged_by}`,
    item.silenced_by.length > 0 ? 'silenced' : '',
    item.inhibited_by.length > 0 ? 'inhibited' : '',
    item.muted_by.join(' '),
  ].filter((text) => text !== '').join(', ');
}

export async function acknowledge(id: string, flags: AckFlags): Promise<void> {
  await asking(async () => {
    const { items } = await askJson<{ items: Item[] }>(flags, `/api/alerts?limit=${ALERTS_MAX}`);
    const found = items.filter((item) => item.id.startsWith(id));
    if (found.length !== 1) {
      throw new OperatorError(found.length === 0 ? `there is no alert ${id}`
        : `${found.length} alerts begin with ${id}`, '`binnacle alerts` lists them');
    }
    const path = `/api/alerts/${found[0]!.id}/acknowledge`;
    await sendJson(flags, path, { for: flags.for, comment: flags.comment });
    write(`${found[0]!.name} is acknowledged for ${flags.for}\n`);
  });
}

export async function silence(texts: readonly string[], flags: SilenceFlags): Promise<void> {
  const parsed = parseMatchers(texts.join(','));
  if (!parsed.ok) {
    throw new OperatorError(`this ${parsed.why}`, 'write service="shop" or host=~"web.*"');
  }
  await asking(async () => {
    const nowMs = createClock().nowMs();
    const answer = await sendJson<{ silenceID: string }>(flags, '/api/v2/silences', {
      matchers: parsed.matchers, comment: flags.comment, createdBy: AUTHOR,
      startsAt: new Date(nowMs).toISOString(),
      endsAt: new Date(nowMs + (parseDuration(flags.for) ?? 0)).toISOString(),
    });
    write(`silence ${answer.silenceID} for ${flags.for}\n`);
  });
}

/** Alertmanager's API wants one; a backend that knows who asks says that instead. */
const AUTHOR = process.env['USER'] ?? 'binnacle';

/** Prometheus' shape. */
interface RulesAnswer {
  readonly data: { readonly groups: ReadonlyArray<{
    readonly name: string;
    readonly file: string;
    readonly rules: ReadonlyArray<{
      readonly name: string;
      readonly state?: string;
      readonly health: string;
      readonly lastError?: string;
      readonly alerts?: readonly unknown[];
    }>;
  }> };
}

export async function listRules(flags: AlertsFlags): Promise<void> {
  await asking(async () => {
    const { data: { groups } } = await askJson<RulesAnswer>(flags, '/api/v1/rules');
    if (flags.json) return write(`${JSON.stringify({ groups }, null, 2)}\n`);
    const rows = groups.flatMap(({ name: group, file, rules }) => rules.map((rule) => [
      rule.name, rule.state ?? '', rule.alerts === undefined ? '' : String(rule.alerts.length),
      rule.health, rule.lastError ?? '', group, file]));
    if (rows.length === 0) return write('no rules\n');
    write(await page(['rule', 'state', 'alerts', 'health', 'error', 'group', 'file'],
      ['', '', 'UInt64', '', '', '', ''], rows));
  });
}

const write = (text: string): void => void process.stdout.write(text);

/** What the backend refuses is told as one sentence. */
export async function asking(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}
