import { z } from 'zod'
import { ApiKeyCreate, ApiKeyRow } from '../contract/access.ts'
import { LogDetail, LogPage, LogRow, StatsPoint, StatsRank, StatsTotals } from '../contract/activity.ts'
import { ChannelCreate, ChannelRow, ChannelTypeRow } from '../contract/channels.ts'
import { apiErrorStatus } from '../contract/define.ts'
import { GroupCreate, GroupRow } from '../contract/groups.ts'
import { events } from '../contract/index.ts'
import { PriceAnswer, PriceRow, PriceSet } from '../contract/prices.ts'
import { SessionRow } from '../contract/session.ts'
import { Settings, SettingsPatch } from '../contract/settings.ts'
import { procedures, type AnyProcedure } from './dispatch.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema
type Document = Readonly<Record<string, unknown>>

/** Rows that get a name of their own in the document; all others are written out where they stand. */
const names = z.registry<{ id: string }>()
for (const [id, schema] of Object.entries({
  ApiKey: ApiKeyRow,
  ApiKeyCreate,
  Channel: ChannelRow,
  ChannelCreate,
  ChannelType: ChannelTypeRow,
  Group: GroupRow,
  GroupCreate,
  LogDetail,
  LogPage,
  LogRow,
  Price: PriceRow,
  PriceAnswer,
  PriceSet,
  Session: SessionRow,
  Settings,
  SettingsPatch,
  StatsPoint,
  StatsRank,
  StatsTotals,
})) {
  names.add(schema, { id })
}

const ApiErrorBody = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { enum: Object.keys(apiErrorStatus) },
        message: { type: 'string' },
        issues: {
          type: 'array',
          items: {
            type: 'object',
            required: ['path', 'message'],
            properties: { path: { type: 'string' }, message: { type: 'string' } },
          },
        },
        retryAfterMs: { type: 'number' },
      },
    },
  },
}

/** The OpenAPI 3.1 document of the management API, made from the contract's table. */
export function openApiDocument(version: string): Document {
  const components: Record<string, JsonSchema> = { ApiError: ApiErrorBody as JsonSchema }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [name, row] of procedures) {
    const [method = '', path = ''] = row.http.split(' ', 2)
    const place = path.replaceAll(/:(\w+)/g, '{$1}')
    paths[place] = { ...paths[place], [method.toLowerCase()]: operation(name, row, components) }
  }
  paths['/events'] = { get: eventsOperation(components) }
  return {
    openapi: '3.1.1',
    info: { title: 'Octopus management API', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/api/v1' }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        cookie: { type: 'apiKey', in: 'cookie', name: 'octopus_session' },
      },
    },
  }
}

function operation(name: string, row: AnyProcedure, components: Record<string, JsonSchema>): Document {
  const [method = '', path = ''] = row.http.split(' ', 2)
  const input = toSchema(row.input, 'input', components)
  const inPath = new Set([...path.matchAll(/:(\w+)/g)].map(([, parameter]) => parameter))
  const fields = Object.entries(resolve(input, components).properties ?? {})
  const required = new Set(resolve(input, components).required)
  const inQuery = method === 'GET' || method === 'DELETE'
  const parameters = fields
    .filter(([field]) => inQuery || inPath.has(field))
    .map(([field, schema]) => ({
      name: field,
      in: inPath.has(field) ? 'path' : 'query',
      required: inPath.has(field) || required.has(field),
      schema,
    }))
  const hasBody = !inQuery && fields.some(([field]) => !inPath.has(field))
  return {
    operationId: name,
    tags: [name.split('.', 1)[0]],
    summary: row.summary,
    ...(row.open === true ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(hasBody ? { requestBody: { required: true, content: json(withoutPath(input, inPath)) } } : {}),
    responses: { ...answer(row, components), default: { description: 'Refused', content: json(ref('ApiError')) } },
  }
}

/** The id of `PATCH /channels/:id` stands in the path, not in the body. */
function withoutPath(input: JsonSchema, inPath: ReadonlySet<string | undefined>): JsonSchema {
  if (inPath.size === 0) return input
  const properties = Object.fromEntries(Object.entries(input.properties ?? {}).filter(([field]) => !inPath.has(field)))
  const { required: all = [], ...rest } = input
  const required = all.filter((field) => !inPath.has(field))
  return { ...rest, properties, ...(required.length > 0 ? { required } : {}) }
}

function answer(row: AnyProcedure, components: Record<string, JsonSchema>): Document {
  const schema = toSchema(row.output, 'output', components)
  if (schema.type === 'null') return { 204: { description: 'Done' } }
  return { 200: { description: 'Done', content: json(schema) } }
}

function eventsOperation(components: Record<string, JsonSchema>): Document {
  const kinds = Object.entries(events).map(([event, schema]) => {
    const id = `Event.${event}`
    components[id] = toSchema(schema, 'output', components)
    return `\`${event}\` (data: \`${id}\`)`
  })
  return {
    operationId: 'events',
    tags: ['events'],
    summary: `Live events as server-sent events: ${kinds.join(', ')}.`,
    parameters: [
      {
        name: 'only',
        in: 'query',
        required: false,
        description: 'Event names, joined by commas.',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: { description: 'A stream without end', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      default: { description: 'Refused', content: json(ref('ApiError')) },
    },
  }
}

/** zod's own JSON Schema; what it puts aside under `$defs` moves to the document's components. */
function toSchema(schema: z.ZodType, io: 'input' | 'output', components: Record<string, JsonSchema>): JsonSchema {
  const made = z.toJSONSchema(schema, { io, metadata: names, unrepresentable: 'any', target: 'draft-2020-12' })
  const { $defs = {}, ...rest } = made
  delete rest.$schema
  const moved = new Map<string, string>()
  for (const id of Object.keys($defs)) moved.set(id, id.startsWith('__') ? 'AnyJson' : id)
  for (const [id, definition] of Object.entries($defs)) {
    components[moved.get(id) ?? id] ??= relocate(definition, moved)
  }
  return relocate(rest, moved)
}

function relocate(schema: JsonSchema, moved: ReadonlyMap<string, string>): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key === 'id' && typeof value === 'string' && moved.has(value)) return undefined
    if (key !== '$ref' || typeof value !== 'string') return value
    const id = value.replace('#/$defs/', '')
    return ref(moved.get(id) ?? id).$ref
  })
  return JSON.parse(text) as JsonSchema // our own text of just above
}

function resolve(schema: JsonSchema, components: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const id = schema.$ref?.replace('#/components/schemas/', '')
  return id === undefined ? schema : (components[id] ?? schema)
}

function ref(id: string): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${id}` }
}

function json(schema: JsonSchema): Document {
  return { 'application/json': { schema } }
}
