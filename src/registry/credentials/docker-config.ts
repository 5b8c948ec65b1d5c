import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../../linux/system-error.ts";
import { RegistryError } from "../registry-error.ts";

const authSchema = v.looseObject({
  auth: v.nullish(v.string()),
  username: v.nullish(v.string()),
  password: v.nullish(v.string()),
  identitytoken: v.nullish(v.string()),
});
const schema = v.looseObject({
  auths: v.nullish(v.record(v.string(), authSchema)),
  credsStore: v.nullish(v.string()),
  credHelpers: v.nullish(v.record(v.string(), v.string())),
});

/** Docker's own configuration, of which only this is looked at; the rest is kept as it is. */
export type DockerConfig = v.InferOutput<typeof schema>;
/** What it keeps for one registry. */
export type StoredAuth = v.InferOutput<typeof authSchema>;

/** Where it is: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigFile(): string {
  const folder = process.env.DOCKER_CONFIG;
  return join(folder === undefined || folder === "" ? join(homedir(), ".docker") : folder, "config.json");
}

/** Reads it; an empty one where there is none. @throws RegistryError invalid when it is damaged */
export function readDockerConfig(path: string): DockerConfig {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return {};
    throw new RegistryError("invalid", `Cannot read credentials: ${String(cause)}`, { cause });
  }
  const result = v.safeParse(schema, parseJson(path, text));
  if (result.success) return result.output;
  const issue = result.issues[0];
  throw new RegistryError(
    "invalid",
    `Cannot read credentials in '${path}': ${v.getDotPath(issue) ?? "it"}: ${issue.message}`,
  );
}

/** Replaces it whole, for its owner's eyes alone; where it is a link, what that leads to. */
export function writeDockerConfig(path: string, config: DockerConfig): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = `${target}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(config, undefined, "\t")}\n`, { mode: 0o600, flag: "wx", flush: true });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function parseJson(path: string, text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RegistryError("invalid", `Cannot read credentials in '${path}': it is not JSON`, { cause });
  }
}
