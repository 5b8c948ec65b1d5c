import type { PullProgress, PushProgress } from "../index.ts";
import type { SingleBar } from "cli-progress";

/** Shows on a terminal's stderr how far something is, one bar a layer. */
export interface Bars<Event> {
  show: (event: Event) => void;
  stop: () => unknown;
}

/** Bars of an import, a pull or an export. */
export type LayerBars = Bars<PullProgress>;

/** Bars of an import, a pull or an export. @returns undefined where nobody watches: stderr is no terminal */
export async function layerBars(): Promise<LayerBars | undefined> {
  const bars = await multiBar();
  if (bars === undefined) return undefined;
  const unpacking = new Set<number>();
  return {
    show: (event) => {
      if (event.kind === "source") return;
      const set = bars.of(event.layer, event.layers);
      if (event.kind === "layer") {
        unpacking.add(event.layer);
        set(event.bytes, event.totalBytes, "");
      } else if (event.kind === "download") {
        // Once it is unpacked, that counts.
        if (!unpacking.has(event.layer)) set(event.bytes, event.totalBytes, "downloading");
      } else set(1, 1, event.shared ? "already here" : "done");
    },
    stop: bars.stop,
  };
}

/** Bars of a push. @returns undefined where nobody watches */
export async function pushBars(): Promise<Bars<PushProgress> | undefined> {
  const bars = await multiBar();
  if (bars === undefined) return undefined;
  const done = { exists: "already there", mounted: "taken from another repository", sent: "sent" };
  return {
    show: (event) => {
      const set = bars.of(event.layer, event.layers);
      if (event.kind === "layer-done") set(1, 1, done[event.how]);
      else set(event.bytes, event.totalBytes, event.kind === "pack" ? "packing" : "sending");
    },
    stop: bars.stop,
  };
}

/** Sets a bar: so much, of so much if that is known, and what is being done. */
type SetBar = (bytes: number, totalBytes: number | undefined, what: string) => void;

async function multiBar(): Promise<{ of: (layer: number, layers: number) => SetBar; stop: () => unknown } | undefined> {
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
  return {
    of: (layer, layers) => (bytes, totalBytes, what) => {
      let bar = byLayer.get(layer);
      if (bar === undefined) {
        bar = bars.create(1, 0, { layer, layers, what: "" });
        byLayer.set(layer, bar);
      }
      bar.setTotal(totalBytes ?? bytes + 1);
      bar.update(bytes, { what });
    },
    // Once: each stop moves the cursor, and by then there may be other output.
    stop: () => bars.isActive && bars.stop(),
  };
}
