-- The tables of each preset on PostgreSQL, as its library creates them, and how a row gets there.

-- authjs-prisma
CREATE TABLE "User" ("id" TEXT NOT NULL, "name" TEXT, "email" TEXT NOT NULL, "emailVerified" TIMESTAMP(3), "image" TEXT, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
CREATE TABLE "Session" ("sessionToken" TEXT NOT NULL, "userId" TEXT NOT NULL, "expires" TIMESTAMP(3) NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3));
CREATE UNIQUE INDEX "Session_sessionToken_key" ON "Session"("sessionToken");
ALTER TABLE "Session" ADD CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO "User" ("id", "email") VALUES ('u', 'u@example.com');
-- row
INSERT INTO "Session" ("sessionToken", "userId", "expires") VALUES ({token}, 'u', {at});

-- authjs-prisma-tokens
CREATE TABLE "VerificationToken" ("identifier" TEXT NOT NULL, "token" TEXT NOT NULL, "expires" TIMESTAMP(3) NOT NULL, CONSTRAINT "VerificationToken_pkey" PRIMARY KEY ("identifier","token"));
-- row
INSERT INTO "VerificationToken" VALUES ('u@example.com', {token}, {at});

-- authjs-drizzle
CREATE TABLE "user" ("id" text PRIMARY KEY NOT NULL, "name" text, "email" text, "emailVerified" timestamp, "image" text);
CREATE TABLE "session" ("sessionToken" text PRIMARY KEY NOT NULL, "userId" text NOT NULL REFERENCES "user"("id") ON DELETE cascade, "expires" timestamp NOT NULL);
INSERT INTO "user" ("id") VALUES ('u');
-- row
INSERT INTO "session" VALUES ({token}, 'u', {at});

-- authjs-drizzle-tokens
CREATE TABLE "verificationToken" ("identifier" text NOT NULL, "token" text NOT NULL, "expires" timestamp NOT NULL, CONSTRAINT "verificationToken_identifier_token_pk" PRIMARY KEY("identifier","token"));
-- row
INSERT INTO "verificationToken" VALUES ('u@example.com', {token}, {at});

-- authjs-pg
CREATE TABLE users (id SERIAL, name VARCHAR(255), email VARCHAR(255), "emailVerified" TIMESTAMPTZ, image TEXT, PRIMARY KEY (id));
CREATE TABLE sessions (id SERIAL, "userId" INTEGER NOT NULL, expires TIMESTAMPTZ NOT NULL, "sessionToken" VARCHAR(255) NOT NULL, PRIMARY KEY (id));
-- row
INSERT INTO sessions ("userId", expires, "sessionToken") VALUES (1, {at}, {token});

-- authjs-pg-tokens
CREATE TABLE verification_token (identifier TEXT NOT NULL, expires TIMESTAMPTZ NOT NULL, token TEXT NOT NULL, PRIMARY KEY (identifier, token));
-- row
INSERT INTO verification_token VALUES ('u@example.com', {at}, {token});

-- authjs-supabase
CREATE SCHEMA next_auth;
CREATE TABLE next_auth.users (id uuid NOT NULL PRIMARY KEY, name text, email text UNIQUE);
CREATE TABLE next_auth.sessions (id uuid NOT NULL DEFAULT gen_random_uuid(), expires timestamp with time zone NOT NULL, "sessionToken" text NOT NULL, "userId" uuid, CONSTRAINT sessions_pkey PRIMARY KEY (id), CONSTRAINT sessionToken_unique UNIQUE ("sessionToken"), CONSTRAINT "sessions_userId_fkey" FOREIGN KEY ("userId") REFERENCES next_auth.users (id) ON DELETE CASCADE);
-- row
INSERT INTO next_auth.sessions (expires, "sessionToken") VALUES ({at}, {token});

-- authjs-supabase-tokens
CREATE SCHEMA next_auth;
CREATE TABLE next_auth.verification_tokens (identifier text, token text, expires timestamp with time zone NOT NULL, CONSTRAINT verification_tokens_pkey PRIMARY KEY (token), CONSTRAINT token_unique UNIQUE (token), CONSTRAINT token_identifier_unique UNIQUE (token, identifier));
-- row
INSERT INTO next_auth.verification_tokens (identifier, expires, token) VALUES ('u@example.com', {at}, {token});

-- authjs-typeorm
CREATE TABLE "users" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "name" character varying, "email" character varying, CONSTRAINT "PK_users" PRIMARY KEY ("id"));
CREATE TABLE "sessions" ("id" uuid NOT NULL DEFAULT gen_random_uuid(), "sessionToken" character varying NOT NULL, "userId" uuid NOT NULL, "expires" character varying NOT NULL, CONSTRAINT "UQ_token" UNIQUE ("sessionToken"), CONSTRAINT "PK_sessions" PRIMARY KEY ("id"));
-- row
INSERT INTO "sessions" ("sessionToken", "userId", "expires") VALUES ({token}, gen_random_uuid(), {at});

-- better-auth
create table "user" ("id" text not null primary key, "name" text not null, "email" text not null unique, "emailVerified" boolean not null, "image" text, "createdAt" timestamptz default CURRENT_TIMESTAMP not null, "updatedAt" timestamptz default CURRENT_TIMESTAMP not null);
create table "session" ("id" text not null primary key, "expiresAt" timestamptz not null, "token" text not null unique, "createdAt" timestamptz default CURRENT_TIMESTAMP not null, "updatedAt" timestamptz not null, "ipAddress" text, "userAgent" text, "userId" text not null references "user" ("id") on delete cascade);
create index "session_userId_idx" on "session" ("userId");
INSERT INTO "user" VALUES ('u', 'u', 'u@example.com', true);
-- row
INSERT INTO "session" VALUES ({token}, {at}, {token}, now(), now(), NULL, NULL, 'u');

-- better-auth-verification
create table "verification" ("id" text not null primary key, "identifier" text not null, "value" text not null, "expiresAt" timestamptz not null, "createdAt" timestamptz default CURRENT_TIMESTAMP not null, "updatedAt" timestamptz default CURRENT_TIMESTAMP not null);
create index "verification_identifier_idx" on "verification" ("identifier");
-- row
INSERT INTO "verification" VALUES ({token}, 'i', 'v', {at});

-- better-auth-drizzle
CREATE TABLE "user" ("id" text PRIMARY KEY NOT NULL, "name" text NOT NULL, "email" text NOT NULL, "email_verified" boolean DEFAULT false NOT NULL);
CREATE TABLE "session" ("id" text PRIMARY KEY NOT NULL, "expires_at" timestamp NOT NULL, "token" text NOT NULL, "created_at" timestamp DEFAULT now() NOT NULL, "updated_at" timestamp NOT NULL, "ip_address" text, "user_agent" text, "user_id" text NOT NULL REFERENCES "user"("id") ON DELETE cascade, CONSTRAINT "session_token_unique" UNIQUE("token"));
CREATE INDEX "session_userId_idx" ON "session" ("user_id");
INSERT INTO "user" VALUES ('u', 'u', 'u@example.com');
-- row
INSERT INTO "session" VALUES ({token}, {at}, {token}, now(), now(), NULL, NULL, 'u');

-- better-auth-drizzle-verification
CREATE TABLE "verification" ("id" text PRIMARY KEY NOT NULL, "identifier" text NOT NULL, "value" text NOT NULL, "expires_at" timestamp NOT NULL, "created_at" timestamp DEFAULT now() NOT NULL, "updated_at" timestamp DEFAULT now() NOT NULL);
-- row
INSERT INTO "verification" VALUES ({token}, 'i', 'v', {at});

-- better-auth-prisma
CREATE TABLE "user" ("id" TEXT NOT NULL, "name" TEXT NOT NULL, "email" TEXT NOT NULL, CONSTRAINT "user_pkey" PRIMARY KEY ("id"));
CREATE TABLE "session" ("id" TEXT NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL, "token" TEXT NOT NULL, "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "updatedAt" TIMESTAMP(3) NOT NULL, "ipAddress" TEXT, "userAgent" TEXT, "userId" TEXT NOT NULL, CONSTRAINT "session_pkey" PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "session_token_key" ON "session"("token");
-- row
INSERT INTO "session" VALUES ({token}, {at}, {token}, now(), now(), NULL, NULL, 'u');

-- better-auth-prisma-verification
CREATE TABLE "verification" ("id" TEXT NOT NULL, "identifier" TEXT NOT NULL, "value" TEXT NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL, "createdAt" TIMESTAMP(3), "updatedAt" TIMESTAMP(3), CONSTRAINT "verification_pkey" PRIMARY KEY ("id"));
-- row
INSERT INTO "verification" VALUES ({token}, 'i', 'v', {at});

-- connect-pg-simple
CREATE TABLE "session" ("sid" varchar NOT NULL COLLATE "default", "sess" json NOT NULL, "expire" timestamp(6) NOT NULL) WITH (OIDS=FALSE);
ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE;
CREATE INDEX "IDX_session_expire" ON "session" ("expire");
-- row
INSERT INTO "session" VALUES ({token}, '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}}', {at});

-- django
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" timestamp with time zone NOT NULL);
CREATE INDEX "django_session_session_key_c0390e0f_like" ON "django_session" ("session_key" varchar_pattern_ops);
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
-- row
INSERT INTO "django_session" VALUES ({token}, 'x', {at});

-- laravel
create table "sessions" ("id" varchar(255) not null, "user_id" bigint null, "ip_address" varchar(45) null, "user_agent" text null, "payload" text not null, "last_activity" integer not null);
alter table "sessions" add primary key ("id");
create index "sessions_user_id_index" on "sessions" ("user_id");
create index "sessions_last_activity_index" on "sessions" ("last_activity");
-- row
INSERT INTO "sessions" VALUES ({token}, NULL, NULL, NULL, 'x', {at});

-- rails
CREATE TABLE "sessions" ("id" bigserial primary key, "session_id" character varying NOT NULL, "data" text, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL);
CREATE UNIQUE INDEX "index_sessions_on_session_id" ON "sessions" ("session_id");
CREATE INDEX "index_sessions_on_updated_at" ON "sessions" ("updated_at");
-- row
INSERT INTO "sessions" ("session_id", "data", "created_at", "updated_at") VALUES ({token}, 'x', '2020-01-01', {at});

-- tower-sessions
create schema if not exists "tower_sessions";
create table if not exists "tower_sessions"."session" (id text primary key not null, data bytea not null, expiry_date timestamptz not null);
-- row
INSERT INTO "tower_sessions"."session" VALUES ({token}, 'x', {at});

-- lucia
CREATE TABLE auth_user (id TEXT PRIMARY KEY);
CREATE TABLE user_session (id TEXT PRIMARY KEY, expires_at TIMESTAMPTZ NOT NULL, user_id TEXT NOT NULL REFERENCES auth_user(id));
INSERT INTO auth_user VALUES ('u');
-- row
INSERT INTO user_session VALUES ({token}, {at}, 'u');

-- supabase-auth
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid NOT NULL PRIMARY KEY);
CREATE TABLE auth.sessions (id uuid NOT NULL PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, created_at timestamptz, updated_at timestamptz, factor_id uuid, aal text, not_after timestamptz, refreshed_at timestamp, user_agent text, ip inet, tag text);
CREATE INDEX sessions_not_after_idx ON auth.sessions (not_after DESC);
CREATE TABLE auth.refresh_tokens (id bigserial PRIMARY KEY, token varchar(255), user_id varchar(255), revoked bool, created_at timestamptz, updated_at timestamptz, parent varchar(255), session_id uuid REFERENCES auth.sessions ON DELETE CASCADE);
INSERT INTO auth.users VALUES ('00000000-0000-0000-0000-000000000001');
-- row
INSERT INTO auth.sessions (id, user_id, tag, not_after) VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000001', {token}, {at});

-- ory-kratos
CREATE TABLE identities (id uuid NOT NULL PRIMARY KEY, nid uuid);
CREATE TABLE sessions (id uuid NOT NULL PRIMARY KEY, issued_at timestamp NOT NULL DEFAULT now(), expires_at timestamp NOT NULL, authenticated_at timestamp NOT NULL, identity_id uuid NOT NULL REFERENCES identities ON DELETE CASCADE, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now(), token varchar(39), active bool DEFAULT false, nid uuid, logout_token varchar(39), aal varchar(4) NOT NULL DEFAULT '', authentication_methods json NOT NULL DEFAULT '[]');
CREATE UNIQUE INDEX sessions_token_uq_idx ON sessions (token);
CREATE INDEX sessions_nid_expires_at_idx ON sessions (nid, expires_at, active);
INSERT INTO identities VALUES ('00000000-0000-0000-0000-000000000001');
-- row
INSERT INTO sessions (id, expires_at, authenticated_at, identity_id, token) VALUES (gen_random_uuid(), {at}, now(), '00000000-0000-0000-0000-000000000001', {token});

-- spring-session
CREATE TABLE SPRING_SESSION (PRIMARY_ID CHAR(36) NOT NULL, SESSION_ID CHAR(36) NOT NULL, CREATION_TIME BIGINT NOT NULL, LAST_ACCESS_TIME BIGINT NOT NULL, MAX_INACTIVE_INTERVAL INT NOT NULL, EXPIRY_TIME BIGINT NOT NULL, PRINCIPAL_NAME VARCHAR(100), CONSTRAINT SPRING_SESSION_PK PRIMARY KEY (PRIMARY_ID));
CREATE UNIQUE INDEX SPRING_SESSION_IX1 ON SPRING_SESSION (SESSION_ID);
CREATE INDEX SPRING_SESSION_IX2 ON SPRING_SESSION (EXPIRY_TIME);
CREATE TABLE SPRING_SESSION_ATTRIBUTES (SESSION_PRIMARY_ID CHAR(36) NOT NULL, ATTRIBUTE_NAME VARCHAR(200) NOT NULL, ATTRIBUTE_BYTES BYTEA NOT NULL, CONSTRAINT SPRING_SESSION_ATTRIBUTES_PK PRIMARY KEY (SESSION_PRIMARY_ID, ATTRIBUTE_NAME), CONSTRAINT SPRING_SESSION_ATTRIBUTES_FK FOREIGN KEY (SESSION_PRIMARY_ID) REFERENCES SPRING_SESSION(PRIMARY_ID) ON DELETE CASCADE);
-- row
INSERT INTO SPRING_SESSION VALUES ({token}, {token}, 0, 0, 1800, {at}, NULL);

-- scs
CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions (expiry);
-- row
INSERT INTO sessions VALUES ({token}, 'x', {at});

-- symfony
CREATE TABLE sessions (sess_id VARCHAR(128) NOT NULL PRIMARY KEY, sess_data BYTEA NOT NULL, sess_lifetime INTEGER NOT NULL, sess_time INTEGER NOT NULL);
CREATE INDEX sess_lifetime_idx ON sessions (sess_lifetime);
-- row
INSERT INTO sessions VALUES ({token}, 'x', {at}, 0);
