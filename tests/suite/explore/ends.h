/* SPDX-License-Identifier: MIT */
/* Scenarios of calls that end early, and of oneways that find no space; see ends.c and space.c. */
#pragma once

/* Thread functions: each side of calls that may end before their reply. */
void ends_serve(void *unused);
void ends_serve_by_chain(void *unused);
void ends_serve_badly(void *unused);
void ends_call(void *unused);
void ends_call_by_deadline(void *unused);
void ends_call_and_poll(void *unused);
void ends_call_async(void *unused);
void ends_call_async_and_wait(void *unused);
void ends_call_async_by_deadline(void *unused);
void ends_cancel(void *unused);
void ends_time(void *unused);
void ends_reply(void *unused);

void ends_prepare(void);
void ends_prepare_chain(void);
void ends_prepare_async(void);

/* Thread functions: senders that find no space, and threads that free it. */
void space_poll(void *unused);
void space_poll_either(void *unused);
void space_poll_other(void *unused);
void space_destroy_other(void *unused);
void space_try(void *unused);
void space_try_or_closed(void *unused);
void space_make(void *unused);
void space_make_and_serve(void *unused);
/* Sends a oneway that replaces another; serves until it was taken. */
void space_replace_poll(void *unused);
void space_serve_newer(void *unused);
/* Another thread that waits as well. */

void space_prepare(void);
void space_prepare_replace(void);
void space_prepare_two(void);
void space_prepare_other(void);
