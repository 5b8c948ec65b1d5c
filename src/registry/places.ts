import type { RegistriesSettings } from "../graph/options/registries-table.ts";
import { RegistryError } from "./registry-error.ts";

/** Docker Hub, as users name it. */
export const DOCKER_HUB = "docker.io";
/** Where its API is. */
const DOCKER_HUB_HOST = "registry-1.docker.io";

/** Where a registry, or a mirror of it, is. */
export interface Place {
  /** As users name it, and as credentials are kept for it: "docker.io", "host:5000". */
  name: string;
  /** "host:5000". */
  host: string;
  /** Before /v2/: "" or "/path". */
  prefix: string;
  /** undefined where plain HTTP is allowed and has to be found out. */
  scheme: "https" | "http" | undefined;
  insecure: boolean;
  ca: string | undefined;
}

/**
 * What a registry is called that a user names: "https://index.docker.io/v1/" is "docker.io".
 *
 * @throws RegistryError invalid
 */
export function registryName(text: string): string {
  const host = text.replace(/^https?:\/\//, "").replace(/\/(?:v[12]\/?)?$/, "");
  if (["index.docker.io", DOCKER_HUB_HOST].includes(host)) return DOCKER_HUB;
  if (/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$/.test(host)) return host;
  throw new RegistryError("invalid", `Cannot use '${text}' as a registry: name a host, such as docker.io or host:5000`);
}

/** The registry itself. @param insecure allows any certificate and plain HTTP, besides what the settings allow */
export function registryPlace(registry: string, settings: RegistriesSettings, insecure: boolean): Place {
  const own = settingsOf(settings, registry);
  const open = insecure || (own.insecure ?? false);
  return {
    name: registry,
    host: registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry,
    prefix: "",
    scheme: open ? undefined : "https",
    insecure: open,
    ca: own.ca,
  };
}

/** Its mirrors, in the order to ask them. @throws RegistryError invalid for one that cannot be read */
export function mirrorPlaces(registry: string, settings: RegistriesSettings): Place[] {
  return (settingsOf(settings, registry).mirrors ?? []).map((mirror) => mirrorPlace(mirror, settings));
}

function mirrorPlace(mirror: string, settings: RegistriesSettings): Place {
  const address = mirror.includes("://") ? mirror : `https://${mirror}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new RegistryError("invalid", `Cannot use '${mirror}' as a mirror: write a host, or an https:// address`);
  }
  const { insecure = false, ca } = settingsOf(settings, url.host);
  const plain = url.protocol === "http:"; // whoever writes it so allows it
  const open = insecure && !mirror.includes("://");
  return {
    name: url.host,
    host: url.host,
    prefix: url.pathname.replace(/\/+$/, ""),
    scheme: plain ? "http" : open ? undefined : "https",
    insecure: insecure || plain,
    ca,
  };
}

function settingsOf(settings: RegistriesSettings, registry: string): RegistriesSettings[string] {
  return Object.hasOwn(settings, registry) ? settings[registry] : {};
}
