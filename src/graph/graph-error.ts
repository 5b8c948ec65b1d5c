/**
 * Why the graph refused. `code` tells kinds apart: ENOENT (unknown device), EEXIST, EBUSY, EINVAL (bad option or size),
 * ENOSPC (below the minimum free space), EAGAIN (locked by another command), EDAMAGED (a file that cannot be read as
 * what it should be), EFOREIGN (another pool or file system than the graph's own), ENOTSUP.
 */
export class GraphError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GraphError";
    this.code = code;
  }
}
