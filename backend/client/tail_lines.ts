// What `binnacle tail` prints: the events of `GET /api/tail` as lines for a person, or as JSON.

/** An event of the stream; `data` is JSON. */
export interface TailEvent {
  readonly event: string;
  readonly data: string;
}

/** The events in a stream of server-sent events; comments are left out. */
export async function* eventsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TailEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) yield { event, data };
    }
  }
}

export interface LineOptions {
  /** The event's data as it is, a line each. */
  readonly json: boolean;
  readonly colours: boolean;
}

interface Shown {
  readonly timestamp: string;
  readonly service: string;
  readonly level?: string;
  readonly severity_text?: string;
  readonly message?: string;
  readonly name?: string;
  readonly status?: string;
  readonly status_message?: string;
  readonly duration_ms?: number;
  readonly trace_id?: string | null;
}

const RESET = '\u001b[0m';
const GREY = '\u001b[90m';
const COLOURS: Readonly<Record<string, string>> = {
  trace: GREY, debug: GREY, info: '\u001b[32m', warn: '\u001b[33m', error: '\u001b[31m',
  fatal: '\u001b[1;31m', Error: '\u001b[31m', dropped: '\u001b[35m', service: '\u001b[36m',
};

/** A line without its end; null for an event that says nothing to a person. */
export function lineOf({ event, data }: TailEvent, { json, colours }: LineOptions): string | null {
  if (event === 'ready') return null;
  if (json) return event === 'dropped' ? `{"dropped":${data}}` : data;
  const paint = (name: string, text: string) => {
    const colour = colours ? COLOURS[name] : undefined;
    return colour === undefined ? text : `${colour}${text}${RESET}`;
  };
  if (event === 'dropped') {
    const { count } = JSON.parse(data) as { count: number };
    return paint('dropped', `… ${count} records were too many and are not shown`);
  }
  const record = JSON.parse(data) as Shown;
  const time = paint('trace', `${record.timestamp.slice(0, 23).replace('T', ' ')}`);
  const service = paint('service', printable(record.service === '' ? '-' : record.service));
  if (event === 'span') {
    const { status = '', name = '', duration_ms: ms = 0, status_message: said = '' } = record;
    const text = `${printable(name)} ${ms.toFixed(1)} ms ${printable(said)}`.trimEnd();
    return `${time} ${paint(status, status.padEnd(5))} ${service} ${text}`;
  }
  const { level = '', message = '', severity_text: own = '' } = record;
  const shown = level === 'unknown' && own !== '' ? own : level;
  return `${time} ${paint(level, printable(shown).toUpperCase().padEnd(5))} ${service} `
    + printable(message);
}

/** What a terminal would take for commands is shown as its number; lines stay apart. */
const printable = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (one) =>
    `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
