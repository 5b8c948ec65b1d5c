import { describe } from "node:test";
import type { DeviceMapperSetup } from "./device-mapper-setup.ts";
import { discardTests } from "./discards.ts";
import { externalOriginTests } from "./external-origins.ts";
import { fileSystemTests } from "./file-systems.ts";
import { lifecycleTests } from "./lifecycle.ts";
import { limitTests } from "./limits.ts";
import { messageTests } from "./messages.ts";
import { metadataSpaceTests } from "./metadata-space.ts";
import { metadataTests } from "./metadata.ts";
import { readOnlyTests } from "./read-only.ts";
import { refusalTests } from "./refusals.ts";
import { removalTests } from "./removal.ts";
import { snapshotTests } from "./snapshots.ts";
import { spaceTests } from "./space.ts";
import { suspensionTests } from "./suspension.ts";

/** What is tested, and how. */
export interface DeviceMapperTests {
  /** Why it cannot be tested here, or false. */
  skip: string | false;
  /** How many devices are to be active at once. */
  devices: number;
  makeSetup: () => DeviceMapperSetup;
}

/** Registers the tests that every device mapper has to pass: they are the same whoever serves the devices. */
export function testDeviceMapper(name: string, { skip, devices, makeSetup }: DeviceMapperTests): void {
  describe(name, { skip }, () => {
    lifecycleTests(makeSetup);
    refusalTests(makeSetup);
    suspensionTests(makeSetup);
    metadataTests(makeSetup);
    spaceTests(makeSetup);
    removalTests(makeSetup);
    messageTests(makeSetup);
    limitTests(makeSetup);
    externalOriginTests(makeSetup);
    discardTests(makeSetup);
    readOnlyTests(makeSetup);
    metadataSpaceTests(makeSetup);
    snapshotTests(makeSetup);
    fileSystemTests(makeSetup, devices);
  });
}
