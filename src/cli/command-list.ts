import type { DocumentedCommand } from "./documented-command.ts";

/** A command as the top-level help lists it; the rest of it is loaded when it is called. */
export interface CommandEntry {
  /** Name and arguments, as commander reads them. */
  signature: string;
  summary: string;
  load: () => Promise<{ configure: (command: DocumentedCommand) => void }>;
  /** Of a group, such as `mica adopt`: the commands in it, called as `mica adopt inspect`. The group itself does nothing. */
  commands?: CommandEntry[];
}

/** Every command, by the heading it stands under in `mica --help`. */
export const commandGroups: Record<string, CommandEntry[]> = {
  "Images:": [
    {
      signature: "import <name> <source>",
      summary: "bring in an image: OCI, docker archive or tar",
      load: () => import("./commands/import.ts"),
    },
    {
      signature: "pull <reference>",
      summary: "bring in an image from a registry",
      load: () => import("./commands/pull.ts"),
    },
    {
      signature: "push <image> [reference]",
      summary: "send an image to a registry",
      load: () => import("./commands/push.ts"),
    },
    { signature: "images", summary: "list images", load: () => import("./commands/images.ts") },
    {
      signature: "save <image> <file>",
      summary: "write an image as an OCI archive",
      load: () => import("./commands/save.ts"),
    },
    { signature: "rmi <image...>", summary: "remove images", load: () => import("./commands/rmi.ts") },
    {
      signature: "login [registry]",
      summary: "keep credentials for a registry",
      load: () => import("./commands/login.ts"),
    },
    {
      signature: "logout [registry]",
      summary: "forget a registry's credentials",
      load: () => import("./commands/logout.ts"),
    },
  ],
  "Containers:": [
    {
      signature: "create <image> [name]",
      summary: "make a container from an image",
      load: () => import("./commands/create.ts"),
    },
    {
      signature: "mount <container>",
      summary: "mount a container and print where",
      load: () => import("./commands/mount.ts"),
    },
    { signature: "umount <container>", summary: "unmount a container", load: () => import("./commands/umount.ts") },
    {
      signature: "diff <container>",
      summary: "list what a container changed in its image",
      load: () => import("./commands/diff.ts"),
    },
    {
      signature: "commit <container> <name>",
      summary: "make an image from a container",
      load: () => import("./commands/commit.ts"),
    },
    {
      signature: "export <container>",
      summary: "write a container's files as a tar",
      load: () => import("./commands/export.ts"),
    },
    {
      signature: "snapshot <container> <name>",
      summary: "keep a container as it is now",
      load: () => import("./commands/snapshot.ts"),
    },
    {
      signature: "send [container]",
      summary: "write a container's device, or what changed in it, as a stream",
      load: () => import("./commands/send.ts"),
    },
    {
      signature: "receive [name]",
      summary: "make a container of such a stream",
      load: () => import("./commands/receive.ts"),
    },
    { signature: "rm <container...>", summary: "remove containers", load: () => import("./commands/rm.ts") },
  ],
  "Block devices:": [
    {
      signature: "attach <device>",
      summary: "get a block device without mounting it",
      load: () => import("./commands/attach.ts"),
    },
    { signature: "detach <device>", summary: "take back what attach gave", load: () => import("./commands/detach.ts") },
    {
      signature: "status <device>",
      summary: "show one device as the pool knows it",
      load: () => import("./commands/status.ts"),
    },
    {
      signature: "block <container> <number>",
      summary: "show where a block lives and who shares it",
      load: () => import("./commands/block.ts"),
    },
  ],
  "Docker's graphs:": [
    {
      signature: "adopt",
      summary: "open what Docker's devicemapper driver left",
      load: () => import("./commands/adopt/adopt.ts"),
      commands: [
        {
          signature: "inspect <path>",
          summary: "tell what a Docker graph holds and what is damaged",
          load: () => import("./commands/adopt/inspect.ts"),
        },
        {
          signature: "diff <path> <container>",
          summary: "list what a container changed in its image",
          load: () => import("./commands/adopt/diff.ts"),
        },
        {
          signature: "export <path> [names...]",
          summary: "write images and containers to a folder or an archive",
          load: () => import("./commands/adopt/export.ts"),
        },
        {
          signature: "open <path>",
          summary: "make a Docker graph usable in place",
          load: () => import("./commands/adopt/open.ts"),
        },
      ],
    },
  ],
  "The graph:": [
    {
      signature: "info",
      summary: "show the pool's state, as docker info does",
      load: () => import("./commands/info.ts"),
    },
    { signature: "ls", summary: "list containers and layers", load: () => import("./commands/ls.ts") },
    {
      signature: "tree",
      summary: "show what stands on what, and what it holds",
      load: () => import("./commands/tree.ts"),
    },
    {
      signature: "check",
      summary: "check metadata, and graph against pool",
      load: () => import("./commands/check.ts"),
    },
    {
      signature: "pool",
      summary: "make the pool larger, now or by itself",
      load: () => import("./commands/pool/pool.ts"),
      commands: [
        {
          signature: "grow",
          summary: "make the pool larger while it is used",
          load: () => import("./commands/pool/grow.ts"),
        },
        {
          signature: "autogrow",
          summary: "show or change how it grows by itself",
          load: () => import("./commands/pool/autogrow.ts"),
        },
      ],
    },
    {
      signature: "daemon",
      summary: "serve the graph to Docker, containerd and programs",
      load: () => import("./commands/daemon.ts"),
    },
    {
      signature: "shutdown",
      summary: "unmount everything and stop the pool",
      load: () => import("./commands/shutdown.ts"),
    },
    { signature: "version", summary: "show versions", load: () => import("./commands/version.ts") },
  ],
};

/** Each command's whole name, such as "adopt inspect"; a group stands before its commands. */
export function commandNames(entries: CommandEntry[] = Object.values(commandGroups).flat()): string[] {
  return entries.flatMap(({ signature, commands = [] }) => {
    const name = signature.split(" ")[0];
    return [name, ...commandNames(commands).map((inner) => `${name} ${inner}`)];
  });
}
