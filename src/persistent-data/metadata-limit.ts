import { mostMetadataBitmaps } from "./bitmap-index.ts";
import { entriesPerPage } from "./count-page.ts";

/** The largest metadata device that the format can use, in blocks of 4 KiB: about 15.9 GiB. */
export const mostMetadataBlocks = mostMetadataBitmaps * entriesPerPage;
