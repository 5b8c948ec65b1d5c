import { testDeviceMapper } from "../compliance/test-device-mapper.ts";
import { cannotRun, TestPool } from "./test-pool.ts";

testDeviceMapper("the userspace device mapper", { skip: cannotRun, devices: 200, makeSetup: () => new TestPool() });
