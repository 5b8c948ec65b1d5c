import { appendFileSync } from "node:fs";
import type { TestContext } from "node:test";

/** What the kernels are called in the runner's last lines. */
export const kernelNames = { qemu: "Debian's cloud kernel (QEMU)" };

/**
 * Says that tests ran in a kernel of their own: with the test, and in the file of $MICA_KERNEL_COUNTS, of which scripts/test.sh makes
 * a line for each kernel at the end.
 */
export function ranInKernel(t: TestContext, kernel: string, tests: number): void {
  t.diagnostic(`${tests} ${tests === 1 ? "test" : "tests"} ran in ${kernel}`);
  const file = process.env["MICA_KERNEL_COUNTS"];
  if (file !== undefined) appendFileSync(file, `${tests} ${kernel}\n`);
}
