import { randomBytes } from "node:crypto";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DockerGraph } from "../../docker-graph/docker-graph.ts";
import type { StoredLayer } from "../../docker-graph/stored-image.ts";
import { chainId } from "../../image/digest.ts";
import type { ImageContext } from "../../image/image-context.ts";
import { withMounted, withMountedPair } from "../../image/mounted-pair.ts";
import { recordTar } from "../../image/record-tar.ts";
import type { LayerRecord } from "../../image/records.ts";
import { packDiff } from "../../layer/pack.ts";
import { recordedTarBytes } from "../../layer/read-tar-record.ts";
import { rebuildTar } from "../../layer/rebuild-tar.ts";

/** What writing layers' records works with. */
export type RecordContext = Pick<ImageContext, "devices" | "files" | "locks"> & {
  graph: DockerGraph;
  signal: AbortSignal | undefined;
};

/**
 * Records an image's layers, bottom first, as Mica's: their devices stay where they are, their tars' records are copied. One that is recorded
 * already, by its device or by another image with the same layer, is left alone.
 *
 * @throws Error saying what is missing
 */
export async function recordLayers(context: RecordContext, layers: readonly StoredLayer[]): Promise<LayerRecord[]> {
  const recorded: LayerRecord[] = [];
  for (const [index, layer] of layers.entries()) {
    recorded.push(await recordLayer(context, layer, layers[index - 1]?.device, recorded.at(-1)));
  }
  return recorded;
}

async function recordLayer(
  context: RecordContext,
  layer: StoredLayer,
  belowDevice: string | undefined,
  parent: LayerRecord | undefined,
): Promise<LayerRecord> {
  const { files, graph, locks } = context;
  const { device } = layer;
  const known = files.layers().find((each) => each.device === device || each.chainId === layer.key);
  if (known !== undefined) return known;
  const metadata = graph.deviceFiles.devices.get(device);
  if (metadata === undefined || metadata.deleted)
    throw new Error(`its layer ${layer.key} has lost its device ${device}`);
  const tarRecord = join(files.temporaryFolder, `${process.pid}-${randomBytes(8).toString("hex")}`);
  try {
    const { diffId, tarBytes } = await describeTar(context, layer, belowDevice, tarRecord);
    const record: LayerRecord = {
      chainId: chainId(parent?.chainId, diffId),
      diffId,
      device,
      tarBytes,
      contentBytes: layer.contentBytes ?? 0,
      ...(parent !== undefined && { parent: parent.chainId }),
    };
    return await locks.records(() => {
      const existing = files.layer(record.chainId);
      if (existing !== undefined) return existing;
      files.addLayer(record, tarRecord);
      return record;
    });
  } finally {
    rmSync(tarRecord, { force: true });
  }
}

/** Of layers of Docker 1.9 and older neither digest nor, sometimes, the tar's record were kept: both are made from their files. */
async function describeTar(
  { devices, signal }: RecordContext,
  layer: StoredLayer,
  belowDevice: string | undefined,
  tarRecord: string,
): Promise<{ diffId: string; tarBytes: number }> {
  const stored = layer.tarRecord;
  if (layer.diffId !== undefined) {
    if (stored === undefined) throw new Error(`its layer ${layer.key} has no record of its tar (tar-split.json.gz)`);
    copyFileSync(stored, tarRecord);
    return { diffId: layer.diffId, tarBytes: await recordedTarBytes(stored) };
  }
  if (stored !== undefined) {
    try {
      return await withMounted(devices, layer.device, (root) => recordTar(rebuildTar(stored, root), tarRecord, signal));
    } catch {
      signal?.throwIfAborted(); // Docker 1.10 packed such a layer anew, too
    }
  }
  return withMountedPair(devices, layer.device, belowDevice, (root, below) =>
    recordTar(packDiff(root, below), tarRecord, signal),
  );
}
