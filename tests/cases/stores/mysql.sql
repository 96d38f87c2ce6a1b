-- The tables of each preset on MySQL and MariaDB, as its library creates them, and how a row gets there.

-- authjs-prisma
CREATE TABLE `User` (`id` VARCHAR(191) NOT NULL, `name` VARCHAR(191) NULL, `email` VARCHAR(191) NOT NULL, `emailVerified` DATETIME(3) NULL, PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE `Session` (`id` VARCHAR(191) NOT NULL, `sessionToken` VARCHAR(191) NOT NULL, `userId` VARCHAR(191) NOT NULL, `expires` DATETIME(3) NOT NULL, UNIQUE INDEX `Session_sessionToken_key`(`sessionToken`), INDEX `Session_userId_idx`(`userId`), PRIMARY KEY (`id`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
ALTER TABLE `Session` ADD CONSTRAINT `Session_userId_fkey` FOREIGN KEY (`userId`) REFERENCES `User`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO `User` (`id`, `email`) VALUES ('u', 'u@example.com');
-- row
INSERT INTO `Session` VALUES ({token}, {token}, 'u', {at});

-- authjs-prisma-tokens
CREATE TABLE `VerificationToken` (`identifier` VARCHAR(191) NOT NULL, `token` VARCHAR(191) NOT NULL, `expires` DATETIME(3) NOT NULL, UNIQUE INDEX `VerificationToken_identifier_token_key`(`identifier`, `token`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
-- row
INSERT INTO `VerificationToken` VALUES ('u@example.com', {token}, {at});

-- authjs-drizzle
CREATE TABLE `user` (`id` varchar(255) NOT NULL, `email` varchar(255), CONSTRAINT `user_id` PRIMARY KEY(`id`));
CREATE TABLE `session` (`sessionToken` varchar(255) NOT NULL, `userId` varchar(255) NOT NULL, `expires` timestamp NOT NULL, CONSTRAINT `session_sessionToken` PRIMARY KEY(`sessionToken`));
ALTER TABLE `session` ADD CONSTRAINT `session_userId_user_id_fk` FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON DELETE cascade;
INSERT INTO `user` (`id`) VALUES ('u');
-- row
INSERT INTO `session` VALUES ({token}, 'u', {at});

-- authjs-drizzle-tokens
CREATE TABLE `verificationToken` (`identifier` varchar(255) NOT NULL, `token` varchar(255) NOT NULL, `expires` timestamp NOT NULL, CONSTRAINT `verificationToken_identifier_token_pk` PRIMARY KEY(`identifier`,`token`));
-- row
INSERT INTO `verificationToken` VALUES ('u@example.com', {token}, {at});

-- authjs-typeorm
CREATE TABLE `users` (`id` varchar(36) NOT NULL, `email` varchar(255) NULL, PRIMARY KEY (`id`));
CREATE TABLE `sessions` (`id` varchar(36) NOT NULL, `sessionToken` varchar(255) NOT NULL, `userId` varchar(255) NOT NULL, `expires` varchar(255) NOT NULL, UNIQUE INDEX `IDX_token` (`sessionToken`), PRIMARY KEY (`id`)) ENGINE=InnoDB;
-- row
INSERT INTO `sessions` VALUES (UUID(), {token}, 'u', {at});

-- better-auth
create table `user` (`id` varchar(36) not null primary key, `name` varchar(255) not null, `email` varchar(255) not null unique);
create table `session` (`id` varchar(36) not null primary key, `expiresAt` timestamp(3) not null, `token` varchar(255) not null unique, `createdAt` timestamp(3) default CURRENT_TIMESTAMP(3) not null, `updatedAt` timestamp(3) default CURRENT_TIMESTAMP(3) not null, `ipAddress` text, `userAgent` text, `userId` varchar(36) not null references `user` (`id`) on delete cascade);
INSERT INTO `user` VALUES ('u', 'u', 'u@example.com');
-- row
INSERT INTO `session` (`id`, `expiresAt`, `token`, `userId`) VALUES ({token}, {at}, {token}, 'u');

-- better-auth-verification
create table `verification` (`id` varchar(36) not null primary key, `identifier` varchar(255) not null, `value` text not null, `expiresAt` timestamp(3) not null, `createdAt` timestamp(3) default CURRENT_TIMESTAMP(3) not null, `updatedAt` timestamp(3) default CURRENT_TIMESTAMP(3) not null);
-- row
INSERT INTO `verification` (`id`, `identifier`, `value`, `expiresAt`) VALUES ({token}, 'i', 'v', {at});

-- better-auth-drizzle
CREATE TABLE `user` (`id` varchar(36) NOT NULL, CONSTRAINT `user_id` PRIMARY KEY(`id`));
CREATE TABLE `session` (`id` varchar(36) NOT NULL, `expires_at` timestamp(3) NOT NULL, `token` varchar(255) NOT NULL, `created_at` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `updated_at` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `ip_address` text, `user_agent` text, `user_id` varchar(36) NOT NULL, CONSTRAINT `session_id` PRIMARY KEY(`id`), CONSTRAINT `session_token_unique` UNIQUE(`token`));
-- row
INSERT INTO `session` (`id`, `expires_at`, `token`, `user_id`) VALUES ({token}, {at}, {token}, 'u');

-- better-auth-drizzle-verification
CREATE TABLE `verification` (`id` varchar(36) NOT NULL, `identifier` varchar(255) NOT NULL, `value` text NOT NULL, `expires_at` timestamp(3) NOT NULL, `created_at` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `updated_at` timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), CONSTRAINT `verification_id` PRIMARY KEY(`id`));
-- row
INSERT INTO `verification` (`id`, `identifier`, `value`, `expires_at`) VALUES ({token}, 'i', 'v', {at});

-- better-auth-prisma
CREATE TABLE `user` (`id` VARCHAR(191) NOT NULL, PRIMARY KEY (`id`));
CREATE TABLE `session` (`id` VARCHAR(191) NOT NULL, `expiresAt` DATETIME(3) NOT NULL, `token` VARCHAR(191) NOT NULL, `createdAt` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), `updatedAt` DATETIME(3) NOT NULL, `ipAddress` TEXT NULL, `userAgent` TEXT NULL, `userId` VARCHAR(191) NOT NULL, UNIQUE INDEX `session_token_key`(`token`), PRIMARY KEY (`id`));
-- row
INSERT INTO `session` (`id`, `expiresAt`, `token`, `updatedAt`, `userId`) VALUES ({token}, {at}, {token}, '2020-01-01', 'u');

-- better-auth-prisma-verification
CREATE TABLE `verification` (`id` VARCHAR(191) NOT NULL, `identifier` TEXT NOT NULL, `value` TEXT NOT NULL, `expiresAt` DATETIME(3) NOT NULL, `createdAt` DATETIME(3) NULL, `updatedAt` DATETIME(3) NULL, PRIMARY KEY (`id`));
-- row
INSERT INTO `verification` (`id`, `identifier`, `value`, `expiresAt`) VALUES ({token}, 'i', 'v', {at});

-- express-mysql-session
CREATE TABLE IF NOT EXISTS `sessions` (`session_id` varchar(128) COLLATE utf8mb4_bin NOT NULL, `expires` int(11) unsigned NOT NULL, `data` mediumtext COLLATE utf8mb4_bin, PRIMARY KEY (`session_id`)) ENGINE=InnoDB;
-- row
INSERT INTO `sessions` VALUES ({token}, {at}, '{}');

-- django
CREATE TABLE `django_session` (`session_key` varchar(40) NOT NULL PRIMARY KEY, `session_data` longtext NOT NULL, `expire_date` datetime(6) NOT NULL);
CREATE INDEX `django_session_expire_date_a5c62663` ON `django_session` (`expire_date`);
-- row
INSERT INTO `django_session` VALUES ({token}, 'x', {at});

-- laravel
create table `sessions` (`id` varchar(255) not null, `user_id` bigint unsigned null, `ip_address` varchar(45) null, `user_agent` text null, `payload` longtext not null, `last_activity` int not null, primary key (`id`));
alter table `sessions` add index `sessions_user_id_index`(`user_id`);
alter table `sessions` add index `sessions_last_activity_index`(`last_activity`);
-- row
INSERT INTO `sessions` VALUES ({token}, NULL, NULL, NULL, 'x', {at});

-- rails
CREATE TABLE `sessions` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `session_id` varchar(255) NOT NULL, `data` text, `created_at` datetime(6) NOT NULL, `updated_at` datetime(6) NOT NULL);
CREATE UNIQUE INDEX `index_sessions_on_session_id` ON `sessions` (`session_id`);
CREATE INDEX `index_sessions_on_updated_at` ON `sessions` (`updated_at`);
-- row
INSERT INTO `sessions` (`session_id`, `data`, `created_at`, `updated_at`) VALUES ({token}, 'x', '2020-01-01', {at});

-- tower-sessions
create table if not exists `tower_sessions`.`session` (id char(22) primary key not null, data blob not null, expiry_date timestamp(6) not null);
-- row
INSERT INTO `tower_sessions`.`session` VALUES ({token}, 'x', {at});

-- lucia
CREATE TABLE user (id VARCHAR(255) PRIMARY KEY);
CREATE TABLE user_session (id VARCHAR(255) PRIMARY KEY, expires_at DATETIME NOT NULL, user_id VARCHAR(255) NOT NULL REFERENCES user(id));
INSERT INTO user VALUES ('u');
-- row
INSERT INTO user_session VALUES ({token}, {at}, 'u');

-- ory-kratos
CREATE TABLE `identities` (`id` char(36) NOT NULL, PRIMARY KEY (`id`));
CREATE TABLE `sessions` (`id` char(36) NOT NULL, `issued_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, `expires_at` datetime NOT NULL, `authenticated_at` datetime NOT NULL, `identity_id` char(36) NOT NULL, `created_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, `updated_at` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, `token` varchar(39), `active` tinyint(1) DEFAULT 0, `nid` char(36), PRIMARY KEY (`id`), UNIQUE KEY `sessions_token_uq_idx` (`token`), KEY `sessions_nid_idx` (`nid`, `expires_at`, `active`));
-- row
INSERT INTO `sessions` (`id`, `expires_at`, `authenticated_at`, `identity_id`, `token`) VALUES (UUID(), {at}, '2020-01-01', 'i', {token});

-- spring-session
CREATE TABLE SPRING_SESSION (PRIMARY_ID CHAR(36) NOT NULL, SESSION_ID CHAR(36) NOT NULL, CREATION_TIME BIGINT NOT NULL, LAST_ACCESS_TIME BIGINT NOT NULL, MAX_INACTIVE_INTERVAL INT NOT NULL, EXPIRY_TIME BIGINT NOT NULL, PRINCIPAL_NAME VARCHAR(100), CONSTRAINT SPRING_SESSION_PK PRIMARY KEY (PRIMARY_ID)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
CREATE UNIQUE INDEX SPRING_SESSION_IX1 ON SPRING_SESSION (SESSION_ID);
CREATE INDEX SPRING_SESSION_IX2 ON SPRING_SESSION (EXPIRY_TIME);
-- row
INSERT INTO SPRING_SESSION VALUES ({token}, {token}, 0, 0, 1800, {at}, NULL);

-- scs
CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL);
CREATE INDEX sessions_expiry_idx ON sessions (expiry);
-- row
INSERT INTO sessions VALUES ({token}, 'x', {at});

-- symfony
CREATE TABLE sessions (sess_id VARBINARY(128) NOT NULL PRIMARY KEY, sess_data BLOB NOT NULL, sess_lifetime INTEGER UNSIGNED NOT NULL, sess_time INTEGER UNSIGNED NOT NULL, INDEX sess_lifetime_idx (sess_lifetime)) COLLATE utf8mb4_bin, ENGINE = InnoDB;
-- row
INSERT INTO sessions VALUES ({token}, 'x', {at}, 0);
