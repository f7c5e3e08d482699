import type * as Mysql from './generated/mysql/models.ts'
import type * as Postgresql from './generated/postgresql/models.ts'
import type * as Sqlite from './generated/sqlite/models.ts'

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the one way to ask the compiler for identity
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Model = readonly [row: unknown, create: unknown, update: unknown, where: unknown]

/** The same rows come out, and what the first accepts to write and to filter by, the second accepts. */
type Agree<A extends Model, B extends Model> =
  Same<A[0], B[0]> extends true
    ? A[1] extends B[1]
      ? A[2] extends B[2]
        ? A[3] extends B[3]
          ? true
          : 'where'
        : 'update'
      : 'create'
    : 'row'

interface Agreement {
  channelPostgresql: Agree<
    [
      Sqlite.ChannelModel,
      Sqlite.ChannelCreateManyInput,
      Sqlite.ChannelUncheckedUpdateManyInput,
      Sqlite.ChannelWhereInput,
    ],
    [
      Postgresql.ChannelModel,
      Postgresql.ChannelCreateManyInput,
      Postgresql.ChannelUncheckedUpdateManyInput,
      Postgresql.ChannelWhereInput,
    ]
  >
  channelMysql: Agree<
    [
      Sqlite.ChannelModel,
      Sqlite.ChannelCreateManyInput,
      Sqlite.ChannelUncheckedUpdateManyInput,
      Sqlite.ChannelWhereInput,
    ],
    [Mysql.ChannelModel, Mysql.ChannelCreateManyInput, Mysql.ChannelUncheckedUpdateManyInput, Mysql.ChannelWhereInput]
  >
  channelKeyPostgresql: Agree<
    [
      Sqlite.ChannelKeyModel,
      Sqlite.ChannelKeyCreateManyInput,
      Sqlite.ChannelKeyUncheckedUpdateManyInput,
      Sqlite.ChannelKeyWhereInput,
    ],
    [
      Postgresql.ChannelKeyModel,
      Postgresql.ChannelKeyCreateManyInput,
      Postgresql.ChannelKeyUncheckedUpdateManyInput,
      Postgresql.ChannelKeyWhereInput,
    ]
  >
  channelKeyMysql: Agree<
    [
      Sqlite.ChannelKeyModel,
      Sqlite.ChannelKeyCreateManyInput,
      Sqlite.ChannelKeyUncheckedUpdateManyInput,
      Sqlite.ChannelKeyWhereInput,
    ],
    [
      Mysql.ChannelKeyModel,
      Mysql.ChannelKeyCreateManyInput,
      Mysql.ChannelKeyUncheckedUpdateManyInput,
      Mysql.ChannelKeyWhereInput,
    ]
  >
  syncedModelPostgresql: Agree<
    [
      Sqlite.SyncedModelModel,
      Sqlite.SyncedModelCreateManyInput,
      Sqlite.SyncedModelUncheckedUpdateManyInput,
      Sqlite.SyncedModelWhereInput,
    ],
    [
      Postgresql.SyncedModelModel,
      Postgresql.SyncedModelCreateManyInput,
      Postgresql.SyncedModelUncheckedUpdateManyInput,
      Postgresql.SyncedModelWhereInput,
    ]
  >
  syncedModelMysql: Agree<
    [
      Sqlite.SyncedModelModel,
      Sqlite.SyncedModelCreateManyInput,
      Sqlite.SyncedModelUncheckedUpdateManyInput,
      Sqlite.SyncedModelWhereInput,
    ],
    [
      Mysql.SyncedModelModel,
      Mysql.SyncedModelCreateManyInput,
      Mysql.SyncedModelUncheckedUpdateManyInput,
      Mysql.SyncedModelWhereInput,
    ]
  >
  modelGroupPostgresql: Agree<
    [
      Sqlite.ModelGroupModel,
      Sqlite.ModelGroupCreateManyInput,
      Sqlite.ModelGroupUncheckedUpdateManyInput,
      Sqlite.ModelGroupWhereInput,
    ],
    [
      Postgresql.ModelGroupModel,
      Postgresql.ModelGroupCreateManyInput,
      Postgresql.ModelGroupUncheckedUpdateManyInput,
      Postgresql.ModelGroupWhereInput,
    ]
  >
  modelGroupMysql: Agree<
    [
      Sqlite.ModelGroupModel,
      Sqlite.ModelGroupCreateManyInput,
      Sqlite.ModelGroupUncheckedUpdateManyInput,
      Sqlite.ModelGroupWhereInput,
    ],
    [
      Mysql.ModelGroupModel,
      Mysql.ModelGroupCreateManyInput,
      Mysql.ModelGroupUncheckedUpdateManyInput,
      Mysql.ModelGroupWhereInput,
    ]
  >
  groupItemPostgresql: Agree<
    [
      Sqlite.GroupItemModel,
      Sqlite.GroupItemCreateManyInput,
      Sqlite.GroupItemUncheckedUpdateManyInput,
      Sqlite.GroupItemWhereInput,
    ],
    [
      Postgresql.GroupItemModel,
      Postgresql.GroupItemCreateManyInput,
      Postgresql.GroupItemUncheckedUpdateManyInput,
      Postgresql.GroupItemWhereInput,
    ]
  >
  groupItemMysql: Agree<
    [
      Sqlite.GroupItemModel,
      Sqlite.GroupItemCreateManyInput,
      Sqlite.GroupItemUncheckedUpdateManyInput,
      Sqlite.GroupItemWhereInput,
    ],
    [
      Mysql.GroupItemModel,
      Mysql.GroupItemCreateManyInput,
      Mysql.GroupItemUncheckedUpdateManyInput,
      Mysql.GroupItemWhereInput,
    ]
  >
  apiKeyPostgresql: Agree<
    [Sqlite.ApiKeyModel, Sqlite.ApiKeyCreateManyInput, Sqlite.ApiKeyUncheckedUpdateManyInput, Sqlite.ApiKeyWhereInput],
    [
      Postgresql.ApiKeyModel,
      Postgresql.ApiKeyCreateManyInput,
      Postgresql.ApiKeyUncheckedUpdateManyInput,
      Postgresql.ApiKeyWhereInput,
    ]
  >
  apiKeyMysql: Agree<
    [Sqlite.ApiKeyModel, Sqlite.ApiKeyCreateManyInput, Sqlite.ApiKeyUncheckedUpdateManyInput, Sqlite.ApiKeyWhereInput],
    [Mysql.ApiKeyModel, Mysql.ApiKeyCreateManyInput, Mysql.ApiKeyUncheckedUpdateManyInput, Mysql.ApiKeyWhereInput]
  >
  pricePostgresql: Agree<
    [Sqlite.PriceModel, Sqlite.PriceCreateManyInput, Sqlite.PriceUncheckedUpdateManyInput, Sqlite.PriceWhereInput],
    [
      Postgresql.PriceModel,
      Postgresql.PriceCreateManyInput,
      Postgresql.PriceUncheckedUpdateManyInput,
      Postgresql.PriceWhereInput,
    ]
  >
  priceMysql: Agree<
    [Sqlite.PriceModel, Sqlite.PriceCreateManyInput, Sqlite.PriceUncheckedUpdateManyInput, Sqlite.PriceWhereInput],
    [Mysql.PriceModel, Mysql.PriceCreateManyInput, Mysql.PriceUncheckedUpdateManyInput, Mysql.PriceWhereInput]
  >
  settingPostgresql: Agree<
    [
      Sqlite.SettingModel,
      Sqlite.SettingCreateManyInput,
      Sqlite.SettingUncheckedUpdateManyInput,
      Sqlite.SettingWhereInput,
    ],
    [
      Postgresql.SettingModel,
      Postgresql.SettingCreateManyInput,
      Postgresql.SettingUncheckedUpdateManyInput,
      Postgresql.SettingWhereInput,
    ]
  >
  settingMysql: Agree<
    [
      Sqlite.SettingModel,
      Sqlite.SettingCreateManyInput,
      Sqlite.SettingUncheckedUpdateManyInput,
      Sqlite.SettingWhereInput,
    ],
    [Mysql.SettingModel, Mysql.SettingCreateManyInput, Mysql.SettingUncheckedUpdateManyInput, Mysql.SettingWhereInput]
  >
  configRevisionPostgresql: Agree<
    [
      Sqlite.ConfigRevisionModel,
      Sqlite.ConfigRevisionCreateManyInput,
      Sqlite.ConfigRevisionUncheckedUpdateManyInput,
      Sqlite.ConfigRevisionWhereInput,
    ],
    [
      Postgresql.ConfigRevisionModel,
      Postgresql.ConfigRevisionCreateManyInput,
      Postgresql.ConfigRevisionUncheckedUpdateManyInput,
      Postgresql.ConfigRevisionWhereInput,
    ]
  >
  configRevisionMysql: Agree<
    [
      Sqlite.ConfigRevisionModel,
      Sqlite.ConfigRevisionCreateManyInput,
      Sqlite.ConfigRevisionUncheckedUpdateManyInput,
      Sqlite.ConfigRevisionWhereInput,
    ],
    [
      Mysql.ConfigRevisionModel,
      Mysql.ConfigRevisionCreateManyInput,
      Mysql.ConfigRevisionUncheckedUpdateManyInput,
      Mysql.ConfigRevisionWhereInput,
    ]
  >
}

/** Compile-time proof that the three clients agree: a disagreement makes this type `never`, and prisma.ts no longer compiles. */
export type WhenAgreed<Client> = Agreement[keyof Agreement] extends true ? Client : never
