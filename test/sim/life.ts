// Processes that die. Whatever a process asks of its machine (a timer, a file, a peer) crosses its
// border; it can be told to die at any of these crossings, which are all its awaits that matter.

import { never } from './time.ts';

export interface Life {
  readonly name: string;
  alive: boolean;
  /** Crossings until it dies. */
  left: number;
  /** Called once, when it dies at a crossing. */
  ended: () => void;
}

export function createLife(name: string, ended: () => void): Life {
  return { name, alive: true, left: Number.POSITIVE_INFINITY, ended };
}

/** False when the process is dead, or dies here: then nothing of it may go on. */
export function crosses(life: Life): boolean {
  if (!life.alive) return false;
  life.left -= 1;
  if (life.left > 0) return true;
  life.alive = false;
  life.ended();
  return false;
}

/** `answer`, or nothing ever when the process is dead by then. */
export async function unlessDead<T>(life: Life, answer: Promise<T>): Promise<T> {
  try {
    const value = await answer;
    return crosses(life) ? value : await never();
  } catch (error) {
    if (crosses(life)) throw error;
    return never();
  }
}
