// Requests between services, put together from the spans of both sides.
//
// The client's span and the server's have the trace and the id of the client's span in common: that
// is the key under which the first of them waits for the other.
//
// Promises: at most `itemsMax` wait; a span that finds no room is told as dropped. Who has waited
// for `ttlMs` is handed out as it is. All wait equally long, so the first to come is the first to
// go.

export interface Edge {
  /** Undefined while the span of that side has not come. */
  client: string | undefined;
  server: string | undefined;
  clientSeconds: number | undefined;
  serverSeconds: number | undefined;
  connection: '' | 'messaging_system' | 'database' | 'virtual_node';
  failed: boolean;
  /** How many requests it stands for. */
  weight: number;
  /** Which side sent no spans. */
  virtualNode: '' | 'client' | 'server';
  /** What the client says about the other side. */
  peer: string | undefined;
  /** True when the server's span has no parent: nobody in the trace called it. */
  readonly isEntry: boolean;
  /** `client_region` and the like. */
  readonly dimensions: Map<string, string>;
}

export interface EdgesOptions {
  readonly itemsMax: number;
  readonly ttlMs: number;
  nowMs(): number;
  complete(edge: Edge): void;
  /** One whose other side did not come. */
  expire(edge: Edge): void;
}

export interface Edges {
  /** Lets `fill` write one side into the edge of this key. False: dropped, there is no room. */
  upsert(key: string, isEntry: boolean, fill: (edge: Edge) => void): boolean;
  /** Hands out those that have waited too long, or all. */
  expire(all?: boolean): void;
  size(): number;
}

interface Waiting {
  readonly edge: Edge;
  readonly untilMs: number;
}

export function createEdges(options: EdgesOptions): Edges {
  const { itemsMax, ttlMs, nowMs, complete } = options;
  const waiting = new Map<string, Waiting>();
  const expire = (all = false) => {
    const now = nowMs();
    for (const [key, { edge, untilMs }] of waiting) {
      if (!all && untilMs > now) return;
      waiting.delete(key);
      options.expire(edge);
    }
  };
  return {
    upsert: (key, isEntry, fill) => {
      const known = waiting.get(key);
      const edge = known?.edge ?? createEdge(isEntry);
      fill(edge);
      if (edge.client !== undefined && edge.server !== undefined) {
        waiting.delete(key);
        complete(edge);
        return true;
      }
      if (known !== undefined) return true;
      if (waiting.size >= itemsMax) expire();
      if (waiting.size >= itemsMax) return false;
      waiting.set(key, { edge, untilMs: nowMs() + ttlMs });
      return true;
    },
    expire,
    size: () => waiting.size,
  };
}

const createEdge = (isEntry: boolean): Edge => ({
  client: undefined, server: undefined, clientSeconds: undefined, serverSeconds: undefined,
  connection: '', failed: false, weight: 1, virtualNode: '', peer: undefined, isEntry,
  dimensions: new Map(),
});
