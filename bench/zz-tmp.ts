import { openDeviceSet } from "../src/graph/graph.ts";
import { openImageStore } from "../src/image/image-store.ts";
import { rmSync } from "node:fs";
rmSync("/tmp/impb/graph", {recursive:true, force:true});
const set = await openDeviceSet({ root: "/tmp/impb/graph" });
try {
  const store = await openImageStore(set);
  for (let i=0;i<3;i++){ const c0=process.cpuUsage(); const t=performance.now(); await store.import(`b:${i}`, "/tmp/impb/a.tar"); const c=process.cpuUsage(c0);
  console.log("import", ((performance.now()-t)/1000).toFixed(2), "cpu user", c.user/1e6, "sys", c.system/1e6); await store.removeImage(`b:${i}`);}
} finally { await set.shutdown(); rmSync("/tmp/impb/graph", {recursive:true, force:true}); }
