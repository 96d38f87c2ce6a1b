import { readFileSync } from "node:fs";
import PostgresAdapter from "@auth/pg-adapter";
import pg from "pg";
import { authjs } from "../authjs.mjs";
import { run, url } from "../protocol.mjs";

const pool = new pg.Pool({ connectionString: url.href });

await run({
  packages: ["@auth/pg-adapter", "@auth/core", "pg"],
  create: () => pool.query(readFileSync(new URL("schema.sql", import.meta.url), "utf8")),
  ...authjs(PostgresAdapter(pool)),
  close: () => pool.end(),
});
