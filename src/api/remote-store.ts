import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import type {
  ContainerSummary,
  CreateOptions,
  ImageSummary,
  ImportOptions,
  LongOptions,
  PulledImage,
  PullOptions,
  PushedImage,
  PushOptions,
  RegistryOptions,
  TreeNode,
} from "../image/types.ts";
import type { Change } from "../layer/change.ts";
import type { ApiConnection } from "./api-connection.ts";
import type { StoreAccess } from "./graph-access.ts";

/** The images and containers of a graph that a daemon serves. */
export class RemoteStore implements StoreAccess {
  readonly #api: ApiConnection;

  constructor(api: ApiConnection) {
    this.#api = api;
  }

  images(): Promise<ImageSummary[]> {
    return this.#api.json("GET", "/v1/images");
  }

  containers(): Promise<ContainerSummary[]> {
    return this.#api.json("GET", "/v1/containers");
  }

  image(nameOrId: string): Promise<ImageSummary> {
    return this.#api.json("GET", imagePath(nameOrId));
  }

  container(nameOrId: string): Promise<ContainerSummary> {
    return this.#api.json("GET", containerPath(nameOrId));
  }

  /** @param source a path on the daemon's machine, also with a form, "-" for standard input, or docker:// and a name */
  async import(name: string, source: string, options: ImportOptions = {}): Promise<{ id: string }> {
    const { platform, stdin, signal, progress } = options;
    const [{ absoluteForm, parseImageForm }, { withoutDownloads }] = await Promise.all([
      import("../image/image-form.ts"),
      import("../image/import-progress.ts"),
    ]);
    const form = parseImageForm(source, "import");
    if (form?.kind === "docker") {
      const { id } = await this.pull(form.reference, { ...options, name, progress: withoutDownloads(progress) });
      return { id };
    }
    if (source !== "-") {
      const body = { name, path: form === undefined ? resolve(source) : absoluteForm(form), platform };
      return this.#api.json("POST", "/v1/images/import", { body, signal, progress });
    }
    const query = new URLSearchParams({ name, ...(platform !== undefined && { platform }) });
    const stream = (stdin ?? process.stdin) as Readable;
    return this.#api.json("POST", `/v1/images/upload?${query.toString()}`, { stream, signal, progress });
  }

  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { name, platform, signal, progress } = options;
    const body = { reference, name, platform, ...(await registryFields(reference, "pull", options)) };
    return this.#api.json("POST", "/v1/images/pull", { body, signal, progress });
  }

  async push(image: string, reference?: string, options: PushOptions = {}): Promise<PushedImage> {
    const { format, signal, progress } = options;
    const body = { reference, format, ...(await registryFields(reference ?? image, "push to", options)) };
    return this.#api.json("POST", `${imagePath(image)}/push`, { body, signal, progress });
  }

  create(image: string, { name, sizeBytes }: CreateOptions = {}): Promise<{ id: string; name: string }> {
    return this.#api.json("POST", "/v1/containers", { body: { image, name, size: sizeBytes } });
  }

  snapshot(container: string, name: string): Promise<{ id: string; name: string; snapshot: string }> {
    return this.#api.json("POST", `${containerPath(container)}/snapshot`, { body: { name } });
  }

  async mount(container: string): Promise<string> {
    return (await this.#api.json<{ path: string }>("POST", `${containerPath(container)}/mount`)).path;
  }

  async umount(container: string): Promise<void> {
    await this.#api.json("POST", `${containerPath(container)}/umount`);
  }

  diff(container: string): Promise<Change[]> {
    return this.#api.json("GET", `${containerPath(container)}/diff`);
  }

  commit(container: string, name: string, { signal }: LongOptions = {}): Promise<{ id: string }> {
    return this.#api.json("POST", `${containerPath(container)}/commit`, { body: { name }, signal });
  }

  export(container: string, writable: Writable, { signal }: LongOptions = {}): Promise<void> {
    return this.#api.stream(`${containerPath(container)}/archive`, writable, { signal });
  }

  async save(image: string, target: string | Writable, { signal }: LongOptions = {}): Promise<void> {
    const { absoluteForm, saveForm } = await import("../image/image-form.ts");
    const form = typeof target === "string" ? saveForm(target) : undefined;
    if (form !== undefined) {
      await this.#api.json("POST", `${imagePath(image)}/save`, { body: { path: absoluteForm(form) }, signal });
      return;
    }
    const { writeWhole } = await import("../image/write-whole.ts");
    await writeWhole(target, (writable) => this.#api.stream(`${imagePath(image)}/archive`, writable, { signal }));
  }

  async removeContainer(nameOrId: string): Promise<void> {
    await this.#api.json("DELETE", containerPath(nameOrId));
  }

  removeImage(nameOrId: string): ReturnType<StoreAccess["removeImage"]> {
    return this.#api.json("DELETE", imagePath(nameOrId));
  }

  tree(): Promise<TreeNode> {
    return this.#api.json("GET", "/v1/tree");
  }

  async check(): Promise<string[]> {
    return (await this.#api.json<{ problems: string[] }>("POST", "/v1/check?of=images")).problems;
  }
}

function imagePath(nameOrId: string): string {
  return `/v1/images/${encodeURIComponent(nameOrId)}`;
}

function containerPath(nameOrId: string): string {
  return `/v1/containers/${encodeURIComponent(nameOrId)}`;
}

/** What the daemon has to be told of a registry: its user is not this process's, and has other credentials. */
async function registryFields(
  reference: string,
  doing: "pull" | "push to",
  { insecure, credentials, registries }: RegistryOptions,
): Promise<object> {
  const [{ findDockerCredentials }, { locationOf, parseReference }, { registryReference }] = await Promise.all([
    import("../registry/credentials/docker-credentials.ts"),
    import("../image/reference.ts"),
    import("../image/image-form.ts"),
  ]);
  const { registry } = locationOf(parseReference(registryReference(reference, doing)));
  const found = await (credentials ?? findDockerCredentials())(registry);
  return { insecure, registries, ...(found !== undefined && { credentials: { [registry]: found } }) };
}
