/** Something is wrong with a layer's tar or blob, or it could not be unpacked. The message names the entry. */
export class LayerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LayerError";
  }
}
