// One line on standard error that says how far something is, while a person waits for it. Nothing
// is drawn where standard error is no terminal, nor for what is over at once.

import type { Clock } from '../../runtime/clock.ts';
import { cut } from './text.ts';

export interface Progress {
  /** What to say besides the time from now on. */
  say(text: string): void;
  /** Takes the line away, for good. */
  stop(): void;
}

interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const FIRST_MS = 300;
const FRAME_MS = 100;
const FRAMES = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
const CLEAR = '\r\u001b[2K';

/** `line` gets what was said last and the milliseconds since the beginning. */
export function startProgress(
  clock: Clock,
  stream: ProgressStream,
  line: (said: string, elapsedMs: number) => string,
): Progress {
  if (stream.isTTY !== true) return { say: () => {}, stop: () => {} };
  const startMs = clock.monotonicMs();
  let said = '';
  let frame = 0;
  let drawn = false;
  const timer = clock.every(FRAME_MS, () => {
    const elapsedMs = clock.monotonicMs() - startMs;
    if (elapsedMs < FIRST_MS) return;
    drawn = true;
    frame = (frame + 1) % FRAMES.length;
    const text = `${FRAMES[frame]} ${line(said, elapsedMs)}`;
    stream.write(CLEAR + cut(text, Math.max(20, (stream.columns ?? 80) - 1)));
  });
  return {
    say: (text) => {
      said = text;
    },
    stop: () => {
      timer.cancel();
      if (drawn) stream.write(CLEAR);
      drawn = false;
    },
  };
}
