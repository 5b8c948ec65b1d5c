import type { Writable } from "node:stream";
import type { Change } from "../layer/change.ts";
import type { ContainerSummary, CreateOptions, ImageSummary, ImportOptions, TreeNode } from "./types.ts";

/** The images and containers of one graph. */
export class Store {
  images(): Promise<ImageSummary[]> {
    return todo();
  }
  containers(): Promise<ContainerSummary[]> {
    return todo();
  }
  /** One image by reference, ID or ID prefix. @throws StoreError not-found, ambiguous */
  image(_nameOrId: string): Promise<ImageSummary> {
    return todo();
  }
  /** One container by ID, name or ID prefix. @throws StoreError not-found, ambiguous */
  container(_nameOrId: string): Promise<ContainerSummary> {
    return todo();
  }
  import(_name: string, _source: string, _options?: ImportOptions): Promise<{ id: string }> {
    return todo();
  }
  create(_image: string, _options?: CreateOptions): Promise<{ id: string; name: string }> {
    return todo();
  }
  /** Mounts a container; resolves to the path of its root file system. */
  mount(_container: string): Promise<string> {
    return todo();
  }
  umount(_container: string): Promise<void> {
    return todo();
  }
  diff(_container: string): Promise<Change[]> {
    return todo();
  }
  commit(_container: string, _name: string): Promise<{ id: string }> {
    return todo();
  }
  /** Writes a container's whole file tree as a tar, and ends the stream. */
  export(_container: string, _writable: Writable): Promise<void> {
    return todo();
  }
  /** Writes an OCI archive (which is a `docker load` archive too) to a file, or to a stream. */
  save(_image: string, _file: string | Writable): Promise<void> {
    return todo();
  }
  removeContainer(_nameOrId: string): Promise<void> {
    return todo();
  }
  /** Takes one name off an image; with the last name, or by ID, the image and all layers nothing else uses go. */
  removeImage(_nameOrId: string): Promise<{ untagged: string[]; deleted: string[] }> {
    return todo();
  }
  tree(): Promise<TreeNode> {
    return todo();
  }
  /** What is wrong between records and devices; empty when nothing is. */
  check(): Promise<string[]> {
    return todo();
  }
}

function todo(): never {
  throw new Error("Cannot do this yet: it is being written");
}
