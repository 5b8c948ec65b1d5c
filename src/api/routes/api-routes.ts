import { ApiError } from "../api-error.ts";
import { json, type Route } from "../call.ts";
import type { CallsUnderWay } from "../under-way.ts";
import { containerRoutes } from "./container-routes.ts";
import { deviceRoutes } from "./device-routes.ts";
import { graphRoutes } from "./graph-routes.ts";
import { imageRoutes } from "./image-routes.ts";

/** Every call of the API. @param version Mica's */
export function apiRoutes(version: string, calls: Pick<CallsUnderWay, "outcome">): Route[] {
  return [
    ...graphRoutes(version),
    ...imageRoutes,
    ...containerRoutes,
    ...deviceRoutes,
    json("GET", "/v1/requests/:request", (_graph, { path }) => {
      const outcome = calls.outcome(path["request"]);
      if (outcome !== undefined) return outcome;
      const message = `Cannot tell how request ${path["request"]} ended: it is not known, or not any more`;
      throw new ApiError(404, { code: "not-found", message });
    }),
  ];
}
