/** What a starting supervisor or engine tells its parent, once, as one line of JSON on a pipe. */
export type ReadyReport = { ok: true } | { error: { code: string; message: string } };

/** The line for a report. */
export function formatReport(report: ReadyReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Reads the report from a pipe; a pipe that ends without one is a failure that names `who`. */
export function readReport(pipe: NodeJS.ReadableStream, who: string): Promise<ReadyReport> {
  return new Promise((resolve) => {
    let text = "";
    const end = () => {
      const message = `Cannot start the ${who}: it ended before it was ready`;
      resolve(text.includes("\n") ? (JSON.parse(text) as ReadyReport) : { error: { code: "EIO", message } });
    };
    pipe.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.includes("\n")) end();
    });
    pipe.once("end", end);
    pipe.once("error", end);
  });
}
