import * as v from "valibot";
import { RegistryError, type RegistryErrorCode } from "../registry-error.ts";
import { readBounded } from "./read-bounded.ts";
import type { HttpResponse } from "./transport.ts";

const MAX_ERROR_BYTES = 64 << 10;
const MAX_SHOWN = 300;

/** OCI distribution-spec, "Error Codes". */
const schema = v.looseObject({
  errors: v.array(v.looseObject({ code: v.nullish(v.string()), message: v.nullish(v.string()) })),
});

/**
 * Says what an answer that is no success means.
 *
 * @param doing "pull app:1 from registry host": what could not be done
 */
export async function answerFailure(doing: string, response: HttpResponse): Promise<RegistryError> {
  const told = await toldReason(response);
  const { status } = response;
  const why = `${meanings[status] ?? `it answered with status ${status}`}${told === "" ? "" : ` (${told})`}`;
  return new RegistryError(codes[status] ?? "refused", `Cannot ${doing}: ${why}`, { status });
}

const meanings: Partial<Record<number, string>> = {
  401: "it wants credentials, or other ones: see `mica login`",
  403: "it denies access",
  404: "there is none, or none that may be seen",
  429: "too many requests: try again later",
};
const codes: Partial<Record<number, RegistryErrorCode>> = {
  401: "unauthorized",
  403: "unauthorized",
  404: "not-found",
};

async function toldReason({ body }: HttpResponse): Promise<string> {
  try {
    const bytes = await readBounded(body, MAX_ERROR_BYTES);
    const answer = v.safeParse(schema, JSON.parse(bytes?.toString("utf8") ?? ""));
    if (!answer.success || answer.output.errors.length === 0) return "";
    const { code, message } = answer.output.errors[0];
    const text = [code, message].filter((part) => part != null && part !== "").join(": ");
    // It goes to a terminal.
    return text.replace(/[^\P{C}]/gu, "?").slice(0, MAX_SHOWN);
  } catch {
    return "";
  }
}
