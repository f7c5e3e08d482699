-- CreateTable
CREATE TABLE "channel" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "endpoints" TEXT NOT NULL,
    "custom_models" TEXT NOT NULL,
    "model_filter" TEXT NOT NULL,
    "auto_sync" BOOLEAN NOT NULL,
    "auto_group" TEXT NOT NULL,
    "headers" TEXT NOT NULL,
    "param_override" TEXT,
    "proxy_mode" TEXT NOT NULL,
    "proxy_url" TEXT,
    "price_multiplier" REAL NOT NULL,
    "notes" TEXT NOT NULL,
    "timeouts" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "channel_key" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "channel_id" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "secret" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "note" TEXT NOT NULL,
    "models" TEXT,
    "suspended_until" BIGINT,
    "last_status" INTEGER,
    CONSTRAINT "channel_key_channel_id_fkey" FOREIGN KEY ("channel_id") REFERENCES "channel" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "channel_model" (
    "channel_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "missed_syncs" INTEGER NOT NULL DEFAULT 0,

    PRIMARY KEY ("channel_id", "name"),
    CONSTRAINT "channel_model_channel_id_fkey" FOREIGN KEY ("channel_id") REFERENCES "channel" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "model_group" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "mode" TEXT NOT NULL,
    "aliases" TEXT NOT NULL,
    "policy" TEXT NOT NULL,
    "affinity_seconds" INTEGER NOT NULL,
    "pinned_item_id" INTEGER,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "group_item" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "group_id" INTEGER NOT NULL,
    "channel_id" INTEGER NOT NULL,
    "model" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "priority" INTEGER NOT NULL,
    "weight" REAL NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    CONSTRAINT "group_item_group_id_fkey" FOREIGN KEY ("group_id") REFERENCES "model_group" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "group_item_channel_id_fkey" FOREIGN KEY ("channel_id") REFERENCES "channel" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "key_hash" TEXT NOT NULL,
    "secret" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL,
    "expires_at" BIGINT,
    "allowed_groups" TEXT,
    "model_mapping" TEXT NOT NULL,
    "budget" TEXT NOT NULL,
    "limits" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "price" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "channel_id" INTEGER NOT NULL,
    "model" TEXT NOT NULL,
    "input" BIGINT,
    "output" BIGINT,
    "cache_read" BIGINT,
    "cache_write_5m" BIGINT,
    "cache_write_1h" BIGINT,
    "reasoning" BIGINT,
    "tiers" TEXT NOT NULL,
    "per_request_nano_usd" BIGINT NOT NULL DEFAULT 0,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "setting" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "config_revision" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "revision" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "admin_credential" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "password_hash" TEXT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "session" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "token_hash" TEXT NOT NULL,
    "user_agent" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "expires_at" BIGINT NOT NULL,
    "last_seen_at" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "hour_stat" (
    "hour" BIGINT NOT NULL,
    "channel_id" INTEGER NOT NULL,
    "api_key_id" INTEGER NOT NULL,
    "group_id" INTEGER NOT NULL,
    "model" TEXT NOT NULL,
    "requests" BIGINT NOT NULL DEFAULT 0,
    "failures" BIGINT NOT NULL DEFAULT 0,
    "cancelled" BIGINT NOT NULL DEFAULT 0,
    "input_tokens" BIGINT NOT NULL DEFAULT 0,
    "cache_read_tokens" BIGINT NOT NULL DEFAULT 0,
    "cache_write_5m_tokens" BIGINT NOT NULL DEFAULT 0,
    "cache_write_1h_tokens" BIGINT NOT NULL DEFAULT 0,
    "output_tokens" BIGINT NOT NULL DEFAULT 0,
    "reasoning_tokens" BIGINT NOT NULL DEFAULT 0,
    "cost_nano_usd" BIGINT NOT NULL DEFAULT 0,
    "unpriced" BIGINT NOT NULL DEFAULT 0,
    "estimated" BIGINT NOT NULL DEFAULT 0,
    "first_token_count" BIGINT NOT NULL DEFAULT 0,
    "first_token_ms" BIGINT NOT NULL DEFAULT 0,
    "duration_count" BIGINT NOT NULL DEFAULT 0,
    "duration_ms" BIGINT NOT NULL DEFAULT 0,
    "first_token_b0" BIGINT NOT NULL DEFAULT 0,
    "first_token_b1" BIGINT NOT NULL DEFAULT 0,
    "first_token_b2" BIGINT NOT NULL DEFAULT 0,
    "first_token_b3" BIGINT NOT NULL DEFAULT 0,
    "first_token_b4" BIGINT NOT NULL DEFAULT 0,
    "first_token_b5" BIGINT NOT NULL DEFAULT 0,
    "first_token_b6" BIGINT NOT NULL DEFAULT 0,
    "first_token_b7" BIGINT NOT NULL DEFAULT 0,
    "first_token_b8" BIGINT NOT NULL DEFAULT 0,
    "first_token_b9" BIGINT NOT NULL DEFAULT 0,
    "first_token_b10" BIGINT NOT NULL DEFAULT 0,
    "first_token_b11" BIGINT NOT NULL DEFAULT 0,
    "duration_b0" BIGINT NOT NULL DEFAULT 0,
    "duration_b1" BIGINT NOT NULL DEFAULT 0,
    "duration_b2" BIGINT NOT NULL DEFAULT 0,
    "duration_b3" BIGINT NOT NULL DEFAULT 0,
    "duration_b4" BIGINT NOT NULL DEFAULT 0,
    "duration_b5" BIGINT NOT NULL DEFAULT 0,
    "duration_b6" BIGINT NOT NULL DEFAULT 0,
    "duration_b7" BIGINT NOT NULL DEFAULT 0,
    "duration_b8" BIGINT NOT NULL DEFAULT 0,
    "duration_b9" BIGINT NOT NULL DEFAULT 0,
    "duration_b10" BIGINT NOT NULL DEFAULT 0,
    "duration_b11" BIGINT NOT NULL DEFAULT 0,

    PRIMARY KEY ("hour", "channel_id", "api_key_id", "group_id", "model")
);

-- CreateTable
CREATE TABLE "relay_log" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "at" BIGINT NOT NULL,
    "client_format" TEXT NOT NULL,
    "upstream_format" TEXT,
    "group_id" INTEGER NOT NULL,
    "group_name" TEXT NOT NULL,
    "requested_model" TEXT NOT NULL,
    "api_key_id" INTEGER NOT NULL,
    "api_key_name" TEXT NOT NULL,
    "client_software" TEXT NOT NULL,
    "stream" BOOLEAN NOT NULL,
    "outcome" TEXT NOT NULL,
    "http_status" INTEGER NOT NULL,
    "error_kind" TEXT,
    "error_message" TEXT,
    "attempts" TEXT NOT NULL,
    "attempt_count" INTEGER NOT NULL,
    "channel_id" INTEGER NOT NULL,
    "channel_name" TEXT NOT NULL,
    "upstream_model" TEXT NOT NULL,
    "input_tokens" BIGINT,
    "cache_read_tokens" BIGINT,
    "cache_write_5m_tokens" BIGINT,
    "cache_write_1h_tokens" BIGINT,
    "output_tokens" BIGINT,
    "reasoning_tokens" BIGINT,
    "usage_estimated" BOOLEAN NOT NULL,
    "usage_raw" TEXT,
    "cost_nano_usd" BIGINT,
    "first_token_ms" BIGINT,
    "duration_ms" BIGINT NOT NULL,
    "losses" TEXT NOT NULL,
    "loss_count" INTEGER NOT NULL,
    "has_body" BOOLEAN NOT NULL
);

-- CreateTable
CREATE TABLE "relay_log_body" (
    "log_id" TEXT NOT NULL PRIMARY KEY,
    "at" BIGINT NOT NULL,
    "encoding" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "body" BLOB NOT NULL
);

-- CreateTable
CREATE TABLE "spool_position" (
    "instance" TEXT NOT NULL PRIMARY KEY,
    "segment" BIGINT NOT NULL,
    "byte_offset" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "channel_name_key" ON "channel"("name");

-- CreateIndex
CREATE INDEX "channel_key_channel_id_idx" ON "channel_key"("channel_id");

-- CreateIndex
CREATE UNIQUE INDEX "model_group_name_key" ON "model_group"("name");

-- CreateIndex
CREATE INDEX "group_item_channel_id_idx" ON "group_item"("channel_id");

-- CreateIndex
CREATE UNIQUE INDEX "group_item_group_id_channel_id_model_key" ON "group_item"("group_id", "channel_id", "model");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_name_key" ON "api_key"("name");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_key_hash_key" ON "api_key"("key_hash");

-- CreateIndex
CREATE UNIQUE INDEX "price_channel_id_model_key" ON "price"("channel_id", "model");

-- CreateIndex
CREATE UNIQUE INDEX "session_token_hash_key" ON "session"("token_hash");

-- CreateIndex
CREATE INDEX "session_expires_at_idx" ON "session"("expires_at");

-- CreateIndex
CREATE INDEX "hour_stat_api_key_id_hour_idx" ON "hour_stat"("api_key_id", "hour");

-- CreateIndex
CREATE INDEX "hour_stat_channel_id_hour_idx" ON "hour_stat"("channel_id", "hour");

-- CreateIndex
CREATE INDEX "relay_log_at_idx" ON "relay_log"("at");

-- CreateIndex
CREATE INDEX "relay_log_channel_id_at_idx" ON "relay_log"("channel_id", "at");

-- CreateIndex
CREATE INDEX "relay_log_api_key_id_at_idx" ON "relay_log"("api_key_id", "at");

-- CreateIndex
CREATE INDEX "relay_log_group_id_at_idx" ON "relay_log"("group_id", "at");

-- CreateIndex
CREATE INDEX "relay_log_upstream_model_at_idx" ON "relay_log"("upstream_model", "at");

-- CreateIndex
CREATE INDEX "relay_log_requested_model_at_idx" ON "relay_log"("requested_model", "at");

-- CreateIndex
CREATE INDEX "relay_log_outcome_at_idx" ON "relay_log"("outcome", "at");

-- CreateIndex
CREATE INDEX "relay_log_body_at_idx" ON "relay_log_body"("at");
