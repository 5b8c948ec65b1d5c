import { describeTree } from "../../src/file-system/testing/describe-tree.ts";

// Describes a folder as JSON: runs where the kernel has Docker's devices, inside User-mode Linux.
process.stdout.write(JSON.stringify(describeTree(process.argv[2]), undefined, 1));
