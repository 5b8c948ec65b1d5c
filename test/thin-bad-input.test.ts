import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { makeBlockFile } from "../src/thin/metadata.testing.ts";
import { lacksDebiansTools, ours, scratchFolder, theirs } from "./thin-tools-support.ts";

const pool = (dataBlocks: number | string, inside = ""): string =>
  `<superblock uuid="" time="0" transaction="0" version="2" data_block_size="128" nr_data_blocks="${dataBlocks}">${inside}</superblock>`;
const device = (inside: string): string =>
  `<device dev_id="1" mapped_blocks="0" transaction="0" creation_time="0" snap_time="0">${inside}</device>`;
const range = (origin: number | string, data: number, length: number | string, time = 0): string =>
  `<range_mapping origin_begin="${origin}" data_begin="${data}" length="${length}" time="${time}"/>`;
const most = Number.MAX_SAFE_INTEGER;

/** Things that are no metadata, by what they are called in the folder. */
function makeBadInputs(folder: string): string[] {
  const at = (name: string): string => join(folder, name);
  mkdirSync(at("folder"));
  writeFileSync(at("empty"), "");
  writeFileSync(at("short"), "too short");
  writeFileSync(at("text"), "no metadata\n".repeat(10_000));
  makeBlockFile(at("zeroes"), 100);
  return ["folder", "empty", "short", "text", "zeroes", "none"].map(at).concat("/dev/null");
}

/** A clear sentence, and no stack. */
function requireRefusal({ status, stdout, stderr }: ReturnType<typeof ours>, what: string): void {
  assert.equal(status, 1, `${what}: ${stdout}${stderr}`);
  assert.ok(!/ {4}at |E[A-Z]{4,}:/.test(stderr) && stderr.trim() !== "", `${what}: ${stderr}`);
}

suite("what is no metadata", () => {
  test("is refused by every tool that reads it, with the original's status", (t) => {
    if (lacksDebiansTools(t)) return;
    const folder = scratchFolder(t);
    const target = join(folder, "target");
    for (const input of makeBadInputs(folder)) {
      for (const [tool, ...words] of [
        ["thin_check", input],
        ["thin_dump", input],
        ["thin_ls", input],
        ["thin_delta", "--snap1", "1", "--snap2", "2", input],
        ["thin_rmap", "--region", "0..5", input],
        ["thin_trim", "--data-dev", "/dev/null", "--metadata-dev", input],
        ["thin_repair", "-o", target, "-i", input],
      ]) {
        makeBlockFile(target, 100);
        requireRefusal(ours(tool, ...words), `${tool} ${input}`);
        assert.equal(theirs(tool, ...words).status, 1, `${tool} ${input}, of Debian`);
      }
      // Of 1.x, and not in Debian's.
      requireRefusal(ours("thin_metadata_unpack", "-i", input, "-o", join(folder, "unpacked")), `unpack ${input}`);
      for (const binary of [[], ["--binary"]]) {
        const shrink = ["thin_shrink", ...binary, "--data", target, "--nr-blocks", "1", "-o", target, "-i", input];
        const [tool, ...words] = shrink;
        requireRefusal(ours(tool, ...words), shrink.join(" "));
      }
    }
  });

  test("nor is it written to", (t) => {
    if (lacksDebiansTools(t)) return;
    const folder = scratchFolder(t);
    const xml = join(folder, "xml");
    writeFileSync(xml, pool(10));
    for (const output of makeBadInputs(folder).filter((path) => !/text|zeroes/.test(path))) {
      requireRefusal(ours("thin_restore", "-i", xml, "-o", output), output);
      assert.equal(theirs("thin_restore", "-i", xml, "-o", output).status, 1, output);
    }
    makeBlockFile(join(folder, "metadata"), 100);
    assert.equal(ours("thin_restore", "-i", xml, "-o", join(folder, "metadata")).status, 0);
    for (const output of ["folder", "none/file", "short/file"].map((name) => join(folder, name))) {
      requireRefusal(ours("thin_dump", join(folder, "metadata"), "-o", output), output);
      requireRefusal(ours("thin_metadata_pack", "-f", "-i", join(folder, "metadata"), "-o", output), output);
    }
  });
});

suite("hostile XML", () => {
  const entities = `<!DOCTYPE x [<!ENTITY a "${"a".repeat(50)}">${["b", "c", "d"]
    .map((name, i) => `<!ENTITY ${name} "${`&${"abc"[i]};`.repeat(50)}">`)
    .join("")}]>`;
  for (const [what, xml] of [
    ["an element without an end", "<superblock"],
    ["elements as deep as they come", "<a>".repeat(100_000)],
    ["entities that grow", entities + pool(10).replace('uuid=""', 'uuid="&d;"')],
    ["a run longer than can be", pool(10, device(range(0, 0, most)))],
    ["more data than can be counted", pool(most)],
    ["both", pool(most, device(range(0, 0, most - 5)))],
    ["a number beyond all bounds", pool(10, device(range("9".repeat(30), 0, 1)))],
    ["a time beyond its bits", pool(10, device(range(0, 0, 1, 2 ** 24)))],
    ["a definition of itself", pool(10, '<def name="a"><ref name="a"/></def>')],
    ["two pools", pool(10) + pool(10)],
    ["a pool and more", `${pool(10)}more`],
    ["what is no text", pool(10, "\0")],
    ["UTF-16", Buffer.from(pool(10), "utf16le")],
  ] as const) {
    test(`with ${what} is refused at once, and leaves no pool`, (t) => {
      const folder = scratchFolder(t);
      const [input, output] = ["xml", "metadata"].map((name) => join(folder, name));
      writeFileSync(input, xml);
      makeBlockFile(output, 1024);
      requireRefusal(ours("thin_restore", "-i", input, "-o", output), what);
      assert.ok(
        readFileSync(output)
          .subarray(0, 4096)
          .every((byte) => byte === 0),
        "there is no superblock",
      );
    });
  }
});
