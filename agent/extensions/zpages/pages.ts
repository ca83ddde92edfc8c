// The pages as HTML, and all that they show as one JSON document, which `binnacle agent top` asks.

import type { GraphView, Host, PartView } from '../../../proto/contract/component.ts';
import type { World } from '../../../runtime/world.ts';
import type { Counters, Series } from '../../../runtime/counters.ts';
import type { TextAnswer } from '../../text_server.ts';

/** What the agent tells about itself at a moment. */
export interface Status {
  readonly atMs: number;
  readonly ready: boolean;
  readonly view: GraphView;
  /** All counters and gauges, as at /metrics. */
  readonly series: readonly Series[];
}

export const statusOf = (host: Host, counters: Counters, { clock }: World): Status =>
  ({ atMs: clock.nowMs(), ready: host.ready(), view: host.view!(), series: counters.series() });

export const json = (value: unknown): TextAnswer => ({
  status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n`,
});

export function servicePage({ series, ready, view }: Status): TextAnswer {
  const own = series.filter(({ name }) => /^otelcol_process_|^binnacle_(agent|reload)/.test(name));
  const state = `${ready ? 'running' : 'not ready'}; ${view.pipelines.length} pipelines, `
    + `${view.parts.length} components`;
  const rows = own.map((one) => [one.name, labels(one), String(one.value)]);
  return page('Service', `<p>${state}</p>${table(['', '', ''], rows)}`);
}

export function pipelinePage({ view, series }: Status): TextAnswer {
  const pipelines = view.pipelines.map(({ id, receivers, processors, exporters }) =>
    [id, receivers.join(', '), processors.join(' → '), exporters.join(', ')]);
  const parts = view.parts.filter(({ kind }) => kind !== 'extension').map((part) => [
    part.kind, part.id, part.pipeline ?? '', String(part.calls), countsOf(part, series),
    problemOf(part)]);
  return page('Pipelines', table(['pipeline', 'receivers', 'processors', 'exporters'], pipelines)
    + table(['kind', 'id', 'pipeline', 'under way', 'counts', 'last warning or error'], parts));
}

export function extensionPage({ view }: Status): TextAnswer {
  const rows = view.parts.filter(({ kind }) => kind === 'extension').map((part) =>
    [part.id, part.type, Object.values(part.addresses).join(', '), problemOf(part)]);
  return page('Extensions', table(['id', 'type', 'listens', 'last warning or error'], rows));
}

const problemOf = ({ problem }: PartView): string => (problem === undefined ? ''
  : `${new Date(problem.atMs).toISOString()} ${problem.level}: ${problem.message}`);

/** What the counters with the label of the part say. */
const countsOf = ({ kind, id }: PartView, series: readonly Series[]): string => series
  .filter((one) => one.labels[kind] === id && one.value !== 0)
  .map((one) => `${one.name.replace(/^otelcol_|^binnacle_|_total$/g, '')} ${one.value}`).join(', ');

const labels = ({ labels: all }: Series): string =>
  Object.entries(all).map(([key, value]) => `${key}=${value}`).join(' ');

const escape = (text: string): string => text.replace(/[&<>"]/g, (character) =>
  `&#${character.charCodeAt(0)};`);

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${cells(head, 'th')}${rows.map((row) => cells(row, 'td')).join('')}</table>`;
};

const STYLE = 'body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}'
  + 'td,th{border:1px solid #ccc;padding:3px 8px;text-align:left;vertical-align:top}';
const LINKS = ['servicez', 'pipelinez', 'extensionz'];

const page = (title: string, body: string): TextAnswer => ({
  status: 200,
  contentType: 'text/html; charset=utf-8',
  body: `<!doctype html><meta charset="utf-8"><title>${title}</title><style>${STYLE}</style>`
    + `<p>${LINKS.map((name) => `<a href="/debug/${name}">${name}</a>`).join(' ')}</p>`
    + `<h1>${title}</h1>${body}\n`,
});
