/** Entries of a leaf, and room to spare: as thin_metadata_size reckons. */
const mappingsPerBlock = 252n;

const metadataBlockBytes = 4096;

/**
 * Estimates the bytes of metadata that a pool can come to need: a block for each device, and leaves that are half full.
 *
 * @param poolSectors size of the data, in sectors of 512 bytes as is `blockSectors`
 * @param devices thin devices and snapshots together
 */
export function estimateMetadataBytes(poolSectors: bigint, blockSectors: bigint, devices: bigint): number {
  const leaves = (2n * poolSectors) / blockSectors / mappingsPerBlock;
  return (1 + Number(leaves + devices)) * metadataBlockBytes;
}
