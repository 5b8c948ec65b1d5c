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
