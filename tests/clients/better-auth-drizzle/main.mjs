// Better Auth over Drizzle.
import { readFileSync } from "node:fs";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { open as betterAuth, options } from "../betterauth.mjs";
import { open } from "../drizzle.mjs";
import { engine, run } from "../protocol.mjs";
import { schema } from "./schema.mjs";

const { db, execute, close } = await open();
const provider = { postgresql: "pg" }[engine] ?? engine;

await run({
  packages: ["better-auth", "drizzle-orm"],
  create: () => execute(readFileSync(new URL(`migrations/${engine}.sql`, import.meta.url), "utf8")),
  ...(await betterAuth(options(drizzleAdapter(db, { provider, schema: schema(engine) })))),
  close,
});
