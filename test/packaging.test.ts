import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseToml } from "smol-toml";
import * as v from "valibot";
import { parse, parseAllDocuments } from "yaml";
import { readConfigFile } from "../src/graph/options/config-file.ts";
import { defaultRoot } from "../src/cli/settings.ts";
import { run } from "./cli-support.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const kubernetes = join(root, "packaging/kubernetes");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mica-packaging-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

suite("the image", () => {
  const lines = read("packaging/Dockerfile").replaceAll("\\\n", " ").split("\n");
  const instructions = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(/ +/));

  test("has the Debian packages that the command needs", () => {
    const wanted = /^runtime=\(([^)]*)\)/m.exec(read("scripts/setup.sh"));
    const packages = wanted![1].match(/:[^ \n"]+/g)!.map((pair) => pair.slice(1));
    assert.ok(packages.length >= 5, "the list of set-up was found");
    const install = instructions.find((words) => words.includes("apt-get") && words.includes("install"))!;
    for (const name of packages) assert.ok(install.includes(name), `packaging/Dockerfile does not install ${name}`);
  });

  test("copies only what the repository has, and runs the daemon", () => {
    const copies = instructions.filter(([name, from]) => name === "COPY" && !from.startsWith("--from"));
    for (const [, ...sources] of copies) {
      for (const source of sources.slice(0, -1)) assert.ok(existsSync(join(root, source)), source);
    }
    assert.deepEqual(instructions.at(-1), ["ENTRYPOINT", '["mica",', '"daemon"]']);
  });

  test("runs on the Node.js that the package asks for", () => {
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    assert.match(engines.node, /^>=20\./);
    assert.match(read("packaging/Dockerfile"), /^ARG NODE_IMAGE=node:20-bookworm/m);
  });
});

const mount = v.object({
  name: v.string(),
  mountPath: v.string(),
  mountPropagation: v.optional(v.string()),
  readOnly: v.optional(v.boolean()),
});
const probe = v.object({ exec: v.object({ command: v.array(v.string()) }) });
const daemonSetSchema = v.object({
  apiVersion: v.literal("apps/v1"),
  kind: v.literal("DaemonSet"),
  metadata: v.object({ name: v.string(), namespace: v.literal("mica-system") }),
  spec: v.object({
    selector: v.object({ matchLabels: v.record(v.string(), v.string()) }),
    template: v.object({
      metadata: v.object({ labels: v.record(v.string(), v.string()) }),
      spec: v.object({
        hostPID: v.literal(true),
        nodeSelector: v.record(v.string(), v.string()),
        containers: v.tuple([
          v.object({
            name: v.string(),
            image: v.string(),
            command: v.array(v.string()),
            securityContext: v.object({ privileged: v.literal(true) }),
            volumeMounts: v.array(mount),
            startupProbe: probe,
            readinessProbe: probe,
            livenessProbe: probe,
          }),
        ]),
        volumes: v.array(
          v.object({
            name: v.string(),
            hostPath: v.optional(v.object({ path: v.string(), type: v.string() })),
            configMap: v.optional(v.object({ name: v.string() })),
          }),
        ),
      }),
    }),
  }),
});
const runtimeClassSchema = v.strictObject({
  apiVersion: v.literal("node.k8s.io/v1"),
  kind: v.literal("RuntimeClass"),
  metadata: v.strictObject({ name: v.string() }),
  handler: v.string(),
  overhead: v.optional(v.strictObject({ podFixed: v.record(v.string(), v.string()) })),
  scheduling: v.strictObject({ nodeSelector: v.record(v.string(), v.string()) }),
});

/** A manifest's documents; YAML's own warnings are mistakes here. */
function documents(name: string): unknown[] {
  return parseAllDocuments(readFileSync(join(kubernetes, name), "utf8"), { strict: true }).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [], name);
    return document.toJS() as unknown;
  });
}

suite("the Kubernetes manifests", () => {
  const daemonSet = v.parse(daemonSetSchema, documents("daemonset.yaml")[0]);
  const pod = daemonSet.spec.template.spec;
  const [container] = pod.containers;

  test("the DaemonSet's mounts have volumes, its volumes are used, and its pods are its own", () => {
    assert.deepEqual(container.volumeMounts.map(({ name }) => name).sort(), pod.volumes.map(({ name }) => name).sort());
    assert.deepEqual(daemonSet.spec.template.metadata.labels, daemonSet.spec.selector.matchLabels);
    for (const { name, hostPath } of pod.volumes) {
      const { mountPath } = container.volumeMounts.find((mounted) => mounted.name === name)!;
      if (hostPath !== undefined && name !== "run") assert.equal(mountPath, `/node${hostPath.path}`);
    }
  });

  test("what the node unmounts is not held by the pod", () => {
    const below = pod.volumes.filter(({ hostPath }) => /^\/(run|var\/lib)\b/.test(hostPath?.path ?? ""));
    for (const { name } of below) {
      const mounted = container.volumeMounts.find((mount) => mount.name === name)!;
      assert.equal(mounted.mountPropagation, "HostToContainer", name);
    }
  });

  test("commands and probes are files of the image", () => {
    for (const probed of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      assert.ok(existsSync(join(root, probed.exec.command[1].replace("/opt/mica/", ""))));
    }
    assert.ok(existsSync(join(root, container.command[0].replace("/opt/mica/", ""))));
  });

  test("the configuration is one, with the folders and sockets that mounts and probes rely on", () => {
    const configuration = readConfigFile(join(kubernetes, "config.toml"))!;
    assert.equal(configuration.root, defaultRoot);
    const run = pod.volumes.find(({ name }) => name === "run")!.hostPath!.path;
    assert.equal(configuration.daemon?.api, `${run}/api.sock`);
    assert.equal(configuration.daemon.containerd, `${run}/containerd.sock`);
  });

  test("pods of a RuntimeClass go to nodes that the DaemonSet is on", () => {
    const classes = documents("runtime-classes.yaml").map((document) => v.parse(runtimeClassSchema, document));
    const on = "mica/snapshotter";
    for (const { scheduling } of classes) assert.equal(scheduling.nodeSelector[on], pod.nodeSelector[on]);
    const names = classes.map(({ metadata }) => metadata.name);
    assert.deepEqual(names, ["mica", "kata-mica"]);
    for (const example of documents("example-pods.yaml") as ExamplePod[]) {
      const { runtimeClassName } = example.spec;
      const { handler } = classes.find(({ metadata }) => metadata.name === runtimeClassName)!;
      assert.equal(example.metadata.annotations["io.containerd.cri.runtime-handler"], handler);
    }
  });

  test("kubectl puts them together, and knows every field of the DaemonSet and the pods", async (t) => {
    if ((await run("sh", ["-c", "command -v kubectl"])).status !== 0) return t.skip("kubectl is not installed");
    const built = await run("kubectl", ["kustomize", kubernetes]);
    assert.equal(built.status, 0, built.stderr);
    const objects = parseAllDocuments(built.stdout).map((document) => document.toJS() as BuiltObject);
    const kinds = ["ConfigMap", "DaemonSet", "Namespace", "RuntimeClass", "RuntimeClass"];
    assert.deepEqual(objects.map(({ kind }) => kind).sort(), kinds);
    const configMap = objects.find(({ kind }) => kind === "ConfigMap")!;
    assert.equal(configMap.data?.["config.toml"], readFileSync(join(kubernetes, "config.toml"), "utf8"));
    const installer = objects.find(({ kind }) => kind === "DaemonSet")!;
    const { volumes } = v.parse(daemonSetSchema, installer).spec.template.spec;
    const named = volumes.find(({ name }) => name === "config")?.configMap?.name;
    assert.equal(named, configMap.metadata.name, "by a name with its hash, so that a change rolls through the nodes");

    const file = join(scratch(t), "object.json");
    for (const object of [installer, ...(documents("example-pods.yaml") as BuiltObject[])]) {
      writeFileSync(file, JSON.stringify(object));
      // What Kubernetes' own types do not know is gone from what it prints.
      const known = await run("kubectl", ["set", "image", "--local", "-f", file, "*=image", "--output", "yaml"]);
      assert.equal(known.status, 0, known.stderr);
      assertCovers(parse(known.stdout), object, object.kind);
    }
  });
});

suite("docs/cluster.md", () => {
  const page = read("docs/cluster.md");

  test("says of metadata what thin_metadata_size says", async () => {
    const rows = [...page.matchAll(/^\| (\d+) (G|T)iB \| (\d+) KiB \| ([\d,]+) \| ([\d.]+) MiB \|$/gm)];
    assert.equal(rows.length, 7);
    const worked = /`thin_metadata_size (-b \w+ -s \w+ -m \d+ -u m)` says ([\d.]+) MiB/.exec(page)!;
    const cases = rows.map(([, size, unit, block, snapshots, megabytes]) => ({
      options: `-b ${block}k -s ${size}${unit.toLowerCase()} -m ${snapshots.replace(",", "")} -u m`,
      megabytes,
    }));
    for (const { options, megabytes } of [...cases, { options: worked[1], megabytes: worked[2] }]) {
      const { stdout } = await run("thin_metadata_size", [...options.split(" "), "--numeric-only"]);
      assert.equal(stdout.trim(), megabytes, options);
    }
  });

  test("has in containerd's configuration the handlers of the RuntimeClasses, and the socket and folder of the nodes'", () => {
    const block = /```toml\n(# \/etc\/containerd\/config\.toml.*?)```/s.exec(page)!;
    const { proxy_plugins: proxies, plugins } = parseToml(block[1]) as unknown as ContainerdConfiguration;
    const { runtimes } = plugins["io.containerd.grpc.v1.cri"].containerd;
    const classes = documents("runtime-classes.yaml").map((document) => v.parse(runtimeClassSchema, document));
    assert.deepEqual(
      classes.map(({ handler }) => handler),
      Object.keys(runtimes),
    );
    for (const { snapshotter } of Object.values(runtimes)) assert.ok(snapshotter in proxies, snapshotter);
    const node = readConfigFile(join(kubernetes, "config.toml"))!;
    assert.equal(proxies["mica"].address, node.daemon?.containerd);
    const dropIn = parseToml(read("packaging/containerd/mica.toml")) as unknown as ContainerdConfiguration;
    assert.equal(dropIn.proxy_plugins["mica"].address, node.daemon?.containerd);
    assert.equal(proxies["mica"].exports.root, node.root);
  });

  test("names lines that mica info has", () => {
    const lines = read("src/graph/pool/status-lines.ts");
    for (const [, name] of page.matchAll(/`((?:Data|Metadata|Deferred) [A-Z][A-Za-z ]+)`/g)) {
      assert.ok(lines.includes(`"${name}"`), name);
    }
  });
});

interface ContainerdConfiguration {
  proxy_plugins: Record<string, { address: string; exports: { root: string } }>;
  plugins: { "io.containerd.grpc.v1.cri": { containerd: { runtimes: Record<string, { snapshotter: string }> } } };
}

interface ExamplePod {
  metadata: { annotations: Record<string, string> };
  spec: { runtimeClassName: string };
}

interface BuiltObject {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
}

/** Fails at the first field of `given` that `known` has not. */
function assertCovers(known: unknown, given: unknown, path: string): void {
  if (Array.isArray(given)) {
    given.forEach((value, index) => assertCovers((known as unknown[])[index], value, `${path}[${index}]`));
  } else if (typeof given === "object" && given !== null) {
    for (const [key, value] of Object.entries(given)) {
      assert.ok(typeof known === "object" && known !== null && key in known, `${path}.${key} is no field`);
      assertCovers((known as Record<string, unknown>)[key], value, `${path}.${key}`);
    }
  } else if (!path.endsWith(".image")) {
    assert.equal(String(known), String(given), path);
  }
}
