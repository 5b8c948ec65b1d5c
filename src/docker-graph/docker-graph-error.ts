/** Why a Docker graph could not be used: what a caller may want to tell apart. */
export type DockerGraphErrorCode =
  /** No Docker data root with devicemapper is there. */
  | "NO_DOCKER_GRAPH"
  /** A file or device of the pool is missing or was not named. */
  | "NO_POOL"
  /** The pool is running, or its device has another user. */
  | "EBUSY"
  /** The metadata is another pool's. */
  | "EFOREIGN"
  /** What is on the disk cannot be used. */
  | "EDAMAGED"
  | "EACCES"
  | "EINVAL"
  | "EEXIST"
  | "not-found"
  | "ambiguous";

/** A Docker graph, or something in it, cannot be used. The message says what to do. */
export class DockerGraphError extends Error {
  readonly code: DockerGraphErrorCode;

  constructor(code: DockerGraphErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DockerGraphError";
    this.code = code;
  }
}
