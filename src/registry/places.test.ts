import assert from "node:assert/strict";
import { test } from "node:test";
import { mirrorPlaces, registryName, registryPlace } from "./places.ts";

test("Docker Hub is where its API is; insecure is only what is said to be", () => {
  const settings = { "host:5000": { insecure: true, ca: "/ca.pem" } };
  assert.deepEqual(registryPlace("docker.io", settings, false), {
    name: "docker.io",
    host: "registry-1.docker.io",
    prefix: "",
    scheme: "https",
    insecure: false,
    ca: undefined,
  });
  const named = { name: "host:5000", host: "host:5000", prefix: "", scheme: undefined, insecure: true, ca: "/ca.pem" };
  assert.deepEqual(registryPlace("host:5000", settings, false), named);
  for (const host of ["localhost:5000", "127.0.0.1:5000"]) {
    assert.equal(registryPlace(host, {}, false).scheme, "https");
    assert.equal(registryPlace(host, {}, true).scheme, undefined);
  }
});

test("mirrors have their own address, path and settings", () => {
  const mirrors = ["one:5000", "https://two/hub/", "http://three", "four"];
  const settings = { "docker.io": { mirrors, insecure: true }, four: { insecure: true }, two: { ca: "/two.pem" } };
  const places = mirrorPlaces("docker.io", settings);
  assert.deepEqual(
    places.map(({ host, prefix, scheme, insecure, ca }) => [host, prefix, scheme, insecure, ca]),
    [
      ["one:5000", "", "https", false, undefined],
      ["two", "/hub", "https", false, "/two.pem"],
      ["three", "", "http", true, undefined],
      ["four", "", undefined, true, undefined],
    ],
  );
  assert.throws(() => mirrorPlaces("a.b", { "a.b": { mirrors: ["ftp://x"] } }), { code: "invalid" });
});

test("a registry is known by all the names that logins use", () => {
  for (const name of ["docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"]) {
    assert.equal(registryName(name), "docker.io");
  }
  assert.equal(registryName("https://host:5000/v2/"), "host:5000");
  for (const name of ["", "a b", "host/path", "https://user:pass@host"]) {
    assert.throws(() => registryName(name), { name: "RegistryError", code: "invalid" });
  }
});
