import { type Examination, type ExaminationOptions, examine } from "../../../metadata-tools/examination.ts";
import { fixLeaks } from "../../../metadata-tools/fix-leaks.ts";
import { ProblemList } from "../../../metadata-tools/problem-list.ts";
import type { BlockFile } from "../../../persistent-data/block-file.ts";
import { Block } from "../../../persistent-data/block.ts";
import { ThinMetadata } from "../../../thin/metadata.ts";
import { exitStatus } from "../../exit-status.ts";
import { UsageError } from "../../usage-error.ts";
import { openToRead } from "../open-to-read.ts";
import { openToWrite } from "../open-to-write.ts";
import { printError, printText } from "../output.ts";
import type { ThinTool } from "../thin-tool.ts";
import type { ToolLine } from "../tool-line.ts";

/** `thin_check` */
export const tool: ThinTool = {
  name: "thin_check",
  summary: "check a thin pool's metadata",
  operands: "{device|file}",
  description: [
    "Checks the metadata of a thin pool from end to end: the checksum of every block, the form of every tree, and the reference counts of metadata and data blocks, which are counted again. Nothing is changed, unless --auto-repair or --clear-needs-check-flag asks for it.",
    "The pool must not run meanwhile, unless its metadata snapshot is what is checked.",
    "Ends with 0 if the metadata is sound, with 1 if it is not.",
  ],
  options: [
    { long: "quiet", short: "q", help: "Say nothing; the exit status tells." },
    { long: "super-block-only", help: "Check only the superblock." },
    { long: "skip-mappings", help: "Check only which devices there are, not what they map; nor the reference counts." },
    { long: "metadata-snap", short: "m", help: "Check the metadata snapshot, which a running pool does not change." },
    { long: "metadata-snapshot", help: "The same." },
    {
      long: "ignore-non-fatal-errors",
      help: "Pass metadata in which space is lost but no data is in danger.",
    },
    { long: "clear-needs-check-flag", help: "Clear the superblock's needs_check flag if nothing is wrong." },
    {
      long: "auto-repair",
      help: "Give back leaked blocks, if nothing else is wrong; then as --clear-needs-check-flag.",
    },
    {
      long: "override-mapping-root",
      argument: "required",
      value: "BLOCK",
      help: "Take this block for the root of the tree of devices.",
    },
    {
      long: "override-details-root",
      argument: "required",
      value: "BLOCK",
      help: "Take this block for the root of the device details.",
    },
  ],
  examples: [
    ["thin_check /dev/vg/pool_tmeta", "checks a pool that is not active"],
    ["thin_check --clear-needs-check-flag metadata", "lets a pool be used again that asked for a check"],
  ],
  run(line) {
    if (line.operands.length === 0 && line.has("quiet")) return exitStatus.failure;
    refuseContradictions(line);
    return new Check(line).run();
  },
};

const fixes = ["auto-repair", "clear-needs-check-flag"];
const withoutFixes = [
  "ignore-non-fatal-errors",
  "metadata-snap",
  "metadata-snapshot",
  "override-mapping-root",
  "override-details-root",
  "super-block-only",
  "skip-mappings",
];

/** What is changed must have been examined as a whole. */
function refuseContradictions(line: ToolLine): void {
  const fix = fixes.find((option) => line.has(option));
  const without = withoutFixes.find((option) => line.has(option));
  if (fix !== undefined && without !== undefined) throw new UsageError(`cannot use --${fix} with --${without}`);
}

class Check {
  readonly #line: ToolLine;
  readonly #path: string;
  readonly #quiet: boolean;
  readonly #problems = new ProblemList();
  #told = 0;

  constructor(line: ToolLine) {
    this.#line = line;
    this.#path = line.input;
    this.#quiet = line.has("quiet");
  }

  run(): number {
    try {
      const examination = this.#examine();
      if (!this.#isGood(examination)) return exitStatus.failure;
      if (fixes.some((option) => this.#line.has(option))) this.#fix(examination);
      return exitStatus.success;
    } catch (error) {
      if (!this.#quiet) throw error;
      return exitStatus.failure;
    }
  }

  #examine(): Examination {
    const snapshot = this.#line.has("metadata-snap") || this.#line.has("metadata-snapshot");
    const file = openToRead(this.#path, snapshot ? "live" : "stopped");
    try {
      const examination = examine(file, this.#options(snapshot));
      this.#tellProblems();
      if (examination.superblock === undefined && looksLikeXml(file)) {
        this.#say(`This looks like XML. thin_check checks metadata itself; thin_restore makes it from XML.\n`);
      }
      return examination;
    } finally {
      file.close();
    }
  }

  #options(metadataSnapshot: boolean): ExaminationOptions {
    const mappingRoot = this.#line.number("override-mapping-root");
    const detailsRoot = this.#line.number("override-details-root");
    return {
      extent: this.#line.has("super-block-only") ? "superblock" : this.#line.has("skip-mappings") ? "devices" : "all",
      metadataSnapshot,
      ...(mappingRoot !== undefined && { mappingRoot }),
      ...(detailsRoot !== undefined && { detailsRoot }),
      problems: this.#problems,
      onStage: (stage) => {
        this.#tellProblems();
        this.#say(`${stage}\n`);
      },
      onSuperblock: ({ transactionId, metadataSpaceMap }) => {
        if (this.#quiet) return;
        const free = metadataSpaceMap.blocks - metadataSpaceMap.allocated;
        printText(`TRANSACTION_ID=${transactionId}\nMETADATA_FREE_BLOCKS=${free}\n`);
      },
    };
  }

  #isGood({ onlyLeaks }: Examination): boolean {
    const { worst } = this.#problems;
    if (worst === undefined) return true;
    if (worst === "minor" && this.#line.has("ignore-non-fatal-errors")) return true;
    return onlyLeaks && this.#line.has("auto-repair");
  }

  #fix({ superblock, leaks }: Examination): void {
    const leaked = this.#problems.worst !== undefined;
    if (!leaked && superblock?.needsCheck !== true) return;
    const metadata = ThinMetadata.openOn(openToWrite(this.#path));
    try {
      if (leaked) {
        fixLeaks(metadata, leaks);
        this.#say("fixed metadata leaks\n");
      }
      if (!metadata.needsCheck) return;
      metadata.clearNeedsCheck();
      this.#say("cleared needs_check flag\n");
    } finally {
      metadata.close();
    }
  }

  #tellProblems(): void {
    const { list } = this.#problems;
    for (const problem of list.slice(this.#told)) this.#say(`  ${problem}\n`);
    this.#told = list.length;
  }

  #say(text: string): void {
    if (!this.#quiet) printError(text);
  }
}

function looksLikeXml(file: BlockFile): boolean {
  const block = new Block(0);
  file.read(0, block.bytes);
  return Buffer.from(block.bytes).includes("<superblock");
}
