import type { ToolOption } from "../thin/thin-tool.ts";

/** What dmsetup takes, anywhere on the line: parser, help and manual are made from this. */
export const dmsetupOptions: readonly ToolOption[] = [
  { long: "help", short: "h", help: "Tell what there is to be typed; with -c the fields of `info -c` too." },
  { long: "version", help: "Print the version of the library and of the driver." },
  {
    long: "verbose",
    short: "v",
    help: "Print what is known of the device when a command is done; say why one is refused.",
  },
  { long: "yes", short: "y", help: "Accepted: nothing is asked." },
  { long: "checks", help: "Accepted: checks are always made." },
  {
    long: "device-mapper",
    argument: "required",
    value: "kernel|userspace",
    help: "Which device mapper. Default: see CHOOSING.",
  },

  {
    long: "uuid",
    short: "u",
    argument: "required",
    value: "UUID",
    help: "The device with this uuid; of create, its uuid.",
  },
  { long: "major", short: "j", argument: "required", value: "MAJOR", help: "With --minor: the device of this number." },
  { long: "minor", short: "m", argument: "required", value: "MINOR", help: "With --major: the device of this number." },

  { long: "table", argument: "required", value: "TABLE", help: "The table, a line." },
  { long: "notable", short: "n", help: "Create the device without a table." },
  { long: "readonly", short: "r", help: "The table that is loaded makes the device read-only." },
  { long: "concise", help: "Create devices from, or print tables in, the concise format." },
  {
    long: "readahead",
    argument: "required",
    value: "[+]SECTORS|auto|none",
    help: "How far the device reads ahead; with + only if that is further than it would.",
  },
  { long: "uid", short: "U", argument: "required", value: "UID", help: "Owner of the device's node." },
  { long: "gid", short: "G", argument: "required", value: "GID", help: "Group of the device's node." },
  { long: "mode", short: "M", argument: "required", value: "OCTAL", help: "Permissions of the device's node." },
  { long: "addnodeoncreate", help: "Make the device's node when it is created." },
  { long: "addnodeonresume", help: "Make the device's node when it is resumed: the default." },
  { long: "noudevrules", help: "udev's rules leave the device's node alone. The kernel's device mapper only." },
  { long: "noudevsync", help: "Do not wait for udev. The kernel's device mapper only." },
  { long: "verifyudev", help: "Make right what udev did not do. The kernel's device mapper only." },
  {
    long: "manglename",
    argument: "required",
    value: "auto|hex|none",
    help: "How characters that names may not have are written; also $DM_DEFAULT_NAME_MANGLING_MODE. Default: auto.",
  },

  { long: "noflush", help: "Do not write I/O under way out first; of status: the pool does not commit first." },
  { long: "nolockfs", help: "Do not freeze the file system on the device first." },
  { long: "inactive", help: "Tell of the table that was loaded and waits, not of the one in force." },
  { long: "target", argument: "required", value: "TYPE", help: "Only targets of this type, or devices that have one." },
  { long: "showkeys", help: "Accepted: keys are part of no table here." },
  { long: "noopencount", help: "Accepted: how often a device is open is told all the same." },

  { long: "force", short: "f", help: "Put a table in force first that fails all I/O." },
  { long: "retry", help: "While the device is busy, try again, for five seconds." },
  { long: "deferred", help: "Remove the device when its last user closes it." },
  { long: "setuuid", help: "Give the device a uuid, not a name." },
  {
    long: "batch",
    argument: "required",
    value: "FILE",
    help: "Send the messages in FILE, one a line, in one go; `-` is standard input. Not in the original.",
  },

  { long: "columns", short: "cC", help: "Print a table with a line a device." },
  {
    long: "options",
    short: "o",
    argument: "required",
    value: "LIST",
    help: "What to print, separated by commas: fields of info (with + first: besides the usual ones), of ls and deps devno, devname or blkdevname, of ls --tree see there.",
  },
  { long: "sort", short: "O", argument: "required", value: "FIELDS", help: "Sort by these; with - first: downwards." },
  { long: "noheadings", help: "Leave the headings out." },
  { long: "nameprefixes", help: "Print DM_FIELD='value'." },
  { long: "unquoted", help: "With --nameprefixes: without quotes." },
  { long: "rows", help: "A line a field." },
  {
    long: "separator",
    argument: "required",
    value: "TEXT",
    help: "What stands between fields, which are not aligned then.",
  },
  { long: "unbuffered", help: "Accepted." },
  { long: "count", argument: "required", value: "COUNT", help: "Print so many times; 0: until it is ended." },
  { long: "interval", argument: "required", value: "SECONDS", help: "How long to wait in between. Default: 1." },
  { long: "exec", argument: "required", value: "COMMAND", help: "Run the command for each device, with its path." },
  { long: "tree", help: "Print devices and what they stand on as a tree." },
];

/** Options of the original that are known and refused, as what they do cannot be had here. */
export const refusedOptions: readonly ToolOption[] = [
  { long: "select", short: "S", argument: "required", value: "SELECTION", help: "" },
  { long: "udevcookie", argument: "required", value: "COOKIE", help: "" },
];
