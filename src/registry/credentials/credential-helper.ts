import { spawn } from "node:child_process";
import * as v from "valibot";
import { RegistryError } from "../registry-error.ts";
import type { Credentials } from "./credentials.ts";

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 1 << 20;
/** The name that says that the secret is a token of an earlier login. */
const TOKEN_NAME = "<token>";
/** What helpers answer when they have nothing; part of their protocol. */
const NOTHING = "credentials not found in native keychain";

const schema = v.looseObject({ Username: v.string(), Secret: v.string() });

/**
 * A program `docker-credential-NAME` that keeps credentials (the protocol of docker/docker-credential-helpers): one argument for what
 * to do, the rest on its standard input and output.
 */
export class CredentialHelper {
  readonly #program: string;

  /** @throws RegistryError invalid for a name that is no name */
  constructor(name: string) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      throw new RegistryError(
        "invalid",
        `Cannot use '${name}' as a credential helper: write only what follows docker-credential-`,
      );
    }
    this.#program = `docker-credential-${name}`;
  }

  /** @returns undefined when it has none for that server */
  async get(server: string): Promise<Credentials | undefined> {
    const output = await this.#run("get", server, { nothing: "is an answer" });
    if (output === undefined) return undefined;
    const answer = v.safeParse(schema, parseJson(output));
    if (!answer.success) throw this.#failure("get", "its answer is not what helpers answer");
    const { Username: username, Secret: secret } = answer.output;
    if (username === "" && secret === "") return undefined;
    return username === TOKEN_NAME ? { identityToken: secret } : { username, password: secret };
  }

  async store(server: string, credentials: Credentials): Promise<void> {
    const [username, secret] =
      "identityToken" in credentials
        ? [TOKEN_NAME, credentials.identityToken]
        : [credentials.username, credentials.password];
    await this.#run("store", JSON.stringify({ ServerURL: server, Username: username, Secret: secret }));
  }

  /** It is no error where there is nothing to erase. */
  async erase(server: string): Promise<void> {
    await this.#run("erase", server, { nothing: "is an answer" });
  }

  async #run(what: string, input: string, options?: { nothing: "is an answer" }): Promise<string | undefined> {
    const child = spawn(this.#program, [what], { stdio: ["pipe", "pipe", "pipe"] });
    // Not spawn's own: where nothing could be started, Node leaves that running, and the process with it.
    const timeout = setTimeout(() => child.kill(), TIMEOUT_MS);
    child.stdin.on("error", () => undefined); // it ended without reading, and says why
    child.stdin.end(input);
    let output = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > MAX_OUTPUT) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-1000)));
    const status = await new Promise<number | string>((resolve, reject) => {
      child.on("error", (cause) => reject(this.#failure(what, cause.message, cause)));
      child.on("close", (code, signal) => resolve(code ?? signal ?? "a signal"));
    }).finally(() => clearTimeout(timeout));
    if (status === 0) return output;
    // What it says, on either; but not what a helper said that was ended in the middle of it, as that may be a secret.
    const told = typeof status === "number" ? (output + complaint).trim() : "";
    if (options !== undefined && told.includes(NOTHING)) return undefined;
    throw this.#failure(what, told === "" ? `it ended with ${status}` : told.slice(0, 300));
  }

  #failure(what: string, why: string, cause?: unknown): RegistryError {
    return new RegistryError("invalid", `Cannot ${what} credentials with ${this.#program}: ${why}`, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
