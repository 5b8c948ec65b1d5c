import { arch, endianness } from "node:os";
import { StoreError } from "./store-error.ts";

/** What an image runs on, in the words of OCI images (Go's GOOS and GOARCH). */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
}

const architectures: Partial<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  arm64: "arm64",
  arm: "arm",
  s390x: "s390x",
  riscv64: "riscv64",
  loong64: "loong64",
  ppc64: endianness() === "LE" ? "ppc64le" : "ppc64",
};

/** This machine's platform. */
export function hostPlatform(): Platform {
  return { os: "linux", architecture: architectures[arch()] ?? arch() };
}

/** Reads "linux/arm64" or "linux/arm/v7". @throws StoreError invalid */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text);
  if (match === null) {
    throw new StoreError("invalid", `Cannot use platform '${text}': write it as linux/amd64 or linux/arm/v7`);
  }
  return { os: match[1], architecture: match[2], variant: match[3] };
}

/** How a platform is written. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? "" : `/${variant}`}`;
}

/** Whether an image for `offered` runs on `wanted`; a variant counts only where one is asked for. */
export function platformMatches(offered: Platform, wanted: Platform): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  return wanted.variant === undefined || (offered.variant ?? wanted.variant) === wanted.variant;
}
