import { readFileSync } from "node:fs";
import { DrizzleAdapter } from "@auth/drizzle-adapter";
import { authjs } from "../authjs.mjs";
import { open } from "../drizzle.mjs";
import { engine, run } from "../protocol.mjs";

const { db, execute, close } = await open();

await run({
  packages: ["drizzle-orm", "@auth/drizzle-adapter", "@auth/core", "pg", "mysql2", "better-sqlite3"],
  create: () => execute(readFileSync(new URL(`migrations/${engine}.sql`, import.meta.url), "utf8")),
  ...authjs(DrizzleAdapter(db)),
  close,
});
