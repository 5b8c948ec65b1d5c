import { MetadataCounts } from "./metadata-counts.ts";
import { blockRole } from "./node-scan.ts";
import type { CommitRoots } from "./rebuild.ts";
import type { RootCandidates } from "./root-candidates.ts";
import { TreeSurvey } from "./tree-survey.ts";

/** So many index blocks are tried: each commit leaves one behind. */
const mostTried = 64;

/**
 * Finds the counts of the metadata space map that belongs to a pair of trees, without a superblock: it counts both roots, itself, and
 * every node that they lead to at least as often as they do. Of several, the one that counts least besides.
 */
export function findCounts(candidates: RootCandidates, roots: CommitRoots): MetadataCounts | undefined {
  const { scan, sums } = candidates;
  const survey = new TreeSurvey(scan, sums);
  for (const root of [roots.mappingRoot, roots.detailsRoot]) survey.addOther(root);
  for (const root of candidates.rootsBelow(roots.mappingRoot).values()) survey.addMappings(root);
  let best: { counts: MetadataCounts; excess: number } | undefined;
  let tried = 0;
  for (const index of scan.of(blockRole.index)) {
    if (tried++ === mostTried) break;
    const counts = new MetadataCounts(scan, index);
    if ((counts.get(index) ?? 0) === 0) continue;
    const excess = excessOf(counts, survey, scan.blocks);
    if (excess !== undefined && (best === undefined || excess < best.excess)) best = { counts, excess };
  }
  return best?.counts;
}

/** How much more is counted than there is; undefined when something is not counted that is there. Counts above 2 are not known here. */
function excessOf(counts: MetadataCounts, survey: TreeSurvey, blocks: number): number | undefined {
  let excess = 0;
  for (let block = 0; block < blocks; block++) {
    const stored = counts.get(block);
    if (stored === undefined) continue;
    const more = stored - survey.references.get(block);
    if (more < 0) return undefined;
    excess += more;
  }
  return excess;
}
