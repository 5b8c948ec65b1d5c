import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReference } from "./reference.ts";

const digest = `sha256:${"0a".repeat(32)}`;

for (const [name, text] of [
  ["alpine", "alpine:latest"],
  ["alpine:3.20", "alpine:3.20"],
  ["docker.io/library/alpine", "alpine:latest"],
  ["index.docker.io/library/alpine:1", "alpine:1"],
  ["docker.io/team/app", "team/app:latest"],
  ["library/alpine", "alpine:latest"],
  ["localhost/app", "localhost/app:latest"],
  ["host:5000/a/b-c__d.e:V_1.2-x", "host:5000/a/b-c__d.e:V_1.2-x"],
  ["host:5000/app", "host:5000/app:latest"],
  ["GHCR.io/app", "GHCR.io/app:latest"],
  [`alpine@${digest}`, `alpine@${digest}`],
  [`alpine:1@${digest}`, `alpine:1@${digest}`],
] as const) {
  test(`'${name}' is ${text}`, () => assert.equal(parseReference(name).text, text));
}

for (const name of [
  "",
  ":tag",
  "App",
  "a b",
  "a/",
  "/a",
  "a//b",
  "a:",
  "a:-x",
  "a:b:c",
  "a@x",
  "a@sha256:1",
  "-a",
  "a-",
  "a..b",
  "a___b",
  "../a",
  "a".repeat(256),
  "0".repeat(64),
]) {
  test(`'${name.slice(0, 20)}' is refused`, () => {
    assert.throws(() => parseReference(name), { name: "StoreError", code: "invalid", message: /Names look like/ });
  });
}
