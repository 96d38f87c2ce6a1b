-- The tables of each preset on SQLite, as its library creates them, and how a row gets there.

-- authjs-prisma
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "email" TEXT NOT NULL);
CREATE TABLE "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sessionToken" TEXT NOT NULL, "userId" TEXT NOT NULL, "expires" DATETIME NOT NULL, CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE);
CREATE UNIQUE INDEX "Session_sessionToken_key" ON "Session"("sessionToken");
INSERT INTO "User" VALUES ('u', 'u@example.com');
-- row
INSERT INTO "Session" VALUES ({token}, {token}, 'u', {at});

-- authjs-prisma-tokens
CREATE TABLE "VerificationToken" ("identifier" TEXT NOT NULL, "token" TEXT NOT NULL, "expires" DATETIME NOT NULL, PRIMARY KEY ("identifier", "token"));
-- row
INSERT INTO "VerificationToken" VALUES ('u@example.com', {token}, {at});

-- authjs-drizzle
CREATE TABLE `user` (`id` text PRIMARY KEY NOT NULL, `email` text);
CREATE TABLE `session` (`sessionToken` text PRIMARY KEY NOT NULL, `userId` text NOT NULL, `expires` integer NOT NULL, FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade);
INSERT INTO `user` VALUES ('u', NULL);
-- row
INSERT INTO `session` VALUES ({token}, 'u', {at});

-- authjs-drizzle-tokens
CREATE TABLE `verificationToken` (`identifier` text NOT NULL, `token` text NOT NULL, `expires` integer NOT NULL, PRIMARY KEY(`identifier`, `token`));
-- row
INSERT INTO `verificationToken` VALUES ('u@example.com', {token}, {at});

-- authjs-typeorm
CREATE TABLE "sessions" ("id" varchar PRIMARY KEY NOT NULL, "sessionToken" varchar NOT NULL, "userId" varchar NOT NULL, "expires" varchar NOT NULL, CONSTRAINT "UQ_token" UNIQUE ("sessionToken"));
-- row
INSERT INTO "sessions" VALUES ({token}, {token}, 'u', {at});

-- better-auth
create table "user" ("id" text not null primary key, "name" text not null, "email" text not null unique);
create table "session" ("id" text not null primary key, "expiresAt" date not null, "token" text not null unique, "createdAt" date not null, "updatedAt" date not null, "ipAddress" text, "userAgent" text, "userId" text not null references "user" ("id") on delete cascade);
INSERT INTO "user" VALUES ('u', 'u', 'u@example.com');
-- row
INSERT INTO "session" VALUES ({token}, {at}, {token}, '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z', NULL, NULL, 'u');

-- better-auth-verification
create table "verification" ("id" text not null primary key, "identifier" text not null, "value" text not null, "expiresAt" date not null, "createdAt" date not null, "updatedAt" date not null);
-- row
INSERT INTO "verification" VALUES ({token}, 'i', 'v', {at}, '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z');

-- better-auth-drizzle
CREATE TABLE `session` (`id` text PRIMARY KEY NOT NULL, `expires_at` integer NOT NULL, `token` text NOT NULL, `created_at` integer NOT NULL, `updated_at` integer NOT NULL, `ip_address` text, `user_agent` text, `user_id` text NOT NULL);
CREATE UNIQUE INDEX `session_token_unique` ON `session` (`token`);
-- row
INSERT INTO `session` VALUES ({token}, {at}, {token}, 0, 0, NULL, NULL, 'u');

-- better-auth-drizzle-verification
CREATE TABLE `verification` (`id` text PRIMARY KEY NOT NULL, `identifier` text NOT NULL, `value` text NOT NULL, `expires_at` integer NOT NULL, `created_at` integer, `updated_at` integer);
-- row
INSERT INTO `verification` VALUES ({token}, 'i', 'v', {at}, NULL, NULL);

-- better-auth-prisma
CREATE TABLE "session" ("id" TEXT NOT NULL PRIMARY KEY, "expiresAt" DATETIME NOT NULL, "token" TEXT NOT NULL, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" DATETIME, "ipAddress" TEXT, "userAgent" TEXT, "userId" TEXT NOT NULL);
CREATE UNIQUE INDEX "session_token_key" ON "session"("token");
-- row
INSERT INTO "session" ("id", "expiresAt", "token", "userId") VALUES ({token}, {at}, {token}, 'u');

-- better-auth-prisma-verification
CREATE TABLE "verification" ("id" TEXT NOT NULL PRIMARY KEY, "identifier" TEXT NOT NULL, "value" TEXT NOT NULL, "expiresAt" DATETIME NOT NULL, "createdAt" DATETIME, "updatedAt" DATETIME);
-- row
INSERT INTO "verification" VALUES ({token}, 'i', 'v', {at}, NULL, NULL);

-- django
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
-- row
INSERT INTO "django_session" VALUES ({token}, 'x', {at});

-- laravel
create table "sessions" ("id" varchar not null, "user_id" integer, "ip_address" varchar, "user_agent" text, "payload" text not null, "last_activity" integer not null, primary key ("id"));
create index "sessions_user_id_index" on "sessions" ("user_id");
create index "sessions_last_activity_index" on "sessions" ("last_activity");
-- row
INSERT INTO "sessions" VALUES ({token}, NULL, NULL, NULL, 'x', {at});

-- rails
CREATE TABLE "sessions" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "session_id" varchar NOT NULL, "data" text, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE UNIQUE INDEX "index_sessions_on_session_id" ON "sessions" ("session_id");
CREATE INDEX "index_sessions_on_updated_at" ON "sessions" ("updated_at");
-- row
INSERT INTO "sessions" ("session_id", "data", "created_at", "updated_at") VALUES ({token}, 'x', '2020-01-01 00:00:00', {at});

-- tower-sessions
create table if not exists "tower_sessions" (id text primary key not null, data blob not null, expiry_date integer not null);
-- row
INSERT INTO "tower_sessions" VALUES ({token}, x'00', {at});

-- lucia
CREATE TABLE user (id TEXT NOT NULL PRIMARY KEY);
CREATE TABLE session (id TEXT NOT NULL PRIMARY KEY, expires_at INTEGER NOT NULL, user_id TEXT NOT NULL, FOREIGN KEY (user_id) REFERENCES user(id));
INSERT INTO user VALUES ('u');
-- row
INSERT INTO session VALUES ({token}, {at}, 'u');

-- spring-session
CREATE TABLE SPRING_SESSION (PRIMARY_ID CHARACTER(36) NOT NULL, SESSION_ID CHARACTER(36) NOT NULL, CREATION_TIME INTEGER NOT NULL, LAST_ACCESS_TIME INTEGER NOT NULL, MAX_INACTIVE_INTERVAL INTEGER NOT NULL, EXPIRY_TIME INTEGER NOT NULL, PRINCIPAL_NAME VARCHAR(100), CONSTRAINT SPRING_SESSION_PK PRIMARY KEY (PRIMARY_ID));
CREATE INDEX SPRING_SESSION_IX1 ON SPRING_SESSION (SESSION_ID);
CREATE INDEX SPRING_SESSION_IX2 ON SPRING_SESSION (EXPIRY_TIME);
-- row
INSERT INTO SPRING_SESSION VALUES ({token}, {token}, 0, 0, 1800, {at}, NULL);

-- scs
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions(expiry);
-- row
INSERT INTO sessions VALUES ({token}, x'00', {at});

-- symfony
CREATE TABLE sessions (sess_id TEXT NOT NULL PRIMARY KEY, sess_data BLOB NOT NULL, sess_lifetime INTEGER NOT NULL, sess_time INTEGER NOT NULL);
CREATE INDEX sess_lifetime_idx ON sessions (sess_lifetime);
-- row
INSERT INTO sessions VALUES ({token}, x'00', {at}, 0);
