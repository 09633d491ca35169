/**
 * The part of etcd's v3 API (gRPC, etcdserverpb/rpc.proto) that the store speaks: names and field
 * numbers are etcd's own, all else is left out. protobufjs makes the codecs, grpc-js the calls.
 */
import type { MethodDefinition } from '@grpc/grpc-js'
import protobuf from 'protobufjs'

const PROTO = `
syntax = "proto3";
message Header { uint64 cluster_id = 1; uint64 member_id = 2; int64 revision = 3; }
message KeyValue {
  string key = 1; int64 create_revision = 2; int64 mod_revision = 3; string value = 5;
}
message RangeRequest { string key = 1; bytes range_end = 2; int64 limit = 3; bool keys_only = 8; }
message RangeResponse {
  Header header = 1; repeated KeyValue kvs = 2; bool more = 3; int64 count = 4;
}
message PutRequest { string key = 1; string value = 2; int64 lease = 3; }
message DeleteRangeRequest { string key = 1; bytes range_end = 2; }
message Nothing { }
message Compare {
  int32 result = 1; int32 target = 2; string key = 3;
  oneof target_union {
    int64 version = 4; int64 create_revision = 5; int64 mod_revision = 6; string value = 7;
  }
}
message RequestOp {
  oneof request {
    RangeRequest request_range = 1; PutRequest request_put = 2;
    DeleteRangeRequest request_delete_range = 3;
  }
}
message ResponseOp {
  oneof response {
    RangeResponse response_range = 1; Nothing response_put = 2; Nothing response_delete_range = 3;
  }
}
message TxnRequest {
  repeated Compare compare = 1; repeated RequestOp success = 2; repeated RequestOp failure = 3;
}
message TxnResponse { Header header = 1; bool succeeded = 2; repeated ResponseOp responses = 3; }
message CompactionRequest { int64 revision = 1; bool physical = 2; }
message HeaderResponse { Header header = 1; }
message LeaseGrantRequest { int64 TTL = 1; int64 ID = 2; }
message LeaseGrantResponse { Header header = 1; int64 ID = 2; int64 TTL = 3; string error = 4; }
message WatchCreateRequest {
  string key = 1; bytes range_end = 2; int64 start_revision = 3; bool progress_notify = 4;
}
message WatchRequest { oneof request_union { WatchCreateRequest create_request = 1; } }
message Event { int32 type = 1; KeyValue kv = 2; }
message WatchResponse {
  Header header = 1; int64 watch_id = 2; bool created = 3; bool canceled = 4;
  int64 compact_revision = 5; string cancel_reason = 6; repeated Event events = 11;
}
message AuthenticateRequest { string name = 1; string password = 2; }
message AuthenticateResponse { Header header = 1; string token = 2; }
`

const { root } = protobuf.parse(PROTO, { keepCase: true })

/** int64 on the wire; revisions stay far below 2^53, ids of leases do not. */
export interface Int64 {
  toNumber(): number
  toString(): string
}

export interface Header {
  readonly cluster_id: Int64
  readonly revision: Int64
}

export interface KeyValue {
  readonly key: string
  readonly value: string
  readonly create_revision: Int64
  readonly mod_revision: Int64
}

export interface RangeRequest {
  readonly key: string
  readonly range_end?: Uint8Array
  readonly limit?: number
}

export interface RangeResponse {
  readonly header: Header
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
}

export interface Compare {
  readonly result: number
  readonly target: number
  readonly key: string
  readonly create_revision?: number
  readonly mod_revision?: number
  readonly value?: string
}

export interface RequestOp {
  readonly request_range?: RangeRequest
  readonly request_put?: {
    readonly key: string
    readonly value: string
    readonly lease?: Int64 | undefined
  }
  readonly request_delete_range?: RangeRequest
}

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly RequestOp[]
  readonly failure: readonly RequestOp[]
}

export interface TxnResponse {
  readonly header: Header
  readonly succeeded: boolean
  readonly responses: readonly { readonly response_range?: RangeResponse | null }[]
}

export interface WatchRequest {
  readonly create_request: {
    readonly key: string
    readonly range_end: Uint8Array
    readonly start_revision: number
    readonly progress_notify: boolean
  }
}

export interface WatchResponse {
  readonly header: Header
  readonly created: boolean
  readonly canceled: boolean
  readonly compact_revision: Int64
  readonly cancel_reason: string
  /** type 0 is put, 1 is delete. */
  readonly events: readonly { readonly type: number; readonly kv: KeyValue }[]
}

/** Compare.CompareResult and CompareTarget. */
export const EQUAL = 0
export const GREATER = 1
export const BY_CREATE = 1
export const BY_MOD = 2
export const BY_VALUE = 3

function method<Q, A>(
  service: string,
  name: string,
  request: string,
  answer: string,
  streams = false,
): MethodDefinition<Q, A> {
  const [ask, tell] = [root.lookupType(request), root.lookupType(answer)]
  return {
    path: `/etcdserverpb.${service}/${name}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (value) => Buffer.from(ask.encode(value as object).finish()),
    requestDeserialize: (bytes) => ask.decode(bytes) as unknown as Q,
    responseSerialize: (value) => Buffer.from(tell.encode(value as object).finish()),
    responseDeserialize: (bytes) => tell.decode(bytes) as unknown as A,
  }
}

interface OnlyHeader {
  readonly header: Header
}

export const RANGE = method<RangeRequest, RangeResponse>(
  'KV',
  'Range',
  'RangeRequest',
  'RangeResponse',
)
export const TXN = method<TxnRequest, TxnResponse>('KV', 'Txn', 'TxnRequest', 'TxnResponse')
export const DELETE_RANGE = method<RangeRequest, OnlyHeader>(
  'KV',
  'DeleteRange',
  'DeleteRangeRequest',
  'HeaderResponse',
)
export const COMPACT = method<{ revision: number; physical: boolean }, OnlyHeader>(
  'KV',
  'Compact',
  'CompactionRequest',
  'HeaderResponse',
)
export const LEASE_GRANT = method<{ TTL: number; ID: number }, OnlyHeader & { ID: Int64 }>(
  'Lease',
  'LeaseGrant',
  'LeaseGrantRequest',
  'LeaseGrantResponse',
)
export const WATCH = method<WatchRequest, WatchResponse>(
  'Watch',
  'Watch',
  'WatchRequest',
  'WatchResponse',
  true,
)
export const AUTHENTICATE = method<
  { name: string; password: string },
  OnlyHeader & { token: string }
>('Auth', 'Authenticate', 'AuthenticateRequest', 'AuthenticateResponse')

/** The end of the range of all keys that start with a prefix: the prefix with its last byte one
 * higher (keys are ASCII, so there always is one); of no prefix, all keys. */
export function endOf(prefix: string): Uint8Array {
  if (prefix === '') return Uint8Array.of(0)
  const bytes = Buffer.from(prefix)
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) + 1
  return bytes
}
