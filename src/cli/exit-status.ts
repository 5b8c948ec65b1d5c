/** What the command tells the shell. */
export const exitStatus = {
  success: 0,
  failure: 1,
  usage: 2,
  /** Ended by Ctrl-C, as a shell counts it: 128 + SIGINT. */
  interrupted: 130,
  /** The reader of our output went away: 128 + SIGPIPE. */
  brokenPipe: 141,
} as const;

/** What manual pages say of them. */
export const exitStatusHelp: Readonly<Record<string, string>> = {
  [exitStatus.success]: "done",
  [exitStatus.failure]: "failed; standard error says what, and what to do",
  [exitStatus.usage]: "wrong usage",
  [exitStatus.interrupted]: "ended by Ctrl-C, after undoing what was half done; other signals: 128 and their number",
  [exitStatus.brokenPipe]: "the reader of what it printed has gone away",
};
