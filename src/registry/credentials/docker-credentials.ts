import { DOCKER_HUB } from "../places.ts";
import { CredentialHelper } from "./credential-helper.ts";
import type { Credentials, FindCredentials } from "./credentials.ts";
import {
  dockerConfigFile,
  readDockerConfig,
  writeDockerConfig,
  type DockerConfig,
  type StoredAuth,
} from "./docker-config.ts";

/** What Docker Hub's credentials are kept under. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";

/** Credentials as Docker keeps them: in its configuration, or by the helpers that this names. */
export function findDockerCredentials(path = dockerConfigFile()): FindCredentials {
  return async (registry) => {
    const config = readDockerConfig(path);
    const helper = helperFor(config, registry);
    if (helper !== undefined) return helper.get(keyOf(registry));
    const key = storedKey(config, registry);
    return key === undefined ? undefined : credentialsIn(config.auths![key]);
  };
}

/**
 * Keeps credentials: by the helper for that registry, else in the configuration, where whoever can read the file can read them.
 *
 * @returns where: a helper's name or the file
 */
export async function storeDockerCredentials(
  registry: string,
  credentials: Credentials,
  path = dockerConfigFile(),
): Promise<{ keptBy: "helper" | "file"; path: string }> {
  const config = readDockerConfig(path);
  const helper = helperFor(config, registry);
  await helper?.store(keyOf(registry), credentials);
  // With a helper too, so that a list of registries has it.
  const auths = { ...config.auths, [keyOf(registry)]: helper === undefined ? storedAuth(credentials) : {} };
  writeDockerConfig(path, { ...config, auths });
  return { keptBy: helper === undefined ? "file" : "helper", path };
}

/** Forgets them. @returns false when there were none */
export async function eraseDockerCredentials(registry: string, path = dockerConfigFile()): Promise<boolean> {
  const config = readDockerConfig(path);
  const known = await findDockerCredentials(path)(registry);
  await helperFor(config, registry)?.erase(keyOf(registry));
  const kept = Object.entries(config.auths ?? {}).filter(([key]) => !isKeyOf(key, registry));
  const listed = kept.length < Object.keys(config.auths ?? {}).length;
  if (listed) writeDockerConfig(path, { ...config, auths: Object.fromEntries(kept) });
  return listed || known !== undefined;
}

function helperFor({ credHelpers, credsStore }: DockerConfig, registry: string): CredentialHelper | undefined {
  const own = [registry, keyOf(registry)].find((key) => Object.hasOwn(credHelpers ?? {}, key));
  const name = own === undefined ? credsStore : credHelpers![own];
  return name == null || name === "" ? undefined : new CredentialHelper(name);
}

function keyOf(registry: string): string {
  return registry === DOCKER_HUB ? DOCKER_HUB_KEY : registry;
}

function storedKey({ auths }: DockerConfig, registry: string): string | undefined {
  const keys = Object.keys(auths ?? {});
  return keys.find((key) => key === keyOf(registry)) ?? keys.find((key) => isKeyOf(key, registry));
}

/** Older logins are kept under addresses, such as "https://host/v1/". */
function isKeyOf(key: string, registry: string): boolean {
  const host = key.replace(/^https?:\/\//, "").split("/", 1)[0];
  return (
    host === registry || (registry === DOCKER_HUB && (host === "index.docker.io" || host === "registry-1.docker.io"))
  );
}

function credentialsIn({ auth, username, password, identitytoken }: StoredAuth): Credentials | undefined {
  if (identitytoken != null && identitytoken !== "") return { identityToken: identitytoken };
  if (auth != null && auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return username == null || username === "" ? undefined : { username, password: password ?? "" };
}

function storedAuth(credentials: Credentials): StoredAuth {
  if ("identityToken" in credentials) return { identitytoken: credentials.identityToken };
  const { username, password } = credentials;
  return { auth: Buffer.from(`${username}:${password}`).toString("base64") };
}
