import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Readable } from "node:stream";
import { dockerArchive, makeImage, writeOciLayout } from "../src/image/testing/make-images.ts";
import { openFolderStore } from "../src/image/testing/open-folder-store.ts";
import { impatience, pushWithSkopeo, registryBench, skopeo } from "./registry-support.ts";

const one = makeImage([{ entries: [{ name: "one", content: "1" }], compression: "gzip" }]);
const two = makeImage([{ entries: [{ name: "two", content: "2" }] }, { entries: [{ name: "more", content: "3" }] }]);

async function idBySkopeo(form: string): Promise<string> {
  const { config } = JSON.parse(await skopeo("inspect", "--raw", form)) as { config: { digest: string } };
  return config.digest;
}

suite("an image's form", () => {
  test("is written as skopeo reads it, and read as skopeo writes it", async (t) => {
    if (!existsSync("/usr/bin/skopeo")) return t.skip("not installed: skopeo");
    const { store, top } = await openFolderStore(t);
    const at = (form: string): string => form.replace("@", `${top}/`);
    await store.import("one", writeOciLayout(join(top, "one"), [one]));
    await store.import("two", writeOciLayout(join(top, "two"), [two]));
    for (const [target, source] of [
      ["oci:@layout", "oci:@layout:latest"],
      ["oci:@layout:2.0", "oci:@layout:2.0"],
      ["oci-archive:@oci.tar:2.0", "oci-archive:@oci.tar:2.0"],
      ["docker-archive:@docker.tar:team/app:2", "docker-archive:@docker.tar:docker.io/team/app:2"],
    ]) {
      await store.save("two", at(target));
      assert.equal(await idBySkopeo(at(source)), two.id, source);
      const copied = at("oci:@copied:x");
      await skopeo("copy", at(source), copied);
      const { id } = await store.import("back", copied);
      // From Docker's form to the OCI's, skopeo leaves out of a configuration what it does not know.
      if (source.startsWith("oci")) assert.equal(id, two.id, source);
      assert.deepEqual((await store.image(id)).layers, (await store.image("two")).layers);
      assert.equal((await store.import("back", at(source))).id, two.id, source);
    }
    const dockerCopy = at("docker-archive:@skopeo.tar:app:3");
    await skopeo("copy", at("oci:@layout:2.0"), dockerCopy);
    const { id } = await store.import("back", dockerCopy);
    assert.deepEqual((await store.image(id)).layers, (await store.image("two")).layers);
    // A layout takes in further images; one takes its name from another.
    await store.save("one", at("oci:@layout:2.0"));
    assert.equal(await idBySkopeo(at("oci:@layout:2.0")), one.id);
    assert.equal(await idBySkopeo(at("oci:@layout:latest")), two.id);
    assert.deepEqual(readdirSync(join(top, "layout")).sort(), ["blobs", "index.json", "oci-layout"]);
  });

  test("chooses among several images, and says which there are", async (t) => {
    const { store, top } = await openFolderStore(t);
    const archive = join(top, "both.tar");
    writeFileSync(
      archive,
      dockerArchive([
        { image: one, tags: ["app:1"] },
        { image: two, tags: ["app:2"] },
      ]),
    );
    assert.equal((await store.import("x", `docker-archive:${archive}:app:2`)).id, two.id);
    assert.equal((await store.import("x", `docker-archive:${archive}:docker.io/library/app:1`)).id, one.id);
    assert.equal((await store.import("x", `docker-archive:${archive}:@1`)).id, two.id);
    await assert.rejects(store.import("x", `docker-archive:${archive}:app:3`), {
      code: "not-found",
      message: /there is no app:3 in it, only app:1, app:2/,
    });
    await assert.rejects(store.import("x", `docker-archive:${archive}`), { code: "ambiguous" });
    const layout = writeOciLayout(join(top, "layout"), [one]);
    await assert.rejects(store.import("x", `oci:${layout}:3`), { message: /there is no 3 in it, only sha256:/ });
  });

  test("has to be what it says", async (t) => {
    const { store, top } = await openFolderStore(t);
    const layout = writeOciLayout(join(top, "layout"), [one]);
    const archive = join(top, "docker.tar");
    writeFileSync(archive, dockerArchive([{ image: one, tags: null }]));
    const rootfs = join(top, "rootfs.tar");
    writeFileSync(rootfs, one.layers[0].tar);
    await store.import("app", layout);
    const refused: [() => Promise<unknown>, RegExp][] = [
      [() => store.import("x", `oci:${archive}`), /is not an OCI image layout, which oci: says/],
      [() => store.import("x", `oci-archive:${archive}`), /is not an OCI image layout, which oci-archive: says/],
      [() => store.import("x", `docker-archive:${layout}`), /is not an archive as `docker save` writes/],
      [() => store.import("x", `oci-archive:${rootfs}`), /is not an OCI image layout/],
      [() => store.import("x", "dir:somewhere"), /'dir:' is not known here\. The forms are docker:\/\/REFERENCE, oci:/],
      [() => store.import("x", "docker://"), /it names no image/],
      [() => store.pull(`oci:${layout}`), /it names files\. `mica import` is for those/],
      [() => store.push("app", `oci:${layout}`), /it names files\. `mica save` is for those/],
      [() => store.save("app", "docker://host/app"), /`mica push` is for those/],
      [() => store.save("app", `oci:${top}`), /is there already, and is no OCI image layout/],
    ];
    for (const [refusal, message] of refused) await assert.rejects(refusal(), { name: "StoreError", message });
  });

  test("oci: leaves a layout as it was when it is aborted", async (t) => {
    const { store, top } = await openFolderStore(t);
    await store.import("two", writeOciLayout(join(top, "two"), [two]));
    const layout = writeOciLayout(join(top, "layout"), [one]);
    const before = readFileSync(join(layout, "index.json"));
    const blobs = readdirSync(join(layout, "blobs", "sha256"));
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(store.save("two", `oci:${layout}`, { signal }));
    await assert.rejects(store.save("two", `oci:${join(top, "new")}`, { signal }));
    assert.deepEqual(readFileSync(join(layout, "index.json")), before);
    assert.deepEqual(readdirSync(join(layout, "blobs", "sha256")), blobs);
    assert.equal(existsSync(join(top, "new")), false);
    mkdirSync(join(top, "empty"));
    await store.save("two", `oci:${join(top, "empty")}`);
    assert.equal((await store.import("back", `oci:${join(top, "empty")}`)).id, two.id);
  });

  test("docker:// is pulled by import, and stripped by pull and push", async (t) => {
    const bench = await registryBench(t);
    if (bench === undefined) return;
    const { store, registry } = bench;
    await pushWithSkopeo(bench, registry.address, [one], "app:1");
    const options = { insecure: true, patience: impatience };
    const name = `docker://${registry.address}/app:1`;
    assert.equal((await store.import("mine", name, { ...options, stdin: Readable.from([]) })).id, one.id);
    assert.equal((await store.image("mine")).id, one.id);
    assert.equal((await store.pull(name, options)).name, `${registry.address}/app:1`);
    assert.equal((await store.push("mine", `docker://${registry.address}/copy:1`, options)).id, one.id);
  });
});
