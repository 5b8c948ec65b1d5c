import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readConfigFile } from "./config-file.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

test("reads what a configuration says, and no more", (t) => {
  const path = join(scratchFolder(t), "config.toml");
  assert.equal(readConfigFile(path), undefined);
  writeFileSync(path, "");
  assert.deepEqual(readConfigFile(path), {});
  writeFileSync(
    path,
    '# a comment\nroot = "/srv/mica"\ndevice-mapper = "kernel"\nstorage-opts = ["dm.basesize=20G", "dm.fs=xfs"]\n' +
      '[autogrow]\nenabled = true\nceiling = "500G"\nmetadata-step = "1G"\n',
  );
  assert.deepEqual(readConfigFile(path), {
    root: "/srv/mica",
    deviceMapper: "kernel",
    storageOptions: ["dm.basesize=20G", "dm.fs=xfs"],
    autogrow: { enabled: true, ceiling: "500G", metadataStep: "1G" },
  });
});

const wrong: [string, RegExp][] = [
  ["rooot = '/srv'", /config\.toml': unknown key rooot\. There are root, device-mapper, storage-opts/],
  ["root = 5", /config\.toml': root: it has to be a text in quotes/],
  ['root = "srv/mica"', /root: it has to be an absolute path/],
  ['device-mapper = "windows"', /device-mapper: it has to be "kernel" or "userspace"/],
  ['storage-opts = "dm.fs=xfs"', /storage-opts: it has to be a list of texts/],
  ["storage-opts = [1]", /storage-opts\.0: it has to be a text/],
  ['storage-opts = ["dm.colour=red"]', /storage-opts: Cannot use 'dm\.colour': unknown storage option/],
  ["autogrow = true", /autogrow: /],
  ["[autogrow]\nenabled = 1", /autogrow\.enabled: it has to be true or false/],
  ['[autogrow]\nlimit = "5G"', /unknown key autogrow\.limit\. There are enabled, threshold, step, ceiling/],
  ['[autogrow]\nthreshold = "5%"', /config\.toml': Cannot use autogrow threshold=5%: it has to be from 50%/],
  ['root = "/srv"\nroot = ', /config\.toml': line 2: /],
];

for (const [source, message] of wrong) {
  test(`refuses ${JSON.stringify(source)}`, (t) => {
    const path = join(scratchFolder(t), "config.toml");
    writeFileSync(path, source);
    assert.throws(() => readConfigFile(path), { code: "EINVAL", message });
  });
}
