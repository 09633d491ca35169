/** What is asked again, and what is said at once. The texts are those of grpc-js and OpenSSL. */
import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { judge } from './etcd-failure.ts'

const LAST = 'No connection established. Last error: '

const means = (details: string): string =>
  judge({ code: status.UNAVAILABLE, details }, 'etcd://a:1', '/lanyard/').means

test('what a certificate is refused for does not change by waiting', () => {
  const alert =
    '803C0B845B7F0000:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:' +
    '../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 42'
  expect(means(LAST + alert)).toBe('elsewhere')
  expect(means(`${LAST}unable to verify the first certificate`)).toBe('elsewhere')
  expect(means(`${LAST}self-signed certificate in certificate chain`)).toBe('elsewhere')
  const { error } = judge({ code: status.UNAVAILABLE, details: LAST + alert }, 'etcd://a:1', '/')
  expect(error.message).toContain(
    'the store etcd://a:1 does not answer: it refuses our certificate (TLS alert "bad certificate")',
  )
})

test('a member that is starting or was killed is waited for', () => {
  expect(means(`${LAST}connect ECONNREFUSED 127.0.0.1:1`)).toBe('again')
  const broken = 'Client network socket disconnected before secure TLS connection was established'
  expect(means(LAST + broken)).toBe('again')
})

test('what was sent and not answered is known to nobody', () => {
  expect(means('Connection dropped')).toBe('unknown')
})
