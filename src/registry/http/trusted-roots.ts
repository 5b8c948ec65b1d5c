import { existsSync, readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { RegistryError } from "../registry-error.ts";

/** Where machines keep the certificates that they trust: Debian and Alpine, Fedora, SUSE. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/var/lib/ca-certificates/ca-bundle.pem",
];

/**
 * The certificates to trust (PEM): the machine's, as whoever runs a private registry adds its own there; Node's where the machine
 * has none. `SSL_CERT_FILE` names another bundle, as for OpenSSL.
 *
 * @param ca file with more of them
 * @throws RegistryError invalid when that cannot be read
 */
export function trustedRoots(ca: string | undefined): string[] {
  const bundle = [process.env.SSL_CERT_FILE ?? "", ...bundles].find((path) => path !== "" && existsSync(path));
  const roots = bundle === undefined ? [...rootCertificates] : [readFileSync(bundle, "utf8")];
  return ca === undefined ? roots : [...roots, readCa(ca)];
}

function readCa(path: string): string {
  try {
    const pem = readFileSync(path, "utf8");
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  } catch (cause) {
    throw new RegistryError("invalid", `Cannot read the certificates in '${path}': ${String(cause)}`, { cause });
  }
  throw new RegistryError("invalid", `Cannot use '${path}' as certificates: it holds none in PEM form`);
}
