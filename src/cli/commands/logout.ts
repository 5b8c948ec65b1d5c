import type { DocumentedCommand } from "../documented-command.ts";
import { print } from "../print.ts";
import { settingsOf } from "../settings.ts";

/** `mica logout` */
export function configure(command: DocumentedCommand): void {
  command
    .description(
      "Forgets the credentials for a registry, wherever `mica login` or `docker login` kept them. Without REGISTRY it is docker.io.",
    )
    .explainArguments({ registry: "the registry's host, such as `ghcr.io` or `host:5000` (default: docker.io)" })
    .examples(["mica logout ghcr.io", ""])
    .action(async (text: string | undefined) => {
      const settings = settingsOf(command);
      const { DOCKER_HUB, registryName } = await import("../../registry/places.ts");
      const { eraseDockerCredentials } = await import("../../registry/credentials/docker-credentials.ts");
      const registry = registryName(text ?? DOCKER_HUB);
      const removed = await eraseDockerCredentials(registry);
      print(settings, { registry, removed }, () =>
        removed ? `Logged out of ${registry}` : `There were no credentials for ${registry}`,
      );
    });
}
