// Writes a message in the markup of a channel, within what it takes: alert after alert as a whole,
// then shorter, then only how many more there are. Markup is never cut in the middle.

import type { Message, Part } from './message.ts';
import { charactersOf, oneLine } from './cut.ts';

export interface Markup {
  /** Makes text of alerts mean nothing but itself. */
  escape(text: string): string;
  /** These three escape what they are given. */
  bold(text: string): string;
  link(url: string, text: string): string;
  /** Lines of a log. */
  block(text: string): string;
}

export interface Room {
  /** What the channel takes, in the units of `size`. */
  readonly max: number;
  /** Characters unless given. */
  readonly size?: (text: string) => number;
}

const SHORT_MAX = 160;

/** The body of the message: everything but its title. */
export function writeMessage(message: Message, markup: Markup, room: Room): string {
  const { max, size = charactersOf } = room;
  const head = headOf(message, markup);
  const foot = message.link === '' ? '' : markup.link(message.link, 'Open Binnacle');
  const more = (count: number) => (count === 0 ? '' : `… and ${count} more alerts`);
  const all = message.parts.length + message.more;
  // The longest that the last lines can become is kept free.
  const tail = size(foot) + size(more(all)) + 4;
  let text = size(head) + tail <= max ? head : '';
  let written = 0;
  for (const part of message.parts) {
    const fitting = [longForm(part, markup), shortForm(part, markup)]
      .find((form) => size(join([text, form])) + tail <= max);
    if (fitting === undefined) break;
    text = join([text, fitting]);
    written += 1;
  }
  const whole = join([text, more(all - written), foot]);
  if (size(whole) <= max) return whole;
  return join([text, more(all - written)]);
}

const join = (paragraphs: readonly string[]): string =>
  paragraphs.filter((one) => one !== '').join('\n\n');

const lines = (all: readonly string[]): string => all.filter((one) => one !== '').join('\n');

function headOf({ digest, common }: Message, { escape }: Markup): string {
  return lines([escape(digest), escape(common.join(', '))]);
}

function longForm(part: Part, markup: Markup): string {
  const { escape, link, block } = markup;
  const links = [
    part.runbook === '' ? '' : link(part.runbook, 'Runbook'),
    part.link === '' ? '' : link(part.link, 'Source'),
  ].filter((one) => one !== '');
  return lines([
    firstLine(part, markup),
    escape(part.summary),
    escape(part.description),
    part.value === '' ? '' : `Value: ${escape(part.value)}`,
    part.labels.length === 0 ? '' : `Labels: ${escape(part.labels.join(', '))}`,
    part.traces.length === 0 ? '' : `Traces: ${escape(part.traces.join(', '))}`,
    part.logs.length === 0 ? '' : block(part.logs.join('\n')),
    links.join(' · '),
  ]);
}

function shortForm(part: Part, markup: Markup): string {
  return lines([firstLine(part, markup), markup.escape(oneLine(part.summary, SHORT_MAX))]);
}

function firstLine({ name, severity, status, when }: Part, { bold, escape }: Markup): string {
  const state = status === 'firing' ? 'firing' : '';
  const words = [severity, state, when].filter((word) => word !== '').join(' ');
  return `${bold(name)} ${escape(words)}`;
}

/** Text without markup. */
export const PLAIN: Markup = {
  escape: (text) => text,
  bold: (text) => text,
  link: (url, text) => `${text}: ${url}`,
  block: (text) => text,
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) =>
  ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[found] ?? '&#39;');

/** What Telegram takes of HTML. */
export const TELEGRAM_HTML: Markup = {
  escape: escapeHtml,
  bold: (text) => `<b>${escapeHtml(text)}</b>`,
  link: (url, text) => `<a href="${escapeHtml(url)}">${escapeHtml(text)}</a>`,
  block: (text) => `<pre>${escapeHtml(text)}</pre>`,
};

/** Slack's mrkdwn: three characters are escaped, which also disarms `<!channel>` and links. */
export const escapeMrkdwn = (text: string): string => text.replace(/[&<>]/g, (found) =>
  ({ '&': '&amp;', '<': '&lt;' })[found] ?? '&gt;');

export const MRKDWN: Markup = {
  escape: escapeMrkdwn,
  bold: (text) => `*${escapeMrkdwn(text)}*`,
  link: (url, text) => {
    const address = url.replace(/[<>|]/g, percentEncoded).replaceAll('&', '&amp;');
    return `<${address}|${escapeMrkdwn(text)}>`;
  },
  block: (text) => `\`\`\`${escapeMrkdwn(text.replaceAll('`', "'"))}\`\`\``,
};

/** Of Teams' cards, where not every program knows every escape: links are what matters. */
export const escapeCard = (text: string): string => text.replace(/[\\[\]*`]/g, '\\$&');

export const CARD: Markup = {
  escape: escapeCard,
  bold: (text) => `**${escapeCard(text)}**`,
  link: (url, text) =>
    `[${escapeCard(text)}](${url.replace(/[()<>\s\\]/g, percentEncoded)})`,
  // A line that ends with two spaces is a line of its own.
  block: (text) => escapeCard(text).replaceAll('\n', '  \n'),
};

/** `encodeURIComponent` leaves brackets as they are. */
const percentEncoded = (found: string): string =>
  `%${found.charCodeAt(0).toString(16).padStart(2, '0')}`;

export const escapeMarkdown = (text: string): string =>
  text.replace(/[\\*_~`|>[\]()#<-]/g, '\\$&');

/** As Discord takes it. */
export const MARKDOWN: Markup = {
  escape: escapeMarkdown,
  bold: (text) => `**${escapeMarkdown(text)}**`,
  link: (url, text) =>
    `[${escapeMarkdown(text)}](${url.replace(/[()<>\s\\]/g, percentEncoded)})`,
  block: (text) => `\`\`\`\n${text.replaceAll('`', "'")}\n\`\`\``,
};
