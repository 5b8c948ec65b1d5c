import { start } from "./start.ts";

void start(() => import("./command-line.ts"));
