import type { Place } from "./exported-files.ts";

/** What the journal keeps of an active volume for the FUSE side: its name and its place among the node ids. */
export interface VolumeTag extends Place {
  name: string;
}

/** `slot generation name`: names have no spaces. */
export function formatTag(tag: VolumeTag): string {
  return `${tag.slot} ${tag.generation} ${tag.name}`;
}

/** The inverse of `formatTag`. */
export function parseTag(text: string): VolumeTag {
  const [slot, generation, name] = text.split(" ");
  return { slot: Number(slot), generation: Number(generation), name };
}
