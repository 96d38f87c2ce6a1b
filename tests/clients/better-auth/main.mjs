// Better Auth with its own Kysely: it creates its tables itself.
import { getMigrations } from "better-auth/db/migration";
import Database from "better-sqlite3";
import mysql from "mysql2/promise";
import pg from "pg";
import { open, options } from "../betterauth.mjs";
import { engine, file, run, url } from "../protocol.mjs";

const databases = {
  postgresql: () => new pg.Pool({ connectionString: url.href }),
  // The zone is what the documentation advises; MYSQL_TIMEZONE=local is the driver's default.
  mysql: () => mysql.createPool({ uri: url.href, timezone: process.env.MYSQL_TIMEZONE ?? "Z" }),
  sqlite: () => new Database(file),
};
const database = databases[engine]();
const configured = options(database);
// It looks at its tables, so only once they are there.
let opened;
const store = () => (opened ??= open(configured));

await run({
  packages: ["better-auth", "kysely", "pg", "mysql2", "better-sqlite3"],
  create: async () => (await getMigrations(configured)).runMigrations(),
  write: async (...session) => (await store()).write(...session),
  accepts: async (token) => (await store()).accepts(token),
  close: () => (database.end ? database.end() : database.close()),
});
