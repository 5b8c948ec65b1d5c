import { humanSize } from "../graph/options/size.ts";

/** Shows on a terminal's stderr how far a transfer is. */
export interface TransferBar {
  show: (doneBytes: number, totalBytes: number) => void;
  stop: () => void;
}

/** @returns undefined where nobody watches: stderr is no terminal */
export async function transferBar(): Promise<TransferBar | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar(
    {
      stream: process.stderr,
      format: "  {bar} {percentage}% {done} of {total_size}",
      barsize: 30,
      hideCursor: true,
      gracefulExit: false,
    },
    progress.Presets.shades_classic,
  );
  return {
    show: (doneBytes, totalBytes) => {
      const shown = { done: humanSize(doneBytes), total_size: humanSize(totalBytes) };
      if (bar.isActive) bar.update(doneBytes, shown);
      else bar.start(totalBytes, doneBytes, shown);
    },
    // Once: each stop moves the cursor, and by then there may be other output.
    stop: () => bar.isActive && bar.stop(),
  };
}
