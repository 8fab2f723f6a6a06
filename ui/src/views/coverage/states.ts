/** What an hour can be, in the order of the legend. The letters are those of coverage?by=day. */
export interface State {
  letter: string;
  status: string;
  word: string;
  means: string;
}

export const states: State[] = [
  { letter: "T", status: "settled", word: "settled", means: "sealed after its last read: nothing more is expected" },
  { letter: "S", status: "sealed", word: "sealed", means: "read completely, and its hash is in the log of seals" },
  { letter: "C", status: "complete", word: "complete", means: "read completely, and not sealed yet" },
  { letter: "R", status: "reopened", word: "reopened", means: "a record came or changed after it was sealed; it is sealed again" },
  { letter: "I", status: "imported", word: "imported", means: "holds what was imported from files, and nothing that was read" },
  { letter: "D", status: "delivered", word: "delivered", means: "holds what was sent to the archive; nobody can say what is missing" },
  { letter: "P", status: "partial", word: "partial", means: "read in part" },
  { letter: "M", status: "missing", word: "missing", means: "still to be read" },
  { letter: "L", status: "lost", word: "lost", means: "Microsoft Graph had forgotten it before it was read" },
  { letter: "X", status: "purged", word: "purged", means: "dropped by the archive's own retention" },
];

/** By status. */
export const names: Record<string, State> = Object.fromEntries(states.map((s) => [s.status, s]));

/** By letter. */
export const letters: Record<string, State> = Object.fromEntries(states.map((s) => [s.letter, s]));
