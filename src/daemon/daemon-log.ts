import { pino, type Logger } from "pino";
import type { GraphLog } from "../graph/graph-options.ts";
import type { LogLevel } from "../graph/options/service-tables.ts";

/**
 * The daemon's log: JSON lines on standard error, for journald or whoever keeps logs. Each is written before the daemon goes on, so that
 * the last words of one that dies are there.
 */
export function daemonLog(level: LogLevel): Logger {
  const stderr = pino.destination({ dest: 2, sync: true });
  // Whoever read it has gone: there is nobody left to tell, and what the daemon serves goes on.
  stderr.on("error", () => undefined);
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stderr,
  );
}

/** Puts the graph's messages into the daemon's log. */
export function graphLogTo(log: Logger): GraphLog {
  const graph = log.child({ part: "graph" });
  return (level, message) => graph[level](message);
}
