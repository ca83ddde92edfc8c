// A message as a page of a mail: tables and inline styles, which is what mail programs understand.
// Everything that alerts say is escaped; nothing is loaded from anywhere.

import { charactersOf } from './cut.ts';
import { escapeHtml as e } from './markup.ts';
import type { Message, Part } from './message.ts';

export const limits = {
  /** Characters of the page; alerts that do not fit are counted. */
  pageMax: 400_000,
} as const;

/** What is drawn for a part: the Content-ID of its picture, and what stands beside it. */
export interface ShownChart {
  readonly id: string;
  readonly low: string;
  readonly high: string;
  readonly from: string;
  readonly to: string;
}

const FONT = 'font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif';

/** `charts` by the index of the part. */
export function emailPage(message: Message, charts: ReadonlyMap<number, ShownChart>): string {
  const { title, status, severity, digest, common, parts, link } = message;
  const color = colorOf(status, severity);
  let shown = '';
  let left = message.more;
  for (const [index, part] of parts.entries()) {
    const one = partHtml(part, charts.get(index));
    if (charactersOf(shown) + charactersOf(one) > limits.pageMax) left += 1;
    else shown += one;
  }
  return `<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" `
    + `content="width=device-width"><title>${e(title)}</title></head>`
    + `<body style="margin:0;padding:16px;background:#f4f5f7;color:#1c2126;${FONT}">`
    + '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
    + 'style="max-width:640px;margin:0 auto;background:#ffffff;border-radius:6px">'
    + `<tr><td style="background:${color};color:#ffffff;padding:14px 18px;font-size:17px;`
    + `font-weight:600;border-radius:6px 6px 0 0">${e(title)}</td></tr>`
    + note(digest) + note(common.join(', ')) + shown
    + (left === 0 ? '' : note(`… and ${left} more alerts`))
    + (link === '' ? '' : `<tr><td style="padding:14px 18px">${anchor(link, 'Open Binnacle')}`
      + '</td></tr>')
    + '</table></body></html>';
}

function colorOf(status: 'firing' | 'resolved', severity: string): string {
  if (status === 'resolved') return '#2e7d4f';
  return severity === 'warning' || severity === 'info' ? '#b26a00' : '#b3261e';
}

const note = (text: string): string => (text === '' ? ''
  : `<tr><td style="padding:10px 18px 0;font-size:13px;color:#5b6570">${e(text)}</td></tr>`);

const anchor = (url: string, text: string): string =>
  `<a href="${e(url)}" style="color:#1f5fa8">${e(text)}</a>`;

function partHtml(part: Part, chart: ShownChart | undefined): string {
  const { name, severity, status, when, summary, description, value, labels, traces, logs } = part;
  const state = [severity, status === 'firing' ? 'firing' : '', when].filter((one) => one !== '');
  const links = [
    part.runbook === '' ? '' : anchor(part.runbook, 'Runbook'),
    part.link === '' ? '' : anchor(part.link, 'Source'),
  ].filter((one) => one !== '').join(' &middot; ');
  return '<tr><td style="padding:14px 18px;border-bottom:1px solid #e1e4e8;font-size:14px;'
    + 'line-height:1.5">'
    + `<div><strong>${e(name)}</strong> `
    + `<span style="color:#5b6570">${e(state.join(' '))}</span></div>`
    + line(summary) + line(description)
    + (value === '' ? '' : `<div>Value: <strong>${e(value)}</strong></div>`)
    + (chart === undefined ? '' : chartHtml(chart, name))
    + (labels.length === 0 ? '' : small(labels.join(', ')))
    + (traces.length === 0 ? '' : small(`Traces: ${traces.join(', ')}`))
    + (logs.length === 0 ? '' : '<pre style="margin:6px 0;padding:8px;background:#f4f5f7;'
      + `font-size:12px;white-space:pre-wrap;word-break:break-word">${e(logs.join('\n'))}</pre>`)
    + (links === '' ? '' : `<div>${links}</div>`)
    + '</td></tr>';
}

const line = (text: string): string => (text === '' ? ''
  : `<div>${e(text).replaceAll('\n', '<br>')}</div>`);

const small = (text: string): string =>
  `<div style="font-size:12px;color:#5b6570;word-break:break-word">${e(text)}</div>`;

function chartHtml({ id, low, high, from, to }: ShownChart, name: string): string {
  return `<div style="margin:8px 0"><img src="cid:${e(id)}" width="480" height="80" `
    + `alt="${e(`${name}: from ${low} to ${high}`)}" style="max-width:100%;display:block">`
    + `<div style="font-size:11px;color:#5b6570">${e(`${from} – ${to}, ${low} to ${high}`)}</div>`
    + '</div>';
}
