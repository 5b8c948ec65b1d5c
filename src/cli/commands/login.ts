import { ask } from "../ask.ts";
import type { DocumentedCommand } from "../documented-command.ts";
import { interruption } from "../interruption.ts";
import { print } from "../print.ts";
import { settingsOf } from "../settings.ts";
import { UsageError } from "../usage-error.ts";

const MAX_PASSWORD_BYTES = 64 << 10;

interface LoginOptions {
  username?: string;
  passwordStdin?: true;
  insecure?: true;
}

/** `mica login` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Shows a name and a password to a registry and, if it takes them, keeps them where Docker does: with the credential helper that " +
        "~/.docker/config.json names (credHelpers, credsStore), else in that file. Without REGISTRY it is docker.io. What is not " +
        "given is asked for on the terminal.",
    )
    .option("-u, --username <name>", "the name")
    .option("--password-stdin", "read the password from standard input")
    .option("--insecure", "take any certificate of that registry, and plain HTTP where it does not speak TLS")
    .explainArguments({ registry: "the registry's host, such as `ghcr.io` or `host:5000` (default: docker.io)" })
    .moreInManual(
      "Docker's configuration is `~/.docker/config.json`, or in the folder that the environment's `DOCKER_CONFIG` names.",
    )
    .examples(
      ["mica login ghcr.io", "asks for both"],
      ["mica login -u ci --password-stdin host:5000 < secret", "in a script"],
    )
    .seeAlso("mica-config(5)")
    .action(async (text: string | undefined, options: LoginOptions) => {
      const settings = settingsOf(command);
      const { logIn } = await import("../../registry/log-in.ts");
      const { DOCKER_HUB, registryName, registryPlace } = await import("../../registry/places.ts");
      const { storeDockerCredentials } = await import("../../registry/credentials/docker-credentials.ts");
      const registry = registryName(text ?? DOCKER_HUB);
      const credentials = { username: await usernameOf(options), password: await passwordOf(options) };
      const place = registryPlace(registry, settings.registries, options.insecure ?? false);
      const { credentials: proven, asked } = await logIn(place, credentials, { signal: interruption.signal });
      const { keptBy, path } = await storeDockerCredentials(registry, proven);
      if (!asked) {
        process.stderr.write(`mica: warning: ${registry} asked for no credentials, so these are unproven\n`);
      }
      print(settings, { registry, username: credentials.username, keptBy, path }, () =>
        keptBy === "file"
          ? `Logged in at ${registry}. The credentials are in ${path}, where root can read them`
          : `Logged in at ${registry}`,
      );
    });
}

async function usernameOf({ username, passwordStdin }: LoginOptions): Promise<string> {
  if (username !== undefined && username !== "") return username;
  if (passwordStdin || !process.stdin.isTTY) throw new UsageError("Cannot log in without a name: give --username");
  const answer = await ask("Username: ", "shown");
  if (answer === "") throw new UsageError("Cannot log in without a name");
  return answer;
}

async function passwordOf({ passwordStdin }: LoginOptions): Promise<string> {
  if (passwordStdin) return readPassword();
  if (!process.stdin.isTTY) {
    throw new UsageError("Cannot ask for a password without a terminal: give --password-stdin and pass it there");
  }
  const answer = await ask("Password: ", "hidden");
  if (answer === "") throw new UsageError("Cannot log in without a password");
  return answer;
}

async function readPassword(): Promise<string> {
  const { readBounded } = await import("../../registry/http/read-bounded.ts");
  const bytes = await readBounded(process.stdin, MAX_PASSWORD_BYTES);
  const password = bytes?.toString("utf8").replace(/\r?\n$/, "") ?? "";
  if (password === "") throw new UsageError("Cannot log in: standard input holds no password");
  return password;
}
