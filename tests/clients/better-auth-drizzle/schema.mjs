// The tables that Better Auth's CLI writes for Drizzle, in the types of each engine.
import * as mysql from "drizzle-orm/mysql-core";
import * as pg from "drizzle-orm/pg-core";
import * as sqlite from "drizzle-orm/sqlite-core";

const engines = {
  postgresql: { table: pg.pgTable, key: pg.text, text: pg.text, flag: pg.boolean, instant: (name) => pg.timestamp(name) },
  mysql: {
    table: mysql.mysqlTable,
    key: (name) => mysql.varchar(name, { length: 255 }),
    text: mysql.text,
    flag: mysql.boolean,
    instant: (name) => mysql.timestamp(name, { fsp: 3 }),
  },
  sqlite: {
    table: sqlite.sqliteTable,
    key: sqlite.text,
    text: sqlite.text,
    flag: (name) => sqlite.integer(name, { mode: "boolean" }),
    instant: (name) => sqlite.integer(name, { mode: "timestamp_ms" }),
  },
};

export function schema(engine) {
  const { table, key, text, flag, instant } = engines[engine];
  const now = () => new Date();
  const times = () => ({
    createdAt: instant("created_at").$defaultFn(now).notNull(),
    updatedAt: instant("updated_at").$onUpdate(now).notNull(),
  });
  const user = table("user", {
    id: key("id").primaryKey(),
    name: text("name").notNull(),
    email: key("email").notNull().unique(),
    emailVerified: flag("email_verified").notNull(),
    image: text("image"),
    ...times(),
  });
  const session = table("session", {
    id: key("id").primaryKey(),
    expiresAt: instant("expires_at").notNull(),
    token: key("token").notNull().unique(),
    ...times(),
    ipAddress: text("ip_address"),
    userAgent: text("user_agent"),
    userId: key("user_id").notNull().references(() => user.id, { onDelete: "cascade" }),
  });
  const account = table("account", {
    id: key("id").primaryKey(),
    accountId: text("account_id").notNull(),
    providerId: text("provider_id").notNull(),
    userId: key("user_id").notNull().references(() => user.id, { onDelete: "cascade" }),
    accessToken: text("access_token"),
    refreshToken: text("refresh_token"),
    idToken: text("id_token"),
    accessTokenExpiresAt: instant("access_token_expires_at"),
    refreshTokenExpiresAt: instant("refresh_token_expires_at"),
    scope: text("scope"),
    password: text("password"),
    ...times(),
  });
  const verification = table("verification", {
    id: key("id").primaryKey(),
    identifier: key("identifier").notNull(),
    value: text("value").notNull(),
    expiresAt: instant("expires_at").notNull(),
    ...times(),
  });
  return { user, session, account, verification };
}
