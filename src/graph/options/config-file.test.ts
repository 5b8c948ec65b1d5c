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
      '[autogrow]\nenabled = true\nceiling = "500G"\nmetadata-step = "1G"\n' +
      '[daemon]\napi = "/run/mica/api.sock"\nlog-level = "debug"\n' +
      '[containerd]\nbase_image_size = "10GB"\nfs_type = "xfs"\nasync_remove = true\n' +
      '[registries."docker.io"]\nmirrors = ["mirror.example:5000", "https://cache.example/hub"]\n' +
      '[registries."host:5000"]\ninsecure = true\nca = "/etc/mica/ca.pem"\n',
  );
  assert.deepEqual(readConfigFile(path), {
    root: "/srv/mica",
    deviceMapper: "kernel",
    storageOptions: ["dm.basesize=20G", "dm.fs=xfs"],
    autogrow: { enabled: true, ceiling: "500G", metadataStep: "1G" },
    daemon: { api: "/run/mica/api.sock", "log-level": "debug" },
    containerd: { base_image_size: "10GB", fs_type: "xfs", async_remove: true },
    registries: {
      "docker.io": { mirrors: ["mirror.example:5000", "https://cache.example/hub"] },
      "host:5000": { insecure: true, ca: "/etc/mica/ca.pem" },
    },
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
  ['[daemon]\napi = "api.sock"', /daemon\.api: it has to be an absolute path/],
  ['[daemon]\nlog-level = "loud"', /daemon\.log-level: it has to be one of "error", "warn", "info", "debug"/],
  ['[daemon]\nhttp = "/run/x"', /unknown key daemon\.http\. There are docker-plugin, containerd, api, log-level/],
  ['[containerd]\nbase_image_size = "much"', /containerd\.base_image_size: it has to be a size/],
  ["[containerd]\nbase_image_size = 10", /containerd\.base_image_size: it has to be a text/],
  ['[containerd]\nfs_type = "zfs"', /containerd\.fs_type: it has to be "ext4" or "xfs"/],
  ['[containerd]\nasync_remove = "yes"', /containerd\.async_remove: it has to be true or false/],
  ['[containerd]\npool_name = "x"', /unknown key containerd\.pool_name\. There are base_image_size, fs_type/],
  ["[registries.docker.io]\nmirrors = []", /registries\.docker: a registry is a host .*, in quotes/],
  [
    '[registries."host:5000"]\nmirror = "x"',
    /unknown key registries\.host:5000\.mirror\. There are mirrors, insecure, ca/,
  ],
  ['[registries."host:5000"]\nmirrors = ["ftp://x"]', /registries\.host:5000\.mirrors\.0: a mirror is a host/],
  ['[registries."host:5000"]\nca = "ca.pem"', /registries\.host:5000\.ca: it has to be an absolute path/],
  ['root = "/srv"\nroot = ', /config\.toml': line 2: /],
];

for (const [source, message] of wrong) {
  test(`refuses ${JSON.stringify(source)}`, (t) => {
    const path = join(scratchFolder(t), "config.toml");
    writeFileSync(path, source);
    assert.throws(() => readConfigFile(path), { code: "EINVAL", message });
  });
}
