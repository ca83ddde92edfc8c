// A small chart as PNG (RFC 2083): mail programs show no SVG. A palette of four colours, a line
// over a filled area; numbers and times stand beside it in the mail.

import { crc32, deflateSync } from 'node:zlib';
import type { ChartPoint } from '../model.ts';

export const limits = {
  /** Pixels. */
  width: 480,
  height: 80,
  /** Points that are drawn; of more, each column shows the newest. */
  pointsMax: 2000,
} as const;

/** White, grid, area, line. */
const PALETTE = [[255, 255, 255], [225, 228, 232], [214, 228, 245], [31, 95, 168]] as const;
const [GRID, AREA, LINE] = [1, 2, 3];

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Null when there is nothing to draw: fewer than two points with a value. */
export function chartPng(points: readonly ChartPoint[]): Buffer | null {
  const drawn = points.slice(-limits.pointsMax).filter((point) => point.every(Number.isFinite));
  if (drawn.length < 2) return null;
  const { width, height } = limits;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8); // Eight bits, palette.
  return Buffer.concat([SIGNATURE, chunk('IHDR', header),
    chunk('PLTE', Buffer.from(PALETTE.flat())),
    chunk('IDAT', deflateSync(rowsOf(drawn))), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** Rows of colours, each after the byte that says that it is not filtered. */
function rowsOf(points: readonly ChartPoint[]): Buffer {
  const { width, height } = limits;
  const stride = width + 1;
  const rows = Buffer.alloc(stride * height);
  const set = (x: number, y: number, color: number) => {
    if (x >= 0 && x < width && y >= 0 && y < height) rows[y * stride + 1 + x] = color;
  };
  for (const y of [0, Math.floor(height / 2), height - 1]) {
    for (let x = 0; x < width; x++) set(x, y, GRID);
  }
  const tops = topsOf(points);
  let last: number | null = null;
  for (let x = 0; x < width; x++) {
    const top = tops[x]!;
    for (let y = top; y < height; y++) set(x, y, AREA);
    const [from, to] = last === null ? [top, top] : [Math.min(last, top), Math.max(last, top)];
    for (let y = from; y <= to + 1; y++) set(x, y, LINE);
    last = top;
  }
  return rows;
}

/** For each column how far from the top its value is; between points it is a straight line. */
function topsOf(points: readonly ChartPoint[]): number[] {
  const { width, height } = limits;
  const sorted = [...points].sort(([one], [other]) => one - other);
  const values = sorted.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [fromMs, toMs] = [sorted[0]![0], sorted.at(-1)![0]];
  const topOf = (value: number) => high === low ? Math.floor(height / 2)
    : Math.round((1 - (value - low) / (high - low)) * (height - 3));
  let next = 0;
  return Array.from({ length: width }, (_, x) => {
    const atMs = fromMs + ((toMs - fromMs) * x) / (width - 1);
    while (next < sorted.length - 2 && sorted[next + 1]![0] < atMs) next++;
    const [[startMs, start], [endMs, end]] = [sorted[next]!, sorted[next + 1]!];
    const share = endMs === startMs ? 1 : Math.min(1, Math.max(0, (atMs - startMs)
      / (endMs - startMs)));
    return topOf(start + (end - start) * share);
  });
}
