/* SPDX-License-Identifier: MIT */
/*
 * The streams of the service in the tests.
 */
#ifndef GATEWAY_TESTS_STREAMS_H
#define GATEWAY_TESTS_STREAMS_H

#include "interop.ipc.h"

int streams_input(struct ipc_stream *stream, void *userdata);
int streams_output(struct ipc_stream *stream, const Interop__Plan *plan, void *userdata);
int streams_duplex(struct ipc_stream *stream, void *userdata);
int streams_deaf(struct ipc_stream *stream, void *userdata);
int streams_broken(struct ipc_stream *stream, void *userdata);

/* Fills in the state of the streams. The text is valid until the next call. */
void streams_look(Interop__LookReply *reply);

#endif /* GATEWAY_TESTS_STREAMS_H */
