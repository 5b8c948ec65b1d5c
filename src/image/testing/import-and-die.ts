/*
 * Imports and is killed: `import-and-die.ts GRAPH SOURCE OPERATION COUNT` ends itself, as kill -9 would, at the COUNTth time
 * that the store asks its devices for OPERATION.
 */
import { openImageStore } from "../image-store.ts";
import { FolderDevices } from "./folder-devices.ts";

const [graph, source, operation, count] = process.argv.slice(2);
const devices = new FolderDevices(graph);
const store = await openImageStore(devices);
let left = Number(count);
devices.beforeEach = (each) => {
  if (each === operation && --left === 0) process.kill(process.pid, "SIGKILL");
};
await store.import("app", source);
const { id } = await store.create("app", { name: "web" });
await store.mount("web");
await store.umount("web");
await store.commit("web", "app:2");
await store.removeContainer(id);
await store.removeImage("app:2");
await store.removeImage("app");
