import * as v from "valibot";
import { parseReference } from "../image/reference.ts";
import { readStoredJson, type Problems } from "./stored-file.ts";

const schema = v.object({ Repositories: v.nullish(v.record(v.string(), v.record(v.string(), v.string())), {}) });

/**
 * Reads `repositories.json`, or `repositories-devicemapper` of Docker 1.9 and older, whose inner names are bare tags.
 *
 * @returns each image's names in Docker's short form, by the image's ID; undefined when the file is missing or damaged
 */
export function readReferences(path: string, problems: Problems): Map<string, string[]> | undefined {
  const byImage = new Map<string, string[]>();
  const file = readStoredJson(path, schema, "The images' names", problems);
  if (file === undefined) return undefined;
  for (const [repository, names] of Object.entries(file.Repositories)) {
    for (const [name, id] of Object.entries(names)) {
      byImage.set(id, [...(byImage.get(id) ?? []), shortName(repository, name)]);
    }
  }
  for (const names of byImage.values()) names.sort();
  return byImage;
}

function shortName(repository: string, name: string): string {
  const bareTag = /^[^/]*$/.test(name) && !name.startsWith(`${repository}:`) && !name.startsWith(`${repository}@`);
  const full = bareTag ? `${repository}${name.includes(":") ? "@" : ":"}${name}` : name;
  try {
    return parseReference(full).text;
  } catch {
    return full; // a name that Docker took and that is not allowed any more
  }
}
