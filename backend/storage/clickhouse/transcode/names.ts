// What the column `BatchId` of every table holds: the name by which a retry of a batch finds the
// rows of the first attempt.
//
//   ''                 the sender gave the batch no id; its rows are never looked for
//   id                 the batch, or the first piece of a large one
//   id n               the piece n = 1, 2, … of it, which is an insert of its own
//   …  untimed         at the end of either: rows whose time is that of their arrival
//
// An id has no blank (proto/contract/arrival.ts), so no two batches share a name.
//
// The rows of one name in one table and one day are committed together or not at all: a piece is
// one block of one insert, and a day of it one part. So a day that has one of them has all. Rows
// without a time of their own lie in the day of the attempt that was committed, and a retry may
// come on another day. They are all in one part, and are looked for in all days by their own name.

export interface RowNames {
  readonly timed: string;
  readonly untimed: string;
}

export const UNNAMED: RowNames = { timed: '', untimed: '' };

/** The names for the rows of a piece, from 0 on, of a batch. */
export function rowNames(id: string | undefined, piece: number): RowNames {
  if (id === undefined) return UNNAMED;
  const timed = piece === 0 ? id : `${id} ${piece}`;
  return { timed, untimed: `${timed} untimed` };
}
