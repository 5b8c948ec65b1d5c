/** Commands that change images and containers, killed at each step by which they change anything: it is done or it is not, and nothing is left over. */
import assert from "node:assert/strict";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { type Graph, openGraph, userspaceDeviceMapper } from "../src/index.ts";
import { micaCommand, type Scratch, scratchGraph, smallImage, lacksRequirement } from "./cli-support.ts";
import { cannotTrace, killAtEachStep } from "./kill-at-step.ts";

/** A command line, and what is around it. */
interface ChangingCommand {
  words: (folder: string) => readonly string[];
  /** Has done what the command needs. */
  prepare?: (graph: Graph) => Promise<unknown>;
  /** Whether the command has done its work. */
  isDone: (graph: Graph) => Promise<boolean>;
  /** Takes all of it back. */
  undo?: (graph: Graph) => Promise<unknown>;
}

const hasImage = async ({ store }: Graph, name: string): Promise<boolean> =>
  (await store.images()).some(({ references }) => references.includes(`${name}:latest`));
const hasContainer = async ({ store }: Graph, wanted: string): Promise<boolean> =>
  (await store.containers()).some(({ name }) => name === wanted);
const makeContainer = ({ store }: Graph): Promise<unknown> => store.create("app", { name: "web" });
const removeContainer = ({ store }: Graph): Promise<unknown> => store.removeContainer("web");

async function changeContainer({ store }: Graph): Promise<void> {
  await store.create("app", { name: "web" });
  appendFileSync(join(await store.mount("web"), "etc/name"), "changed");
  await store.umount("web");
}

const commands: Record<string, ChangingCommand> = {
  create: {
    words: () => ["create", "app", "web"],
    isDone: (graph) => hasContainer(graph, "web"),
    undo: removeContainer,
  },
  rm: {
    prepare: makeContainer,
    words: () => ["rm", "web"],
    isDone: async (graph) => !(await hasContainer(graph, "web")),
  },
  snapshot: {
    prepare: makeContainer,
    words: () => ["snapshot", "web", "kept"],
    isDone: (graph) => hasContainer(graph, "kept"),
    undo: async (graph) => {
      await graph.store.removeContainer("kept");
      await removeContainer(graph);
    },
  },
  commit: {
    prepare: changeContainer,
    words: () => ["commit", "web", "made"],
    isDone: (graph) => hasImage(graph, "made"),
    undo: async (graph) => {
      await removeContainer(graph);
      await graph.store.removeImage("made");
    },
  },
  rmi: {
    prepare: async (graph) => {
      await changeContainer(graph);
      await graph.store.commit("web", "made");
      await removeContainer(graph);
    },
    words: () => ["rmi", "made"],
    isDone: async (graph) => !(await hasImage(graph, "made")),
  },
  import: {
    words: (folder) => ["import", "again", join(folder, "layout")],
    isDone: (graph) => hasImage(graph, "again"),
    undo: ({ store }) => store.removeImage("again"),
  },
};

describe("commands that are killed at every step", { skip: cannotTrace() }, () => {
  for (const [title, killed] of Object.entries(commands)) {
    test(title, async (t) => {
      if (lacksRequirement(t)) return;
      await killOnGraph(t, killed);
    });
  }
});

async function killOnGraph(t: TestContext, { words, prepare, isDone, undo }: ChangingCommand): Promise<void> {
  const opened: Graph[] = [];
  const scratch = scratchGraph(t, () => Promise.all(opened.map((graph) => graph.close())));
  await scratch.ok("import", "app", await smallImage(scratch.folder));
  const graph = await openGraph({
    root: scratch.root,
    deviceMapper: userspaceDeviceMapper({ runDir: scratch.runFolder }),
  });
  opened.push(graph);
  const command = {
    program: process.execPath,
    args: [micaCommand, ...words(scratch.folder)],
    env: { ...process.env, MICA_ROOT: scratch.root, MICA_RUN_DIR: scratch.runFolder },
  };
  const before = await everything(scratch, graph);
  await killAtEachStep(t, command, {
    prepare: () => Promise.resolve(prepare?.(graph)),
    goOn: async () => {
      await graph.store.settle();
      if (!(await isDone(graph))) await scratch.ok(...words(scratch.folder));
    },
    finish: async () => {
      assert.ok(await isDone(graph));
      await undo?.(graph);
      assert.deepEqual(await everything(scratch, graph), before);
    },
  });
  assert.equal(await scratch.ok("check"), "No problems found");
}

/** Images, devices, the store's files, what is mounted, attached or running; and what is wrong with them. */
async function everything({ root, leftovers }: Scratch, { store, devices }: Graph): Promise<unknown> {
  return {
    images: (await store.images()).map(({ id, references }) => ({ id, references })),
    devices: (await devices.devices()).map(({ id }) => id),
    files: ["image", "containers", "metadata"]
      .flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
      )
      .filter((path) => !path.startsWith("metadata/.tmp-")) // of a writer that died: until the pool starts anew
      .sort(),
    leftovers: leftovers(),
    problems: await store.check(),
  };
}
