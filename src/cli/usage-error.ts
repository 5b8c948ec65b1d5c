/** The line that was typed cannot be carried out as it stands: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
