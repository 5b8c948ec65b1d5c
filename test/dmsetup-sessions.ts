/** What a command line of dmsetup did. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A command line, and what the real dmsetup did. */
export interface CommandStep {
  kind: "command";
  /** As it is typed, without quotes taken away and variables put in. */
  line: string;
  stdin: string;
  /** Why it is not for devices in user space; undefined where it is. */
  kernelOnly: string | undefined;
  recorded: Outcome;
}

/** Something that is done between command lines: a device is held open, or no longer. */
export interface OtherStep {
  kind: "open" | "close";
  /** "" to let go of all. */
  device: string;
}

export type Step = CommandStep | OtherStep;

/** Command lines that build on each other, from no devices at all. */
export interface Section {
  title: string;
  steps: Step[];
}

/** Where sessions are kept: test/fixtures/dmsetup/sessions.txt. */
export const sessionsFile = new URL("fixtures/dmsetup/sessions.txt", import.meta.url);

/**
 * Reads sessions: `## title`; `$ a command line`, `< ` its input, `> ` and `! ` its output and `= ` exit status, as recorded; before it `% kernel: ` why not in
 * user space; `@ open NAME`, `@ close`.
 */
export function parseSessions(text: string): Section[] {
  const sections: Section[] = [];
  let step: CommandStep | undefined;
  let kernelOnly: string | undefined;
  for (const line of text.split("\n")) {
    const rest = line.slice(2);
    const steps = sections.at(-1)?.steps ?? [];
    if (line.startsWith("## ")) sections.push({ title: line.slice(3), steps: [] });
    else if (line.startsWith("% kernel: ")) kernelOnly = line.slice("% kernel: ".length);
    else if (line.startsWith("@ ")) {
      const [kind, device = ""] = rest.split(" ");
      steps.push({ kind: kind === "open" ? "open" : "close", device });
    } else if (line.startsWith("$ ")) {
      step = { kind: "command", line: rest, stdin: "", kernelOnly, recorded: { status: null, stdout: "", stderr: "" } };
      steps.push(step);
      kernelOnly = undefined;
    } else if (step === undefined) continue;
    else if (line.startsWith("<")) step.stdin += `${rest}\n`;
    else if (line.startsWith(">")) step.recorded.stdout += `${rest}\n`;
    else if (line.startsWith("!")) step.recorded.stderr += `${rest}\n`;
    else if (line.startsWith("=")) step.recorded.status = Number(rest);
  }
  return sections;
}

/** The inverse of `parseSessions`. */
export function formatSessions(sections: readonly Section[]): string {
  return sections.map(({ title, steps }) => `## ${title}\n${steps.map(formatStep).join("")}`).join("\n");
}

function formatStep(step: Step): string {
  if (step.kind !== "command") return `@ ${step.kind} ${step.device}`.trimEnd() + "\n";
  const { line, stdin, kernelOnly, recorded } = step;
  return [
    kernelOnly === undefined ? "" : `% kernel: ${kernelOnly}\n`,
    `$ ${line}\n`,
    prefixed("<", stdin),
    prefixed(">", recorded.stdout),
    prefixed("!", recorded.stderr),
    `= ${recorded.status}\n`,
  ].join("");
}

function prefixed(sign: string, text: string): string {
  const lines = text.replace(/\n$/, "").split("\n");
  return text === "" ? "" : lines.map((line) => `${sign} ${line}\n`).join("");
}

/** The block devices that command lines stand on, by the variables that name them. */
export type BackingDevices = Record<"L0" | "L1" | "META" | "DATA", string>;

/** Their sizes. */
export const backingMebibytes: Readonly<Record<keyof BackingDevices, number>> = { L0: 16, L1: 16, META: 4, DATA: 64 };

/** The environment's. */
export function backingDevices(): BackingDevices {
  const at = (name: string): string => process.env[name] ?? "";
  return { L0: at("L0"), L1: at("L1"), META: at("META"), DATA: at("DATA") };
}

/** The words of a command line, as a shell splits it: quotes, and $VARIABLES. */
export function wordsOf(line: string, variables: Readonly<Record<string, string>>): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => withVariables(word.replaceAll("'", ""), variables));
}

/** Text with $VARIABLES put in. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$([A-Z]\w*)/g, (_, name: string) => variables[name] ?? "");
}

/** A shell script that carries sessions out with the real dmsetup; what the Nth command line did is in FOLDER/N.out, N.err and N.status. */
export function sessionScript(sections: readonly Section[], backing: BackingDevices, folder: string): string {
  let number = 0;
  const command = ({ line, stdin }: CommandStep): string => {
    const at = `${folder}/${number++}`;
    const input = stdin === "" ? "</dev/null" : `<<'END'\n${withVariables(stdin, backing)}END`;
    return `{ ${withVariables(line, backing)}; } >${at}.out 2>${at}.err ${input}\necho $? >${at}.status`;
  };
  const other = ({ kind, device }: OtherStep): string =>
    kind === "open" ? `exec 9</dev/mapper/${device}` : "exec 9<&-";
  const lines = sections.flatMap(({ steps }) => [
    ...steps.map((step) => (step.kind === "command" ? command(step) : other(step))),
    "exec 9<&-",
    "dmsetup remove_all --force",
    `dd if=/dev/zero of=${backing.META} bs=4096 count=1 conv=notrunc,fsync status=none`,
  ]);
  return `${lines.join("\n")}\n`;
}

/** What a device is called on this machine, and in recorded output. */
export interface DeviceToken {
  name: string;
  major: number;
  minor: number;
  /** "dm-0", "loop3"; undefined where it has none. */
  kernelName: string | undefined;
}

/**
 * Output as it is compared between machines and device mappers: devices' numbers and the kernel's names for them become `{NAME}`, what is told of usage becomes
 * USAGE, and what may differ (read-ahead, used metadata blocks, reasons) is left open.
 */
export function normalise(outcome: Outcome, devices: readonly DeviceToken[], folder: string): Outcome {
  const plain = (text: string): string => {
    let result = text.replaceAll(`${folder}/`, "/dev/");
    result = result.replace(/^(.*\S) +\d+ +\d+ ([L-][I-][s-][rw] )/gm, "$1 MAJOR MINOR $2");
    for (const { name, major, minor, kernelName } of devices) {
      result = result.replace(new RegExp(`(?<![\\d:])${major}(:|, )${minor}(?!\\d)`, "g"), `{${name}}`);
      if (kernelName !== undefined) {
        result = result.replace(new RegExp(`(?<![\\w/])${kernelName}(?!\\w)`, "g"), `{${name}}`);
      }
    }
    return result
      .replace(/(thin-pool \d+) \d+\/(\d+)/g, "$1 USED/$2")
      .replace(/\((?:\d+:\d+|\{[^}]*\})\) failed:/g, "(NUMBER) failed:")
      .replace(/([:,])(?:\d+[:,]\d+|\{[\w-]+\})[:,](?=[L-][I-][s-][rw][:,])/g, "$1MAJOR$1MINOR$1")
      .replace(/^(Read Ahead: +)\d+$/gm, "$1SECTORS")
      .replace(/^Cannot .*\n/gm, "");
  };
  const { status, stdout, stderr } = comparable(outcome);
  return { status, stdout: plain(stdout), stderr: plain(stderr) };
}

/** An outcome without help, which is in each one's own words; and where it was asked for, the original tells it on standard error. */
export function comparable({ status, stdout, stderr }: Outcome): Outcome {
  const [output, errors] = [withoutUsage(stdout), withoutUsage(stderr)];
  const asked = status === 0 && errors.startsWith("USAGE\n");
  return asked ? { status, stdout: errors, stderr: "" } : { status, stdout: output, stderr: errors };
}

function withoutUsage(text: string): string {
  return text
    .replace(/^Usage:[^]*$/m, "USAGE\n")
    .replace(/^(?:Mapped Device Name Fields|Names of the device:)\n[^]*?\n(?=Unrec|dm_report|$(?![^]))/m, "FIELDS\n");
}
