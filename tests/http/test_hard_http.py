#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile and ambiguous HTTP, in raw bytes, at the real daemon. Each row: what is sent, which status
is right, whether the connection must end. After each the daemon must be live and its memory within
bound; at the end it must stop cleanly. Numbers are rows of the list of hard cases."""
import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon_fixture import Daemon, is_sanitized  # noqa: E402

LIVE = b"/v2/health/live"
INFER = b"/v2/models/model/infer"
BODY = (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}')
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"
CLOSED, KEPT = True, False


def get(*headers, target=LIVE, version=b"HTTP/1.1", method=b"GET"):
    return b"\r\n".join([method + b" " + target + b" " + version, b"Host: t", *headers]) + b"\r\n\r\n"


def post(*headers, body=BODY, target=INFER, version=b"HTTP/1.1"):
    return get(*headers, target=target, version=version, method=b"POST") + body


def length(value):
    return b"Content-Length: " + value


CL = length(b"%d" % len(BODY))
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

# name, bytes, statuses that are right, does the connection end
ROWS = [
    ("a query", get(target=b"/v2/health/live?a=1&b=%20x&c"), {200}, KEPT),
    ("a bad escape in a query", get(target=b"/v2/health/live?a=%2"), {400}, CLOSED),
    ("plain GET", get(), {200}, KEPT),
    ("plain POST", post(CL), {200}, KEPT),
    ("plain chunked POST", post(CHUNKED, body=CHUNKS), {200}, KEPT),
    ("1 CL and TE", post(CL, CHUNKED, body=b"0\r\n\r\n" + SMUGGLED), {400}, CLOSED),
    ("2 TE and CL", post(CHUNKED, CL, body=b"0\r\n\r\n" + SMUGGLED), {400}, CLOSED),
    ("3 CL twice, equal", post(CL, CL), {400}, CLOSED),
    ("4 CL twice, unlike", post(CL, length(b"0")), {400}, CLOSED),
    ("5 CL list", post(length(b"5, 5")), {400}, CLOSED),
    ("6 CL +5", post(length(b"+5")), {400}, CLOSED),
    ("7 CL -5", post(length(b"-5")), {400}, CLOSED),
    ("8 CL 0x5", post(length(b"0x5")), {400}, CLOSED),
    ("9 CL 5Z", post(length(b"5Z")), {400}, CLOSED),
    ("10 CL empty", post(length(b"")), {400}, CLOSED),
    ("11 CL 2^64", post(length(b"18446744073709551616")), {413}, CLOSED),
    ("12 CL 2^64-1", post(length(b"18446744073709551615")), {413}, CLOSED),
    ("CL over the limit", post(length(b"2000000000"), body=b"x" * 100000), {413}, CLOSED),
    ("13 blank before the colon", post(b"Content-Length : 5"), {400}, CLOSED),
    ("14 TE identity", post(b"Transfer-Encoding: identity", CL), {400, 501}, CLOSED),
    ("14 TE xchunked", post(b"Transfer-Encoding: xchunked", body=CHUNKS), {400, 501}, CLOSED),
    ("15 TE gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), {400}, CLOSED),
    ("16 TE twice", post(CHUNKED, CHUNKED, body=CHUNKS), {400}, CLOSED),
    ("17 TE ,chunked", post(b"Transfer-Encoding: ,chunked", body=CHUNKS), {400}, CLOSED),
    ("17 TE \\vchunked", post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS), {400}, CLOSED),
    ("18 TE in 1.0", post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"), {400}, CLOSED),
    ("19 chunk 0x5", post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), {400}, CLOSED),
    ("19 chunk +5", post(CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n"), {400}, CLOSED),
    ("19 chunk -5", post(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"), {400}, CLOSED),
    ("19 chunk 5_0", post(CHUNKED, body=b"5_0\r\nhello\r\n0\r\n\r\n"), {400}, CLOSED),
    ("19 chunk of 17 digits", post(CHUNKED, body=b"fffffffffffffffff\r\nhello"), {400, 413}, CLOSED),
    ("20 no CRLF after a chunk", post(CHUNKED, body=b"5\r\nhello0\r\n\r\n"), {400}, CLOSED),
    ("21 chunk extension of 64 KB",
     post(CHUNKED, body=b"5;" + b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n"), {400, 413}, CLOSED),
    ("22 70000 chunks of one byte", post(CHUNKED, body=b"1\r\n \r\n" * 70000 + b"0\r\n\r\n"), {413},
     CLOSED),
    ("23 trailers that lie", post(CHUNKED, body=b"%x\r\n%s\r\n0\r\nContent-Length: 3\r\n"
                                  b"Transfer-Encoding: chunked\r\nAuthorization: x\r\n\r\n"
                                  % (len(BODY), BODY)), {200}, KEPT),
    ("24 no Host", b"GET /v2/health/live HTTP/1.1\r\n\r\n", {400}, CLOSED),
    ("25 two Hosts", get(b"Host: u"), {400}, CLOSED),
    ("26 bad Host", b"GET /v2/health/live HTTP/1.1\r\nHost: a/b@c\r\n\r\n", {400}, CLOSED),
    ("27 NUL in a value", get(b"A: b\x00c"), {400}, CLOSED),
    ("27 CR in a value", get(b"A: b\rc"), {400}, CLOSED),
    ("27 DEL in a value", get(b"A: b\x7fc"), {400}, CLOSED),
    ("28 high bit in a name", get(b"\xe9: b"), {400}, CLOSED),
    ("28 blank in a name", get(b"A B: c"), {400}, CLOSED),
    ("empty name", get(b": c"), {400}, CLOSED),
    ("29 no colon", get(b"nonsense"), {400}, CLOSED),
    ("30 folded line", get(b"A: b\r\n c"), {400}, CLOSED),
    ("31 bare LF after a field", get(b"A: b\nB: c"), {400}, CLOSED),
    ("31 bare LF after the request line", b"GET /v2/health/live HTTP/1.1\nHost: t\r\n\r\n", {400},
     CLOSED),
    ("32 %00", get(target=LIVE + b"%00"), {400, 404}, CLOSED),
    ("32 %2e%2e%2f", get(target=b"/v2/models/%2e%2e%2f%2e%2e%2fetc/ready"), {400, 404}, KEPT),
    ("32 //", get(target=b"/v2//health/live"), {404}, KEPT),
    ("32 backslash", get(target=b"/v2\\health\\live"), {400, 404}, CLOSED),
    ("32 overlong UTF-8", get(target=b"/v2/models/a%c0%afb/ready"), {400, 404}, KEPT),
    ("32 escaped twice", get(target=b"/v2/models/%252e%252e/ready"), {400, 404}, KEPT),
    ("raw NUL in the URL", get(target=b"/v2/health/live\x00x"), {400}, CLOSED),
    ("two blanks", b"GET  /v2/health/live HTTP/1.1\r\nHost: t\r\n\r\n", {400}, CLOSED),
    ("33 URL of 20 KB", get(target=b"/" + b"a" * 20000), {414, 431}, CLOSED),
    ("33 URL of 9 KB", get(target=b"/" + b"a" * 9000), {414}, CLOSED),
    ("33 URL of 200 KB", get(target=b"/" + b"a" * 200000), {414}, CLOSED),
    ("34 header of 64 KB", get(b"A: " + b"a" * 65536), {431}, CLOSED),
    ("34 header of 18 KB", get(b"A: " + b"a" * 18000), {431}, CLOSED),
    ("34 2000 headers", get(*[b"A%d: b" % i for i in range(2000)]), {431}, CLOSED),
    ("34 150 headers", get(*[b"A%d: b" % i for i in range(150)]), {431}, CLOSED),
    ("header of 7 KB in 90 fields", post(CL, *[b"A%02d: " % i + b"a" * 72 for i in range(90)]), {200}, KEPT),
    ("35 lower case", get(method=b"get"), {405, 501}, CLOSED),
    ("35 unknown", get(method=b"BREW"), {405, 501}, CLOSED),
    ("35 G=", get(method=b"G="), {400, 405, 501}, CLOSED),
    ("known, not here", get(method=b"DELETE"), {405}, KEPT),
    ("36 HTTP/9.9", get(version=b"HTTP/9.9"), {505}, CLOSED),
    ("36 HTTP/0.9", b"GET /v2/health/live\r\n\r\n", {400, 505}, CLOSED),
    ("40 body longer than CL", post(CL, body=BODY + b"garbage\r\n\r\n"), {200}, CLOSED),
    ("46 unknown Expect", post(CL, b"Expect: tea"), {417}, KEPT),
    ("47 gzip body", post(length(b"30"), b"Content-Encoding: gzip", body=b"\x1f\x8b" + b"\0" * 28),
     {415}, KEPT),
    ("48 XML", post(CL, b"Content-Type: text/xml"), {415}, KEPT),
    ("48 form, as curl says", post(CL, b"Content-Type: application/x-www-form-urlencoded"), {200},
     KEPT),
    ("49 OPTIONS", get(method=b"OPTIONS"), {204}, KEPT),
    ("49 OPTIONS *", get(method=b"OPTIONS", target=b"*"), {204}, KEPT),
    ("49 TRACE", get(method=b"TRACE"), {405, 501}, CLOSED),
    ("49 CONNECT", get(method=b"CONNECT", target=b"t:80"), {400, 405, 501}, CLOSED),
    ("absolute-form", get(target=b"http://t" + LIVE), {200}, KEPT),
    ("HTTP/1.0", get(version=b"HTTP/1.0"), {200}, CLOSED),
    ("body where none is taken", get(length(b"3")) + b"abc", {400}, KEPT),
]

# Bytes that are no HTTP at all: any 4xx or 5xx, or nothing; but the connection must end.
GARBAGE = [
    ("37 TLS hello", bytes.fromhex("16030100c8010000c40303") + os.urandom(190)),
    ("37 HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)),
    ("37 random bytes", os.urandom(4096) + b"\r\n\r\n"),
    ("37 NULs", bytes(40000)),
    ("only line ends", b"\r\n" * 20000),
]


class HardHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--request-timeout-ms", "1500", "--response-timeout-ms", "1500")
        cls.rss_start = cls.daemon.rss_kib()

    @classmethod
    def tearDownClass(cls):
        code = cls.daemon.stop()
        if code != 0:
            raise AssertionError("inferd ended with %d:\n%s" % (code, cls.daemon.log()[-3000:]))

    def check_daemon(self, name):
        self.assertTrue(self.daemon.is_live(), name)
        grown = self.daemon.rss_kib() - self.rss_start
        self.assertLess(grown, 400000 if is_sanitized() else 16000, "%s: memory in KiB" % name)

    def test_rows(self):
        for name, data, statuses, ends in ROWS:
            with self.subTest(name), self.daemon.client() as client:
                try:
                    client.send(data)
                except ConnectionError:
                    pass
                response = client.read()
                self.assertIsNotNone(response, name + ": no answer")
                self.assertIn(response.status, statuses, "%s: %r" % (name, response))
                if ends:
                    self.assertTrue(client.closed(), name + ": connection stays open")
                    self.assertNotIn(b"HTTP/1.1 200", client.data, name + ": something was smuggled")
                    self.assertNotIn(b"HTTP/1.1 404", client.data, name + ": something was smuggled")
                else:
                    client.send(get())
                    again = client.read()
                    self.assertIsNotNone(again, name + ": connection ended")
                    self.assertEqual(again.status, 200, name)
                self.check_daemon(name)

    def test_errors_are_json(self):
        for data in (get(target=b"/nope"), get(method=b"PUT"), get(b"Host: u"), get(b"A: b\n"),
                     get(target=b"/" + b"a" * 9000), post(CL, b"Content-Type: text/xml")):
            with self.subTest(data), self.daemon.client() as client:
                client.send(data)
                response = client.read()
                self.assertEqual(response.headers["content-type"], "application/json")
                self.assertRegex(response.body, rb'^\{"error":".*"\}$')

    def test_405_says_what_is_allowed(self):
        with self.daemon.client() as client:
            client.send(get(method=b"PUT"))
            response = client.read()
            self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))
            client.send(get(method=b"OPTIONS", target=INFER))
            self.assertEqual(client.read().headers["allow"], "POST")

    def test_head_has_no_body(self):
        with self.daemon.client() as client:
            client.send(get(target=b"/metrics", method=b"HEAD") + get())
            head = client.read(head=True)
            self.assertEqual(head.status, 200)
            self.assertGreater(int(head.headers["content-length"]), 0)
            self.assertEqual(client.read().status, 200)

    def test_garbage(self):
        for name, data in GARBAGE:
            with self.subTest(name), self.daemon.client() as client:
                try:
                    client.send(data)
                except ConnectionError:
                    pass
                self.assertTrue(client.closed(5), name)
                self.assertNotIn(b" 200 ", client.data)
                self.check_daemon(name)

    def test_38_pipelining(self):
        with self.daemon.client() as client:
            client.send((get() + post(CL)) * 50)
            for i in range(100):
                response = client.read()
                self.assertIsNotNone(response, i)
                self.assertEqual(response.status, 200, i)

    def test_39_body_ends_early(self):
        with self.daemon.client() as client:
            client.send(post(CL, body=BODY[:10]))
            client.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(client.closed())
            self.assertNotIn(b" 200 ", client.data)
        self.check_daemon("39")

    def test_41_slow_header(self):
        with self.daemon.client() as client:
            for byte in b"GET /v2/health/live HTTP/1.1\r\nHost: t\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbbb":
                try:
                    client.send(bytes([byte]))
                except ConnectionError:
                    break
                client.socket.settimeout(0.1)
                try:
                    if not client._more():
                        break
                except TimeoutError:
                    continue
            else:
                self.fail("a header may take for ever")
        self.check_daemon("41")

    def test_42_slow_body(self):
        with self.daemon.client() as client:
            client.send(post(CL, body=b""))
            for byte in BODY:
                try:
                    client.send(bytes([byte]))
                except ConnectionError:
                    break
                client.socket.settimeout(0.1)
                try:
                    if not client._more():
                        break
                except TimeoutError:
                    continue
            else:
                self.fail("a body may take for ever")
            self.assertIn(b" 408 ", client.data)
        self.check_daemon("42")

    def test_43_slow_reader(self):
        with self.daemon.client() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.socket.settimeout(0.5)
            request = get(target=b"/metrics") * 100
            try:
                for _ in range(2000):
                    client.send(request)
            except (TimeoutError, ConnectionError):
                pass
            client.socket.settimeout(5)
            got = 0
            try:
                while True:
                    piece = client.socket.recv(1 << 16)
                    if not piece:
                        break
                    got += len(piece)
                    if got > 50 << 20:
                        self.fail("the daemon waited for a reader that does not read")
            except ConnectionError:
                pass
        self.check_daemon("43")

    def test_44_reset_while_answering(self):
        for _ in range(20):
            with self.daemon.client() as client:
                client.send(get(target=b"/metrics") * 20 + post(CL) * 20)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
        self.check_daemon("44")

    def test_46_expect_continue(self):
        with self.daemon.client() as client:
            client.send(post(CL, b"Expect: 100-continue", body=b""))
            while b"\r\n\r\n" not in client.data:
                self.assertTrue(client._more())
            self.assertIn(b" 100 ", client.data)
            client.send(BODY)
            self.assertEqual(client.read().status, 200)

    def test_46_refused_before_the_body(self):
        with self.daemon.client() as client:
            client.send(post(CL, b"Expect: 100-continue", b"Content-Type: text/xml", body=b""))
            self.assertEqual(client.read().status, 415)
            self.assertNotIn(b" 100 ", client.data)

    def test_50_half_close(self):
        with self.daemon.client() as client:
            client.send(post(CL))
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.read().status, 200)
            self.assertTrue(client.closed())

    def test_idle_descriptors_come_back(self):
        before = self.daemon.descriptors()
        clients = [self.daemon.client() for _ in range(50)]
        for client in clients:
            client.send(get())
            client.read()
            client.close()
        self.check_daemon("descriptors")
        for _ in range(100):
            if self.daemon.descriptors() <= before + 2:
                return
            import time
            time.sleep(0.05)
        self.fail("%d descriptors, then %d" % (before, self.daemon.descriptors()))


if __name__ == "__main__":
    unittest.main()
