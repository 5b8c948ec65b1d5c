/** Why a table, or what it stands on, was refused. `code` is an error name: EINVAL, ENXIO, EBUSY, ELOOP … */
export class MappingError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MappingError";
    this.code = code;
  }
}
