import { createHash } from "node:crypto";
import fc from "fast-check";
import { craftTar, type CraftedEntry } from "../../src/layer/testing/craft-tar.ts";
import { hostileBytes } from "./hostile-bytes.ts";
import { hostileValues } from "./hostile-json.ts";
import { hostileTars } from "./hostile-tar.ts";

/** Content by its digest, as OCI layouts keep it. */
interface Blob {
  digest: string;
  entry: CraftedEntry;
  size: number;
}

function blob(content: Buffer): Blob {
  const hex = createHash("sha256").update(content).digest("hex");
  return { digest: `sha256:${hex}`, entry: { name: `blobs/sha256/${hex}`, content }, size: content.length };
}

/** Some JSON of an archive, by chance not as it should be. */
type Damage = (value: unknown) => fc.Arbitrary<Buffer>;

const damage: Damage = (value) =>
  hostileValues(fc.constant(value)).map((damaged) => Buffer.from(JSON.stringify(damaged)));
const sound: Damage = (value) => fc.constant(Buffer.from(JSON.stringify(value)));

const media = "application/vnd.oci.image";

/** The image's own JSON is what it should be, but for one of its files: whatever refers to that has its right digest. */
function image(layer: Buffer): fc.Arbitrary<CraftedEntry[]> {
  const layers = [blob(layer)];
  const configJson = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
  };
  return fc.constantFrom("config", "manifest", "index", "docker", "none").chain((damaged) => {
    const of = (name: string): Damage => (name === damaged ? damage : sound);
    return of("config")(configJson).chain((configBytes) => {
      const config = blob(configBytes);
      const refer = ({ digest, size }: Blob, mediaType: string): object => ({
        mediaType: `${media}.${mediaType}`,
        digest,
        size,
      });
      const manifestJson = {
        schemaVersion: 2,
        config: refer(config, "config.v1+json"),
        layers: layers.map((one) => refer(one, "layer.v1.tar")),
      };
      return of("manifest")(manifestJson).chain((manifestBytes) => {
        const manifest = blob(manifestBytes);
        const blobs = [...layers, config, manifest].map(({ entry }) => entry);
        const index = of("index")({ schemaVersion: 2, manifests: [refer(manifest, "manifest.v1+json")] });
        const docker = of("docker")([
          { Config: config.entry.name, RepoTags: ["app:latest"], Layers: layers.map(({ entry }) => entry.name) },
        ]);
        const marker = { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' };
        return damaged === "docker"
          ? docker.map((content) => [{ name: "manifest.json", content }, ...blobs])
          : index.map((content) => [marker, { name: "index.json", content }, ...blobs]);
      });
    });
  });
}

const plainLayer = fc.nat(1_000_000).map((number) => craftTar([{ name: "file", content: String(number) }]));

/**
 * Archives of images, of OCI's and of Docker's kind, with something wrong in them: in their JSON, their layers, or their bytes.
 *
 * @param outside a folder that no layer may touch
 */
export function hostileArchives(outside: string): fc.Arbitrary<Buffer> {
  const layer = fc.oneof(plainLayer, hostileTars(outside));
  const links = fc.constantFrom<CraftedEntry[]>(
    [],
    [{ name: "index.json", type: "2", linkName: "/etc/passwd" }],
    [{ name: "blobs", type: "2", linkName: outside }],
    [{ name: "manifest.json", type: "1", linkName: "manifest.json" }],
    [{ name: "../index.json", content: "{}" }],
  );
  const archive = fc.tuple(layer.chain(image), links).map(([entries, more]) => craftTar([...more, ...entries]));
  return fc.oneof(
    { weight: 5, arbitrary: archive },
    { weight: 1, arbitrary: hostileBytes(archive) },
    { weight: 1, arbitrary: hostileTars(outside) },
  );
}
