// Drizzle over the driver that its documentation shows first for each engine.
import { engine, file, url } from "./protocol.mjs";

const drivers = {
  async postgresql() {
    const { default: pg } = await import("pg");
    const { drizzle } = await import("drizzle-orm/node-postgres");
    const pool = new pg.Pool({ connectionString: url.href });
    return { db: drizzle(pool), execute: (sql) => pool.query(sql), close: () => pool.end() };
  },
  async mysql() {
    const { default: mysql } = await import("mysql2/promise");
    const { drizzle } = await import("drizzle-orm/mysql2");
    const pool = mysql.createPool({ uri: url.href, multipleStatements: true });
    return { db: drizzle(pool), execute: (sql) => pool.query(sql), close: () => pool.end() };
  },
  async sqlite() {
    const { default: Database } = await import("better-sqlite3");
    const { drizzle } = await import("drizzle-orm/better-sqlite3");
    const database = new Database(file);
    return { db: drizzle(database), execute: (sql) => database.exec(sql), close: () => database.close() };
  },
};

export const open = drivers[engine];
