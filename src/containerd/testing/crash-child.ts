import { pino } from "pino";
import { openDeviceSet } from "../../graph/graph.ts";
import { testMapper } from "../../graph/testing/test-mapper.ts";
import { Snapshotter } from "../snapshotter.ts";
import { snapshotterSettings } from "../snapshotter-options.ts";

const [root, runDir] = process.argv.slice(2);

/** Tells the test what is done, before the next thing is begun. */
function tell(change: string, key: string): void {
  process.stdout.write(`${change} ${key}\n`);
}

// Works on a snapshotter until it is killed: many at once, each key made, committed, begun from, and partly removed.
const devices = await openDeviceSet({ root, deviceMapper: testMapper(runDir), autogrow: { enabled: false } });
const settings = snapshotterSettings({}, devices.options);
const snapshotter = await Snapshotter.open(devices, settings, pino({ level: "silent" }));
await Promise.all(
  ["one", "two", "three"].map(async (worker) => {
    tell("begun", `${worker}-${process.pid}`);
    for (let round = 0; ; round++) {
      const key = `${worker}-${process.pid}-${round}`;
      await snapshotter.create("active", key, "", {});
      tell("made", key);
      await snapshotter.commit(`${key}-layer`, key, {});
      tell("committed", `${key}-layer`);
      await snapshotter.create("active", `${key}-child`, `${key}-layer`, {});
      tell("made", `${key}-child`);
      await snapshotter.remove(`${key}-child`);
      tell("removed", `${key}-child`);
      if (round % 2 === 0) continue;
      await snapshotter.remove(`${key}-layer`);
      tell("removed", `${key}-layer`);
    }
  }),
);
