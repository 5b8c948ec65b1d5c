import type { PullProgress } from "../index.ts";
import type { SingleBar } from "cli-progress";

/** Shows how far an import, a pull or an export is, one bar a layer, on a terminal's stderr. */
export interface LayerBars {
  show: (event: PullProgress) => void;
  stop: () => unknown;
}

/** @returns undefined where nobody watches: stderr is no terminal */
export async function layerBars(): Promise<LayerBars | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const { default: progress } = await import("cli-progress");
  const bars = new progress.MultiBar(
    {
      stream: process.stderr,
      format: "  layer {layer}/{layers} {bar} {percentage}% {what}",
      barsize: 30,
      hideCursor: true,
      clearOnComplete: false,
      stopOnComplete: false,
      gracefulExit: false,
    },
    progress.Presets.shades_classic,
  );
  const byLayer = new Map<number, SingleBar>();
  const unpacking = new Set<number>();
  const barOf = (layer: number, layers: number): SingleBar => {
    let bar = byLayer.get(layer);
    if (bar === undefined) {
      bar = bars.create(1, 0, { layer, layers, what: "" });
      byLayer.set(layer, bar);
    }
    return bar;
  };
  return {
    show: (event) => {
      if (event.kind === "source") return;
      const bar = barOf(event.layer, event.layers);
      if (event.kind === "layer") {
        unpacking.add(event.layer);
        bar.setTotal(event.totalBytes ?? event.bytes + 1);
        bar.update(event.bytes, { what: "" });
      } else if (event.kind === "download") {
        if (unpacking.has(event.layer)) return; // its own progress counts now
        bar.setTotal(event.totalBytes);
        bar.update(event.bytes, { what: "downloading" });
      } else {
        bar.setTotal(1);
        bar.update(1, { what: event.shared ? "already here" : "done" });
      }
    },
    // Once: each stop moves the cursor, and by then there may be other output.
    stop: () => bars.isActive && bars.stop(),
  };
}
