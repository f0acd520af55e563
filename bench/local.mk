# SPDX-License-Identifier: Apache-2.0
# Programs that only `make bench` builds; the drivers are run by ./dev bench.
EXTRA_PROGRAMS = %D%/engine_bench %D%/proto_bench %D%/train_bench
%C%_engine_bench_SOURCES = %D%/engine_bench.c %D%/timing.c %D%/timing.h
%C%_engine_bench_CPPFLAGS = $(AM_CPPFLAGS)
%C%_engine_bench_LDADD = $(ENGINE_LIBS)
%C%_proto_bench_SOURCES = %D%/proto_bench.c
%C%_proto_bench_CPPFLAGS = $(AM_CPPFLAGS)
%C%_proto_bench_LDADD = $(PROTO_LIBS)
%C%_train_bench_SOURCES = %D%/train_bench.c %D%/timing.c %D%/timing.h
%C%_train_bench_CPPFLAGS = $(AM_CPPFLAGS)
%C%_train_bench_LDADD = $(ENGINE_LIBS)
CLEANFILES += %D%/engine_bench %D%/proto_bench %D%/train_bench

bench: $(EXTRA_PROGRAMS)
.PHONY: bench

EXTRA_DIST += %D%/accuracy.py %D%/engine.py %D%/bench_http.py %D%/bench_learn.py %D%/networks.py %D%/peer_server.py %D%/peers.py %D%/post.lua %D%/train.py
