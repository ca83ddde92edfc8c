// What the tests of operators share: lines through a receiver with these operators, and the records
// that travel, as plain values; and the first problem of an operator's configuration.

import assert from 'node:assert/strict';
import { fileLogSchema } from '../../../agent/receivers/file_log/config.ts';
import type { AnyValue, Attributes } from '../../../proto/otlp/model.ts';
import { follow, type Config } from '../receivers/file_log/following.ts';

export interface Plain {
  readonly body: unknown;
  readonly attributes: Record<string, unknown>;
  readonly resource: Record<string, unknown>;
  readonly time: string;
  readonly severity: string;
}

/** What operators held back is waited for. */
export async function run(
  lines: string | string[], operators: unknown[], config: Config = {},
): Promise<Plain[]> {
  const following = await follow({ operators, include_file_name: false, ...config });
  following.write('a.log', [lines].flat().map((line) => `${line}\n`).join(''));
  await following.poll();
  await following.clock.advance(5_300);
  await following.poll();
  await following.stop();
  return following.sink.deliveries.flatMap(({ batch }) => {
    assert.ok(batch.is('logs'));
    return batch.request.resourceLogs.flatMap(({ resource, scopeLogs }) =>
      scopeLogs[0]!.logRecords.map((record) => ({
        body: record.body === undefined ? undefined : plain(record.body),
        attributes: plainMap(record.attributes),
        resource: plainMap(resource!.attributes),
        time: timeText(record.timeUnixNano),
        severity: `${record.severityNumber} ${record.severityText}`,
      })));
  });
}

function plain(value: AnyValue): unknown {
  if (value.type === 'array') return value.value.map(plain);
  if (value.type === 'kvlist') return plainMap(value.value);
  return value.value;
}

const plainMap = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));

function timeText(timeNs: bigint): string {
  if (timeNs === 0n) return '';
  const digits = String(timeNs % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 19)}.${digits}`;
}

/** `path: why: hint` of the first thing that is wrong with an operator (or a list), or `fine`. */
export function problem(operator: object | object[]): string {
  const config = { include: ['/a'], operators: [operator].flat() };
  const issue = fileLogSchema().safeParse(config).error?.issues[0];
  if (issue === undefined) return 'fine';
  const hint = issue.code === 'custom' ? issue.params?.['hint'] : '';
  return `${issue.path.slice(2).join('.')}: ${issue.message}: ${hint}`;
}
