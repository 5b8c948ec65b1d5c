import { testDeviceMapper } from "../compliance/test-device-mapper.ts";
import { cannotRun, KernelTestPool } from "./test-pool.ts";

testDeviceMapper("the kernel's device mapper", {
  skip: cannotRun,
  devices: process.env["MICA_KERNEL"] === undefined ? 200 : 60,
  makeSetup: () => new KernelTestPool(),
});
