import type { MappedDevices } from "../../device-mapper/mapped-devices.ts";
import type { ToolLine } from "../thin/tool-line.ts";
import type { Mangling } from "./device-text.ts";

/** A command line that is carried out. */
export interface Session {
  /** The device mapper, opened when it is first asked for. */
  devices(): Promise<MappedDevices>;
  readonly line: ToolLine;
  /** What follows the command's name. */
  readonly operands: readonly string[];
  /** Where device nodes are: in its folder `mapper`. */
  readonly deviceDir: string;
  readonly mangling: Mangling;
}

/** A command's own file. @throws DmsetupFailure or WrongUsage */
export interface VerbModule {
  run(session: Session): Promise<void>;
}

/** A command of dmsetup. */
export interface DmsetupVerb {
  readonly name: string;
  /** Other names of it. */
  readonly aliases?: readonly string[];
  /** What follows the name: "DEVICE..." */
  readonly operands: string;
  /** How many operands there may be. */
  readonly least: number;
  readonly most: number;
  /** For help and manual: whole sentences. */
  readonly help: string;
  /** The long names of options that matter to it. */
  readonly options: readonly string[];
  load(): Promise<VerbModule>;
}
