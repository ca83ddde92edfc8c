// `binnacle rules backtest RULE`: asks a backend when a rule would have fired, and draws it.

import { OperatorError } from '../../runtime/errors.ts';
import { createWorld } from '../../runtime/world.ts';
import { AskError, askJson, sendJson, type Target } from './ask.ts';
import { page } from './schema.ts';
import { countText, durationText, numberText } from './text.ts';

export interface BacktestFlags extends Target {
  /** Id or name of a rule of the backend, or a file; `FILE#NAME` is a rule of several. */
  readonly rule: string;
  readonly last?: string;
  readonly from?: string;
  readonly to?: string;
  readonly json: boolean;
}

/** The answer of `POST /api/rules/backtest`, as far as it is shown. */
interface Answer {
  readonly rule: { readonly name: string; readonly group: string };
  readonly from: string;
  readonly to: string;
  readonly evaluations: number;
  readonly empty: number;
  readonly failures: number;
  readonly error: string;
  readonly fired: number;
  readonly pending_only: number;
  readonly flaps: number;
  readonly share_firing: number;
  readonly notifications: {
    readonly count: number;
    readonly groups: number;
    readonly reasons: Readonly<Record<string, number>>;
    readonly group_by: readonly string[];
  };
  readonly alerts: ReadonlyArray<{
    readonly labels: Readonly<Record<string, string>>;
    readonly from: string;
    readonly to: string | null;
    readonly seconds: number;
    readonly min: number | null;
    readonly max: number | null;
  }>;
  readonly truncated: boolean;
}

/** Throws OperatorError. */
export async function backtest(flags: BacktestFlags): Promise<void> {
  const { last, from, to, json } = flags;
  try {
    const answer = await sendJson<Answer>(flags, '/api/rules/backtest', {
      ...await chosen(flags),
      ...(last === undefined ? {} : { last }), ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
    process.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : await drawn(answer));
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}

async function chosen({ rule, ...target }: BacktestFlags): Promise<object> {
  const [path, name] = rule.split('#') as [string, string?];
  const text = await createWorld().files.readText(path).catch(() => null);
  if (text !== null) return { rule: text, ...(name === undefined ? {} : { name }) };
  const found = await rulesNamed(target, rule);
  if (found.length === 1) return { id: found[0] };
  throw new OperatorError(found.length === 0 ? `'${rule}' is no file, and no rule of the backend`
    : `${found.length} rules are called ${rule}`, '`binnacle rules list` shows ids and names');
}

/** Ids of the rules that are called so, or have that id. */
async function rulesNamed(target: Target, name: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer: { readonly next: string | null;
      readonly items: ReadonlyArray<{ readonly id: string; readonly name: string }> } =
      await askJson(target, `/api/rules?limit=1000${more}`);
    ids.push(...answer.items.filter((one) => one.id === name || one.name === name)
      .map(({ id }) => id));
    cursor = answer.next;
  }
  return ids;
}

/** As many as a screen or two can hold; `--json` has them all. */
const ALERTS_SHOWN = 50;

async function drawn(answer: Answer): Promise<string> {
  const { alerts, notifications, rule } = answer;
  const lines = [
    `${rule.name} of ${rule.group}, ${answer.from} to ${answer.to}, `
      + `${numberText(answer.evaluations)} evaluations`,
    `fired ${times(answer.fired)}, ${(answer.share_firing * 100).toFixed(2)} % of the time; `
      + `pending only ${times(answer.pending_only)}; back within an hour ${times(answer.flaps)}`,
    `${countText(notifications.count, 'notification')} of `
      + `${countText(notifications.groups, 'group')} by `
      + `${notifications.group_by.join(', ') || 'nothing'}${reasonsOf(notifications)}`,
    ...(answer.empty === 0 ? [] : [`nothing was measured ${times(answer.empty)}`]),
    ...(answer.failures === 0 ? []
      : [`failed ${times(answer.failures)}, the last time: ${answer.error}`]),
  ];
  const shown = alerts.slice(0, ALERTS_SHOWN);
  const rows = shown.map(({ labels: { alertname: _, ...labels }, from, to, seconds, min, max }) =>
    [from, to ?? 'still', durationText(seconds * 1000), valueText(min), valueText(max),
      Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(' ')]);
  const table = rows.length === 0 ? '' : await page(
    ['from', 'to', 'for', 'least', 'most', 'labels'], ['', '', '', 'Float64', 'Float64', ''], rows);
  const rest = answer.fired - shown.length;
  return `${lines.join('\n')}\n${table}${rest > 0 ? `and ${numberText(rest)} more\n` : ''}`;
}

const times = (count: number): string =>
  (count === 0 ? 'never' : count === 1 ? 'once' : `${numberText(count)} times`);

const valueText = (value: number | null): string =>
  (value === null ? '' : String(Number(value.toPrecision(4))));

function reasonsOf({ reasons }: Answer['notifications']): string {
  const parts = Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
