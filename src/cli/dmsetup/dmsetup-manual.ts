import { exampleLines } from "../manual/command-page.ts";
import { bold, entry, head, italic, literal, prose, references, section } from "../manual/roff.ts";
import { optionTerm } from "../thin/tool-usage.ts";
import { dmsetupOptions } from "./dmsetup-options.ts";
import type { DmsetupVerb } from "./dmsetup-verb.ts";
import { dmsetupVerbs, refusedVerbs } from "./dmsetup-verbs.ts";
import { reportFields } from "./report-fields.ts";

const summary = "devices of the device mapper, the kernel's or the one in user space, step by step";

const description = [
  "Makes and changes devices of a device mapper as the dmsetup of LVM2 does: the kernel's devices, or those that Mica serves in user space, where the kernel has no device mapper. Output, exit status and errors are those of dmsetup 1.02.185.",
  "A device has two table slots: the table in force, and one that was loaded and waits for `resume`. A table is a line a segment: START LENGTH TARGET PARAMETERS, in sectors of 512 bytes. In user space the targets are thin-pool, thin, linear, striped, zero and error.",
  "Called as `dmsetup`, through a symbolic link to mica, it takes dmsetup's place.",
];

const choosing = [
  "`--device-mapper` counts, else $MICA_DEVICE_MAPPER. Else it is the one in user space, if the device that is named runs there; else what the configuration says; else the kernel's, where it is there and has thin-pool and the user is root; else the one in user space.",
];

const environment: readonly (readonly [string, string])[] = [
  ["DM_DEV_DIR", "The folder whose folder `mapper` has the devices' nodes; an absolute path. Default: `/dev`."],
  ["DM_DEFAULT_NAME_MANGLING_MODE", "As `--manglename`."],
  ["MICA_DEVICE_MAPPER", "As `--device-mapper`."],
  ["MICA_RUN_DIR", "Where devices in user space keep their state, instead of `/run/mica`."],
];

const examples: readonly (readonly [line: string, what: string])[] = [
  [
    'mica dmsetup create pool --table "0 20971522 thin-pool $META $DATA 128 65536 1 skip_block_zeroing"',
    "a pool on two block devices",
  ],
  ['mica dmsetup message pool 0 "create_thin 0"', "a thin device in it"],
  ['mica dmsetup create thin --table "0 2097152 thin /dev/mapper/pool 0"', "as a block device, /dev/mapper/thin"],
  [
    'mica dmsetup suspend thin && mica dmsetup message pool 0 "create_snap 1 0"; mica dmsetup resume thin',
    "a snapshot of it",
  ],
  ["mica dmsetup message pool 0 --batch messages", "many messages, committed together"],
  ["mica dmsetup info -c --noheadings -o name,open", "which devices are in use"],
];

/** The manual page mica-dmsetup(8), in roff. It is made from what `dmsetup help` is made from. */
export function dmsetupManual(): string {
  const lines = [
    ...head("mica-dmsetup", 8, summary, "src/cli/dmsetup"),
    ...section("SYNOPSIS", [
      `${bold("mica dmsetup")} [${italic("options")}] ${italic("command")} [${italic("options")}] [${italic("device")}...]`,
      ".br",
      `${bold("dmsetup")} [${italic("options")}] ${italic("command")} [${italic("options")}] [${italic("device")}...]`,
    ]),
    ...section("DESCRIPTION", paragraphs(description)),
    ...section("COMMANDS", [
      ...dmsetupVerbs.flatMap(verbEntry),
      ".PP",
      prose("A DEVICE is a name or a path; or, where it is one, `--uuid`, or `--major` and `--minor`.", ["DEVICE"]),
      ".PP",
      `Of the original's commands these are refused: ${refusedVerbs.map(bold).join(", ")}; of its options ${bold("--select")} and ${bold("--udevcookie")}.`,
    ]),
    ...section(
      "OPTIONS",
      dmsetupOptions.flatMap((option) => entry(bold(optionTerm(option)), prose(option.help))),
    ),
    ...section(
      "FIELDS",
      reportFields.flatMap(({ key, help }) => entry(bold(key), prose(help))),
    ),
    ...section("CHOOSING", paragraphs(choosing)),
    ...section(
      "ENVIRONMENT",
      environment.flatMap(([name, help]) => entry(bold(name), prose(help))),
    ),
    ...section("EXIT STATUS", ["0 if it is done, 1 if it is not, or the line makes no sense."]),
    ...section("EXAMPLES", exampleLines(examples)),
    ...section("SEE ALSO", references(["mica(1)", "dmsetup(8)", "thin_check(8)"])),
  ];
  return `${lines.join("\n")}\n`;
}

function verbEntry({ name, aliases = [], operands, help, options }: DmsetupVerb): string[] {
  const names = [name, ...aliases].map(bold).join(", ");
  const flags = options.length === 0 ? "" : ` Options: ${options.map((long) => bold(`--${long}`)).join(", ")}.`;
  const operandNames = [...operands.matchAll(/[A-Z_]{2,}/g)].map(([operand]) => operand);
  return entry(`${names} ${literal(operands)}`.trim(), `${prose(help, operandNames)}${flags}`);
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, index) => (index === 0 ? [prose(text)] : [".PP", prose(text)]));
}
