// A bound on how many things are done at the same time; who comes later waits in line.

export interface Slot {
  /** Lets the next in line begin. To be called exactly once. */
  release(): void;
}

export interface Slots {
  /** A slot when one is free; null when the line is too long or `abort` fires first. */
  take(abort: AbortSignal): Promise<Slot | null>;
}

export function createSlots(count: number, waitingMax: number): Slots {
  let free = count;
  const line = new Set<() => void>();
  const slot: Slot = {
    release: () => {
      const [next] = line;
      if (next === undefined) free += 1;
      else next();
    },
  };
  return {
    take: async (abort) => {
      if (abort.aborted) return null;
      if (free > 0) {
        free -= 1;
        return slot;
      }
      if (line.size >= waitingMax) return null;
      return new Promise((resolve) => {
        const leave = () => {
          line.delete(begin);
          resolve(null);
        };
        const begin = () => {
          line.delete(begin);
          abort.removeEventListener('abort', leave);
          resolve(slot);
        };
        line.add(begin);
        abort.addEventListener('abort', leave, { once: true });
      });
    },
  };
}
