# SPDX-License-Identifier: Apache-2.0
server_libserver_a_SOURCES += \
	server/http/acceptor.c \
	server/http/body.c server/http/body.h \
	server/http/connection.c \
	server/http/exchange.c server/http/exchange.h server/http/exchange_state.h \
	server/http/gate.c server/http/gate.h \
	server/http/http_loop.c server/http/http_loop.h \
	server/http/http_server.c server/http/http_server.h \
	server/http/linger.c server/http/linger.h \
	server/http/listener.c server/http/listener.h \
	server/http/parking.c \
	server/http/raw_header.c server/http/raw_header.h \
	server/http/request.c \
	server/http/router.c server/http/router.h \
	server/http/streaming.c server/http/streaming.h \
	server/http/upload.c server/http/upload.h
