import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { ExportResult } from "../src/adopt/export.ts";
import type { GraphInspection } from "../src/adopt/inspect.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { adopt, adoptJson, stampsOf } from "./adopt-support.ts";
import { lacksRequirement } from "./cli-support.ts";
import { dockerGraphFacts, unpackDockerGraph, type DockerGraphName } from "./fixtures/docker-graph.ts";

const graphs: { name: DockerGraphName; problems: RegExp[]; deferredDeleted: number }[] = [
  { name: "xfs", problems: [], deferredDeleted: 0 },
  { name: "many-containers", problems: [], deferredDeleted: 0 },
  { name: "deferred-deleted", problems: [], deferredDeleted: 2 },
  {
    name: "interrupted",
    problems: [
      /^Docker was interrupted while it made or deleted device .*-init \(device id 5\): transaction 5 .* pool is at 4\./,
    ],
    deferredDeleted: 0,
  },
  { name: "direct-lvm", problems: [], deferredDeleted: 0 },
];

suite("graphs that Docker 20.10 made: adopt agrees with what it said", { concurrency: false }, () => {
  for (const { name, problems, deferredDeleted } of graphs) {
    test(name, { timeout: 300_000 }, async (t) => {
      // XFS is read by the kernel.
      if (name === "xfs" && lacksRequirement(t)) return;
      const facts = dockerGraphFacts(name);
      const dataRoot = unpackDockerGraph(t, name);
      const before = stampsOf(dataRoot);
      const pool =
        name === "direct-lvm"
          ? ["--data", join(dataRoot, "thinpool-data"), "--metadata", join(dataRoot, "thinpool-metadata")]
          : [];

      const found = await adoptJson<GraphInspection>(0, "inspect", dataRoot, ...pool);
      assert.equal(found.problems.length, problems.length, found.problems.join("\n"));
      for (const [index, pattern] of problems.entries()) assert.match(found.problems[index], pattern);
      assert.equal(found.pool?.deferredDeleted.length, deferredDeleted);
      assert.deepEqual(
        found.images.flatMap(({ references }) => references).sort(),
        facts.images.map(({ Repository, Tag }) => `${Repository}:${Tag}`).sort(),
      );
      for (const { Id, Size } of facts["image-inspect"]) {
        assert.equal(found.images.find(({ id }) => id === Id)?.sizeBytes, Size);
      }
      assert.deepEqual(
        found.containers.map((each) => [each.id, each.name, each.state, each.image]).sort(),
        facts.ps.map((each) => [each.ID, each.Names, each.State, each.Image]).sort(),
      );
      for (const { Id, Name, SizeRw } of facts["container-inspect"] ?? []) {
        assert.equal(found.containers.find(({ id }) => id === Id)?.sizeBytes, SizeRw, Name);
      }

      for (const container of found.containers.slice(0, 6)) {
        const told: string[] = facts[`diff-${container.name}`];
        const { status, stdout } = await adopt("diff", dataRoot, container.name, ...pool);
        assert.equal(status, 0);
        // A name with a line end in it stands on two lines, with Docker too.
        const lines = (texts: string[]): string[] => texts.join("\n").split("\n").sort();
        assert.deepEqual(lines([stdout.replace(/\n$/, "")]), lines(told), container.name);
      }

      const out = join(scratchFolder(t), "all");
      const { exported, failed } = await adoptJson<ExportResult>(0, "export", dataRoot, ...pool, "--to", out);
      assert.deepEqual(failed, []);
      assert.equal(exported.length, facts["image-inspect"].length + facts.ps.length);
      for (const { id, layers } of facts.saved) {
        assert.deepEqual(
          exported.find((image) => image.id === id)?.layers,
          layers.map(({ digest }) => digest),
        );
      }
      assert.deepEqual(stampsOf(dataRoot), before);
    });
  }
});
