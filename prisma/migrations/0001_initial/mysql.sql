-- CreateTable
CREATE TABLE `channel` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `name` VARCHAR(128) NOT NULL,
    `type` VARCHAR(64) NOT NULL,
    `enabled` BOOLEAN NOT NULL,
    `endpoints` LONGTEXT NOT NULL,
    `custom_models` LONGTEXT NOT NULL,
    `model_filter` TEXT NOT NULL,
    `auto_sync` BOOLEAN NOT NULL,
    `auto_group` VARCHAR(16) NOT NULL,
    `headers` LONGTEXT NOT NULL,
    `param_override` LONGTEXT NULL,
    `proxy_mode` VARCHAR(16) NOT NULL,
    `proxy_url` TEXT NULL,
    `price_multiplier` DOUBLE NOT NULL,
    `notes` TEXT NOT NULL,
    `timeouts` TEXT NOT NULL,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `channel_key` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `channel_id` INTEGER NOT NULL,
    `position` INTEGER NOT NULL,
    `secret` TEXT NOT NULL,
    `hint` VARCHAR(16) NOT NULL,
    `enabled` BOOLEAN NOT NULL,
    `note` VARCHAR(500) NOT NULL,
    `models` LONGTEXT NULL,
    `suspended_until` BIGINT NULL,
    `last_status` INTEGER NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `channel_model` (
    `channel_id` INTEGER NOT NULL,
    `name` VARCHAR(256) NOT NULL,
    `position` INTEGER NOT NULL,
    `missed_syncs` INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (`channel_id`,`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `model_group` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `name` VARCHAR(128) NOT NULL,
    `mode` VARCHAR(32) NOT NULL,
    `aliases` LONGTEXT NOT NULL,
    `policy` TEXT NOT NULL,
    `affinity_seconds` INTEGER NOT NULL,
    `pinned_item_id` INTEGER NULL,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `group_item` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `group_id` INTEGER NOT NULL,
    `channel_id` INTEGER NOT NULL,
    `model` VARCHAR(256) NOT NULL,
    `position` INTEGER NOT NULL,
    `priority` INTEGER NOT NULL,
    `weight` DOUBLE NOT NULL,
    `enabled` BOOLEAN NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `api_key` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `name` VARCHAR(128) NOT NULL,
    `key_hash` VARCHAR(64) NOT NULL,
    `secret` TEXT NOT NULL,
    `hint` VARCHAR(16) NOT NULL,
    `enabled` BOOLEAN NOT NULL,
    `expires_at` BIGINT NULL,
    `allowed_groups` LONGTEXT NULL,
    `model_mapping` LONGTEXT NOT NULL,
    `budget` TEXT NOT NULL,
    `limits` TEXT NOT NULL,
    `created_at` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `price` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `channel_id` INTEGER NOT NULL,
    `model` VARCHAR(256) NOT NULL,
    `input` BIGINT NULL,
    `output` BIGINT NULL,
    `cache_read` BIGINT NULL,
    `cache_write_5m` BIGINT NULL,
    `cache_write_1h` BIGINT NULL,
    `reasoning` BIGINT NULL,
    `tiers` LONGTEXT NOT NULL,
    `per_request_nano_usd` BIGINT NOT NULL DEFAULT 0,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `setting` (
    `name` VARCHAR(128) NOT NULL,
    `value` LONGTEXT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `config_revision` (
    `id` INTEGER NOT NULL,
    `revision` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `admin_credential` (
    `id` INTEGER NOT NULL,
    `password_hash` TEXT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `session` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `token_hash` VARCHAR(64) NOT NULL,
    `user_agent` VARCHAR(512) NOT NULL,
    `created_at` BIGINT NOT NULL,
    `expires_at` BIGINT NOT NULL,
    `last_seen_at` BIGINT NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `hour_stat` (
    `hour` BIGINT NOT NULL,
    `channel_id` INTEGER NOT NULL,
    `api_key_id` INTEGER NOT NULL,
    `group_id` INTEGER NOT NULL,
    `model` VARCHAR(256) NOT NULL,
    `requests` BIGINT NOT NULL DEFAULT 0,
    `failures` BIGINT NOT NULL DEFAULT 0,
    `cancelled` BIGINT NOT NULL DEFAULT 0,
    `input_tokens` BIGINT NOT NULL DEFAULT 0,
    `cache_read_tokens` BIGINT NOT NULL DEFAULT 0,
    `cache_write_5m_tokens` BIGINT NOT NULL DEFAULT 0,
    `cache_write_1h_tokens` BIGINT NOT NULL DEFAULT 0,
    `output_tokens` BIGINT NOT NULL DEFAULT 0,
    `reasoning_tokens` BIGINT NOT NULL DEFAULT 0,
    `cost_nano_usd` BIGINT NOT NULL DEFAULT 0,
    `unpriced` BIGINT NOT NULL DEFAULT 0,
    `estimated` BIGINT NOT NULL DEFAULT 0,
    `first_token_count` BIGINT NOT NULL DEFAULT 0,
    `first_token_ms` BIGINT NOT NULL DEFAULT 0,
    `duration_count` BIGINT NOT NULL DEFAULT 0,
    `duration_ms` BIGINT NOT NULL DEFAULT 0,
    `first_token_b0` BIGINT NOT NULL DEFAULT 0,
    `first_token_b1` BIGINT NOT NULL DEFAULT 0,
    `first_token_b2` BIGINT NOT NULL DEFAULT 0,
    `first_token_b3` BIGINT NOT NULL DEFAULT 0,
    `first_token_b4` BIGINT NOT NULL DEFAULT 0,
    `first_token_b5` BIGINT NOT NULL DEFAULT 0,
    `first_token_b6` BIGINT NOT NULL DEFAULT 0,
    `first_token_b7` BIGINT NOT NULL DEFAULT 0,
    `first_token_b8` BIGINT NOT NULL DEFAULT 0,
    `first_token_b9` BIGINT NOT NULL DEFAULT 0,
    `first_token_b10` BIGINT NOT NULL DEFAULT 0,
    `first_token_b11` BIGINT NOT NULL DEFAULT 0,
    `duration_b0` BIGINT NOT NULL DEFAULT 0,
    `duration_b1` BIGINT NOT NULL DEFAULT 0,
    `duration_b2` BIGINT NOT NULL DEFAULT 0,
    `duration_b3` BIGINT NOT NULL DEFAULT 0,
    `duration_b4` BIGINT NOT NULL DEFAULT 0,
    `duration_b5` BIGINT NOT NULL DEFAULT 0,
    `duration_b6` BIGINT NOT NULL DEFAULT 0,
    `duration_b7` BIGINT NOT NULL DEFAULT 0,
    `duration_b8` BIGINT NOT NULL DEFAULT 0,
    `duration_b9` BIGINT NOT NULL DEFAULT 0,
    `duration_b10` BIGINT NOT NULL DEFAULT 0,
    `duration_b11` BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (`hour`,`channel_id`,`api_key_id`,`group_id`,`model`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `relay_log` (
    `id` VARCHAR(36) NOT NULL,
    `at` BIGINT NOT NULL,
    `client_format` VARCHAR(32) NOT NULL,
    `upstream_format` VARCHAR(32) NULL,
    `group_id` INTEGER NOT NULL,
    `group_name` VARCHAR(256) NOT NULL,
    `requested_model` VARCHAR(256) NOT NULL,
    `api_key_id` INTEGER NOT NULL,
    `api_key_name` VARCHAR(128) NOT NULL,
    `client_software` VARCHAR(256) NOT NULL,
    `stream` BOOLEAN NOT NULL,
    `outcome` VARCHAR(16) NOT NULL,
    `http_status` INTEGER NOT NULL,
    `error_kind` VARCHAR(64) NULL,
    `error_message` TEXT NULL,
    `attempts` LONGTEXT NOT NULL,
    `attempt_count` INTEGER NOT NULL,
    `channel_id` INTEGER NOT NULL,
    `channel_name` VARCHAR(128) NOT NULL,
    `upstream_model` VARCHAR(256) NOT NULL,
    `input_tokens` BIGINT NULL,
    `cache_read_tokens` BIGINT NULL,
    `cache_write_5m_tokens` BIGINT NULL,
    `cache_write_1h_tokens` BIGINT NULL,
    `output_tokens` BIGINT NULL,
    `reasoning_tokens` BIGINT NULL,
    `usage_estimated` BOOLEAN NOT NULL,
    `usage_raw` LONGTEXT NULL,
    `cost_nano_usd` BIGINT NULL,
    `first_token_ms` BIGINT NULL,
    `duration_ms` BIGINT NOT NULL,
    `losses` LONGTEXT NOT NULL,
    `loss_count` INTEGER NOT NULL,
    `has_body` BOOLEAN NOT NULL,
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `relay_log_body` (
    `log_id` VARCHAR(36) NOT NULL,
    `at` BIGINT NOT NULL,
    `encoding` VARCHAR(16) NOT NULL,
    `size` BIGINT NOT NULL,
    `body` LONGBLOB NOT NULL,
    PRIMARY KEY (`log_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateTable
CREATE TABLE `spool_position` (
    `instance` VARCHAR(128) NOT NULL,
    `segment` BIGINT NOT NULL,
    `byte_offset` BIGINT NOT NULL,
    `updated_at` BIGINT NOT NULL,
    PRIMARY KEY (`instance`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- CreateIndex
CREATE UNIQUE INDEX `channel_name_key` ON `channel`(`name`);

-- CreateIndex
CREATE INDEX `channel_key_channel_id_idx` ON `channel_key`(`channel_id`);

-- CreateIndex
CREATE UNIQUE INDEX `model_group_name_key` ON `model_group`(`name`);

-- CreateIndex
CREATE INDEX `group_item_channel_id_idx` ON `group_item`(`channel_id`);

-- CreateIndex
CREATE UNIQUE INDEX `group_item_group_id_channel_id_model_key` ON `group_item`(`group_id`, `channel_id`, `model`);

-- CreateIndex
CREATE UNIQUE INDEX `api_key_name_key` ON `api_key`(`name`);

-- CreateIndex
CREATE UNIQUE INDEX `api_key_key_hash_key` ON `api_key`(`key_hash`);

-- CreateIndex
CREATE UNIQUE INDEX `price_channel_id_model_key` ON `price`(`channel_id`, `model`);

-- CreateIndex
CREATE UNIQUE INDEX `session_token_hash_key` ON `session`(`token_hash`);

-- CreateIndex
CREATE INDEX `session_expires_at_idx` ON `session`(`expires_at`);

-- CreateIndex
CREATE INDEX `hour_stat_api_key_id_hour_idx` ON `hour_stat`(`api_key_id`, `hour`);

-- CreateIndex
CREATE INDEX `hour_stat_channel_id_hour_idx` ON `hour_stat`(`channel_id`, `hour`);

-- CreateIndex
CREATE INDEX `relay_log_at_idx` ON `relay_log`(`at`);

-- CreateIndex
CREATE INDEX `relay_log_channel_id_at_idx` ON `relay_log`(`channel_id`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_api_key_id_at_idx` ON `relay_log`(`api_key_id`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_group_id_at_idx` ON `relay_log`(`group_id`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_upstream_model_at_idx` ON `relay_log`(`upstream_model`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_requested_model_at_idx` ON `relay_log`(`requested_model`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_outcome_at_idx` ON `relay_log`(`outcome`, `at`);

-- CreateIndex
CREATE INDEX `relay_log_body_at_idx` ON `relay_log_body`(`at`);

-- AddForeignKey
ALTER TABLE `channel_key` ADD CONSTRAINT `channel_key_channel_id_fkey` FOREIGN KEY (`channel_id`) REFERENCES `channel`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE `channel_model` ADD CONSTRAINT `channel_model_channel_id_fkey` FOREIGN KEY (`channel_id`) REFERENCES `channel`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE `group_item` ADD CONSTRAINT `group_item_group_id_fkey` FOREIGN KEY (`group_id`) REFERENCES `model_group`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE `group_item` ADD CONSTRAINT `group_item_channel_id_fkey` FOREIGN KEY (`channel_id`) REFERENCES `channel`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;
