// Lines out of a stream of bytes, whatever the pieces in which they come. LF ends a line and is no
// part of it.

export interface LinesOptions {
  /** A longer line is cut here; its rest is passed over. */
  readonly bytesMax: number;
  /** Gets a line; `cut` when it was longer. The bytes belong to whoever gets them. */
  readonly line: (line: Buffer, cut: boolean) => void;
}

export interface Lines {
  add(chunk: Buffer): void;
  /** Gives out a last line that has no end. */
  end(): void;
  /** Forgets a last line that has no end. */
  drop(): void;
}

const LF = 0x0a;

export function createLines({ bytesMax, line }: LinesOptions): Lines {
  let parts: Buffer[] = [];
  let bytes = 0;
  let cut = false;
  const keep = (part: Buffer): void => {
    const fits = part.subarray(0, bytesMax - bytes);
    if (fits.length < part.length) cut = true;
    if (fits.length === 0) return;
    parts.push(fits);
    bytes += fits.length;
  };
  const drop = (): void => {
    parts = [];
    bytes = 0;
    cut = false;
  };
  const give = (): void => {
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    const wasCut = cut;
    drop();
    line(whole, wasCut);
  };
  return {
    add: (chunk) => {
      let start = 0;
      for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
        keep(chunk.subarray(start, end));
        give();
        start = end + 1;
      }
      if (start < chunk.length) keep(chunk.subarray(start));
    },
    end: () => {
      if (bytes > 0) give();
    },
    drop,
  };
}
