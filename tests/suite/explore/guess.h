/* SPDX-License-Identifier: MIT */
/* Scenarios with guessed ids; see guess.c. */
#pragma once

void guess_create_node(void *unused);
void guess_destroy(void *unused);

void guess_prepare(void);
void guess_serve(void *unused);
void guess_call_and_close(void *unused);
void guess_reply(void *unused);
